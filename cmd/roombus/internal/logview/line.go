package logview

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/text"
	"github.com/roombus/roombus/domain"
)

// Payload says how much of what a message carries is shown.
type Payload string

// The choices. PayloadShort shows the beginning, in a line; in JSON there is no such thing, so it is all of it.
const (
	PayloadNone  Payload = "none"
	PayloadShort Payload = "short"
	PayloadFull  Payload = "full"
)

// shortPayload is how many characters of a payload are shown in short.
const shortPayload = 80

// Lines writes items as lines for people.
type Lines struct {
	Palette text.Palette
	Payload Payload
	// Streams shows the stream of each item: there are several.
	Streams bool
	// Location is the time zone; default: that of this machine.
	Location *time.Location
}

// Line is an item as a line, without its end. name is the name of its node, if it is known.
func (l *Lines) Line(it *Item, name string) string {
	at, stored := it.Offset(), it.Time()
	if gap, ok := it.Notice.(*domain.Gap); ok && gap.Next != "" { // where it goes on
		at, stored = gap.Next, TimeOf(gap.Next)
	}
	parts := []string{l.clock(stored), l.Palette.Paint(text.Dim, text.Visible(string(at)))}
	if l.Streams {
		parts = append(parts, l.Palette.Paint(text.Dim, text.Name(it.Stream)))
	}
	if it.Entry == nil {
		return strings.Join(append(parts, l.notice(it.Notice)), "  ")
	}
	m := &it.Entry.Message
	parts = append(parts,
		l.Palette.Paint(kindColor(m.Kind()), fmt.Sprintf("%-9s", KindName(m.Kind()))), // the most frequent ones in columns
		l.Palette.Paint(text.Strong, fmt.Sprintf("%-7s", l.word(cmp.Or(name, string(m.Node))))),
		l.word(m.Namespace))
	parts = append(parts, l.whom(m.Body)...)
	parts = append(parts, l.what(m)...)
	if it.Repeat {
		parts = append(parts, l.Palette.Paint(text.Careful, "(stored twice: nodes drop it)"))
	}
	if id := TraceID(m); id != "" {
		parts = append(parts, l.Palette.Paint(text.Dim, "trace "+id))
	}
	return strings.Join(parts, "  ")
}

const clockLayout = "15:04:05.000"

func (l *Lines) clock(at time.Time) string {
	if at.IsZero() {
		return strings.Repeat(" ", len(clockLayout))
	}
	if l.Location != nil {
		return at.In(l.Location).Format(clockLayout)
	}
	return at.Local().Format(clockLayout)
}

// Node is how a node is called: by its name, if that is known.
func Node(id domain.NodeID, name string) string {
	if name != "" {
		return text.Name(name)
	}
	return text.Name(string(id))
}

func kindColor(k domain.Kind) text.Color {
	switch k {
	case domain.KindBroadcast:
		return text.Good
	case domain.KindJoin, domain.KindLeave, domain.KindDisconnect:
		return text.Second
	case domain.KindServerSideEmit, domain.KindFetchSockets:
		return text.First
	default:
		return text.Dim
	}
}

// whom says for which sockets a message is.
func (l *Lines) whom(b domain.Body) []string {
	target, _ := targetOf(b)
	if target == nil {
		return nil
	}
	to := "to all"
	if len(target.Rooms) > 0 {
		to = "to " + l.names(target.Rooms)
	}
	if len(target.Except) > 0 {
		to += " except " + l.names(target.Except)
	}
	return append([]string{to}, flagWords(&target.Flags)...)
}

// names are the names of rooms, as many as fit into a line, or all with the full payload.
func (l *Lines) names(rooms []string) string {
	if l.Payload == PayloadFull {
		return text.Names(rooms)
	}
	var words []string
	for _, room := range rooms[:min(len(rooms), maxShownRooms)] {
		words = append(words, l.word(room))
	}
	shown := strings.Join(words, ",")
	if more := len(rooms) - len(words); more > 0 {
		return shown + fmt.Sprintf(" and %d more", more)
	}
	return shown
}

// word is a name, or its beginning where it is too long for a line.
func (l *Lines) word(name string) string {
	if l.Payload != PayloadFull {
		name = text.Short(name, shortPayload)
	}
	return text.Name(name)
}

// maxShownRooms is how many rooms are named.
const maxShownRooms = 10

func flagWords(f *domain.Flags) (words []string) {
	if f.Volatile {
		words = append(words, "volatile")
	}
	switch f.Compress {
	case domain.CompressOn:
		words = append(words, "compress")
	case domain.CompressOff:
		words = append(words, "no-compress")
	case domain.CompressByDefault:
	}
	if f.Timeout > 0 {
		words = append(words, "timeout="+f.Timeout.String())
	}
	if f.ExpectSingleResponse {
		words = append(words, "single-response")
	}
	return words
}

