// Package logview shows what the log holds, an entry a line, for people or for programs.
package logview

import (
	"slices"
	"strings"
	"time"

	"github.com/roombus/roombus/domain"
)

// Item is one thing that a reader of the log was told: an entry or a notice.
type Item struct {
	Stream string
	// Entry is nil for a notice.
	Entry *domain.Entry
	// Repeat says that the entry was stored twice: nodes drop it.
	Repeat bool
	// Notice is nil for an entry; it is never a *domain.AtTail.
	Notice domain.Notice
}

// Offset is where in the stream the item is; for a gap the last position before it.
func (it *Item) Offset() domain.Offset {
	switch n := it.Notice.(type) {
	case nil:
		return it.Entry.Offset
	case *domain.BadEntry:
		return n.Offset
	case *domain.Gap:
		if n.After == "" {
			return n.Next
		}
		return n.After
	case *domain.Reset:
		return n.Cursor
	default:
		return ""
	}
}

// Time is when the log stored what the item is about, by the log's clock; zero where that is not known.
func (it *Item) Time() time.Time {
	if it.Entry != nil {
		return it.Entry.Time
	}
	return TimeOf(it.Offset())
}

// KindName is a kind as one word.
func KindName(k domain.Kind) string { return strings.ReplaceAll(k.String(), " ", "-") }

// KindNames are the words for all kinds.
func KindNames() []string {
	var names []string
	for k := domain.KindInitialHeartbeat; k.Valid(); k++ {
		names = append(names, KindName(k))
	}
	return names
}

// ParseKind is the kind of a word; false for another word.
func ParseKind(word string) (domain.Kind, bool) {
	i := slices.Index(KindNames(), strings.ReplaceAll(word, " ", "-"))
	return domain.KindInitialHeartbeat + domain.Kind(i), i >= 0
}

// TraceID is the id of the trace that a message belongs to, 32 hexadecimal digits; empty when it bears none that W3C
// Trace Context allows.
func TraceID(m *domain.Message) string {
	parts := strings.Split(m.Headers["traceparent"], "-")
	if len(parts) < 4 || len(parts[0]) != 2 || !IsTraceID(parts[1]) || len(parts[2]) != 16 || !isHex(parts[2]) {
		return ""
	}
	return parts[1]
}

// IsTraceID reports whether a text can be the id of a trace.
func IsTraceID(id string) bool { return len(id) == 32 && isHex(id) && strings.Trim(id, "0") != "" }

func isHex(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') }) < 0
}

// targetOf is whom a message means, if it means sockets.
func targetOf(b domain.Body) (target *domain.Target, rooms []string) {
	switch b := b.(type) {
	case *domain.Broadcast:
		return &b.Target, nil
	case *domain.Join:
		return &b.Target, b.Rooms
	case *domain.Leave:
		return &b.Target, b.Rooms
	case *domain.Disconnect:
		return &b.Target, nil
	case *domain.FetchSockets:
		return &b.Target, nil
	default:
		return nil, nil
	}
}

// packetOf is the event of a message that has one.
func packetOf(b domain.Body) domain.Packet {
	switch b := b.(type) {
	case *domain.Broadcast:
		return b.Packet
	case *domain.ServerSideEmit:
		return b.Packet
	default:
		return domain.Packet{}
	}
}

// beatOf is what a heartbeat says; nil for anything else.
func beatOf(b domain.Body) *domain.Heartbeat {
	switch b := b.(type) {
	case *domain.InitialHeartbeat:
		return &b.Heartbeat
	case *domain.Heartbeat:
		return b
	default:
		return nil
	}
}