// what says what a message is about.
func (l *Lines) what(m *domain.Message) (words []string) {
	switch b := m.Body.(type) {
	case *domain.Broadcast:
		words = l.event(b.Packet)
		if b.Request != "" || b.AckID != nil {
			words = append(words, "wants acks")
		}
	case *domain.ServerSideEmit:
		words = l.event(b.Packet)
		if b.Request != "" {
			words = append(words, "wants answers")
		}
	case *domain.Join:
		words = []string{"join " + l.names(b.Rooms)}
	case *domain.Leave:
		words = []string{"leave " + l.names(b.Rooms)}
	case *domain.Disconnect:
		switch {
		case b.Superseded != "":
			words = []string{"superseded: the client is back elsewhere"}
		case b.Close:
			words = []string{"disconnect, and close the connections"}
		default:
			words = []string{"disconnect from the namespace"}
		}
	case *domain.FetchSocketsReply:
		words = []string{text.Count(len(b.Sockets), "socket", "sockets")}
	case *domain.AckClientCount:
		words = []string{"delivered to " + text.Count(b.Clients, "socket", "sockets")}
	case *domain.Ack:
		words = l.value(b.Value)
	case *domain.ServerSideEmitReply:
		words = l.value(b.Value)
	default:
		if beat := beatOf(m.Body); beat != nil {
			words = beatWords(beat)
		}
	}
	if request := m.Request(); request != "" {
		words = append(words, l.Palette.Paint(text.Dim, "request "+text.Name(string(request))))
	}
	return words
}

func beatWords(b *domain.Heartbeat) (words []string) {
	if b.Node.StartedAt.IsZero() && b.Node.Name == "" {
		return nil // of a Node.js server, which says no more
	}
	words = append(words, "version "+text.Name(b.Node.Version))
	if b.Cursor != "" {
		words = append(words, "has read up to "+text.Name(string(b.Cursor)))
	}
	if b.Draining {
		words = append(words, "draining")
	}
	return words
}

// event is an event's name and its arguments.
func (l *Lines) event(p domain.Packet) []string {
	if p.IsZero() {
		return nil
	}
	name := l.Palette.Paint(text.First, l.word(p.Event()))
	arguments := make([]string, 0, 4)
	first := true
	for element := range domain.Elements(p.JSON()) {
		if !first {
			arguments = append(arguments, string(element))
		}
		first = false
	}
	return append([]string{name}, l.payload(strings.Join(arguments, " "), p.Attachments())...)
}

func (l *Lines) value(v domain.Value) []string {
	if v.IsZero() {
		return []string{"no value"}
	}
	return l.payload(string(v.JSON()), v.Attachments())
}

func (l *Lines) payload(json string, attachments [][]byte) (words []string) {
	if l.Payload == PayloadNone {
		return nil
	}
	if json != "" {
		if l.Payload == PayloadShort {
			json = text.Short(json, shortPayload) // before it is made visible, which can make it long
		}
		json = string(text.JSON([]byte(json)))
		words = append(words, json)
	}
	if len(attachments) > 0 {
		size := 0
		for _, a := range attachments {
			size += len(a)
		}
		words = append(words, fmt.Sprintf("+ %s, %s", text.Count(len(attachments), "binary", "binaries"), text.Bytes(size)))
	}
	return words
}

// notice is what a reader learns besides entries, in a sentence.
func (l *Lines) notice(n domain.Notice) string {
	return l.Palette.Paint(text.Bad, text.Visible(text.Short(Sentence(n), maxSentence)))
}

// maxSentence is how many characters of a notice are shown: it may quote an entry.
const maxSentence = 400

// Sentence says what a notice tells.
func Sentence(n domain.Notice) string {
	switch n := n.(type) {
	case *domain.Gap:
		lost := "entries are missing here, it is not known how many"
		if n.Lost > 0 {
			lost = text.Count(int(min(n.Lost, 1<<53)), "entry is", "entries are") + " missing here"
		}
		if n.Publisher != "" {
			return fmt.Sprintf("GAP: %s: the publisher %s has numbered %d to %d, and they are not in the log", lost, n.Publisher, n.First, n.Last)
		}
		return "GAP: " + lost + ": they were trimmed before this reader came to them; it goes on at " + orEnd(n.Next)
	case *domain.Reset:
		return "RESET: this is not the log of before: " + n.Reason + "; it goes on after " + orEnd(n.Cursor)
	case *domain.BadEntry:
		if n.Offset == "" {
			return "CANNOT READ: " + n.Err.Error()
		}
		return "BAD ENTRY: nodes skip it: " + n.Err.Error()
	case *domain.TransportLost:
		return "CANNOT READ: nothing was read since " + n.Since.Format("15:04:05") + ", it is tried again: " + n.Err.Error()
	case *domain.TransportFound:
		return "READS AGAIN: after " + n.Away.Round(100*time.Millisecond).String()
	default:
		return ""
	}
}

func orEnd(o domain.Offset) string {
	if o == "" {
		return "the end"
	}
	return string(o)
}
