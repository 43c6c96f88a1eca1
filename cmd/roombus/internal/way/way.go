// Package way finds out which way a message went, from what the log holds of it and what the nodes remember.
package way

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
)

// Message is a message whose way is looked for.
type Message struct {
	Offset    domain.Offset
	Stream    string // empty when it is not in the log any more
	Namespace string
	Time      time.Time // by the log's clock
	From      domain.NodeID
}

// Verdict is what became of a message on a node.
type Verdict string

// The verdicts.
const (
	// Delivered to sockets, or read and meant for none that it has.
	Delivered Verdict = "delivered"
	Nobody    Verdict = "nobody"
	// Elsewhere: the node read it, and has no such namespace.
	Elsewhere Verdict = "elsewhere"
	// Sender: it has sent it and served its own sockets before the log had it, as it does with what is volatile; they are
	// not counted.
	Sender Verdict = "sender"
	// Behind: it has not read so far. Lost: it was trimmed before the node read it. Later: the node began after it.
	Behind Verdict = "behind"
	Lost   Verdict = "lost"
	Later  Verdict = "later"
	// Forgotten: it remembers nothing that old, or nothing at all. Unknown: it remembers others of the time, and not this one.
	Forgotten Verdict = "forgotten"
	Unknown   Verdict = "unknown"
	// Missing: it was asked and has not answered. Mute: it cannot be asked.
	Missing Verdict = "missing"
	Mute    Verdict = "mute"
)

// Stop is what became of a message on one node.
type Stop struct {
	Node    domain.NodeID `json:"node"`
	Name    string        `json:"name,omitempty"`
	Verdict Verdict       `json:"verdict"`
	// Sockets is to how many of its sockets the node delivered it, or how many it changed.
	Sockets int `json:"sockets"`
	// At is when it was read there, by the log's clock as far as that can be told, and After how long after the log had
	// stored it, in milliseconds.
	At    *time.Time `json:"at,omitempty"`
	After *float64   `json:"afterMs,omitempty"`
	// Text says it in words.
	Text string `json:"text"`
}

const (
	attributeMessageID = "messaging.message.id"
	attributeSockets   = "roombus.sockets"
	attributeNamespace = "messaging.destination.name"
)

// Of says what became of a message on a node that has answered.
func Of(m *Message, a *diagnostics.Answer) *Stop {
	stop := &Stop{Node: a.Node, Name: a.Name}
	if span := process(m.Offset, a.Spans); span != nil {
		stop.read(m, span, a.Status)
		return stop
	}
	stop.Verdict, stop.Text = without(m, a)
	return stop
}

// process is the span of a message's processing.
func process(at domain.Offset, spans []diagnostics.Span) *diagnostics.Span {
	for i := range spans {
		if spans[i].Attributes[attributeMessageID] == string(at) && strings.HasPrefix(spans[i].Name, "process ") {
			return &spans[i]
		}
	}
	return nil
}

// read says what the span of its processing tells.
func (s *Stop) read(m *Message, span *diagnostics.Span, status *diagnostics.Status) {
	at := LogTime(span.Start, status)
	s.At = &at
	if !m.Time.IsZero() {
		after := float64(at.Sub(m.Time).Microseconds()) / 1000
		s.After = &after
	}
	text, known := span.Attributes[attributeSockets]
	sockets, err := strconv.Atoi(text)
	switch {
	case !known && m.From == s.Node:
		s.Verdict, s.Text = Sender, "has sent it: its own sockets were served before, and not counted"
	case !known || err != nil:
		if hasNamespace(status, m.Namespace) {
			s.Verdict, s.Text = Nobody, "has read it"
			return
		}
		s.Verdict, s.Text = Elsewhere, "has read it, and does not have its namespace"
	case sockets == 0:
		s.Verdict, s.Text = Nobody, "has read it, and none of its sockets was meant"
	case sockets == 1:
		s.Verdict, s.Sockets, s.Text = Delivered, 1, "1 socket"
	default:
		s.Verdict, s.Sockets, s.Text = Delivered, sockets, text+" sockets"
	}
}

func hasNamespace(status *diagnostics.Status, namespace string) bool {
	return status == nil || namespace == "" ||
		slices.ContainsFunc(status.Namespaces, func(n diagnostics.NamespaceStatus) bool { return n.Name == namespace })
}

// LogTime is a moment of a node by the log's clock, as far as the node can tell.
func LogTime(i diagnostics.Instant, status *diagnostics.Status) time.Time {
	at := i.Time().UTC()
	if status != nil && status.ClockKnown {
		at = at.Add(-time.Duration(status.ClockAhead * float64(time.Second)))
	}
	return at
}

// without says why a node may know nothing of a message.
func without(m *Message, a *diagnostics.Answer) (Verdict, string) {
	status := a.Status
	if status == nil {
		return Unknown, "says nothing: " + cmp.Or(a.Error, "it has not said how it is")
	}
	if !m.Time.IsZero() && status.Started != 0 && LogTime(status.Started, status).After(m.Time.Add(time.Second)) {
		return Later, "was started " + LogTime(status.Started, status).Sub(m.Time).Round(time.Second).String() + " after it"
	}
	for _, reader := range status.Readers {
		if reader.Stream == m.Stream && reader.Cursor != "" && logview.Compare(domain.Offset(reader.Cursor), m.Offset) < 0 {
			return Behind, fmt.Sprintf("has not read so far: it stands at %s, %.1f s behind", reader.Cursor, reader.Lag)
		}
	}
	if gap := gapOver(m, a); gap != nil {
		return Lost, gap.Text
	}
	switch recording := &status.Recording; {
	case recording.TracesPerSecond == 0:
		return Forgotten, "remembers no messages: start serve with --trace-recent"
	case recording.Spans == 0:
		return Unknown, "remembers nothing of it"
	case !m.Time.IsZero() && LogTime(recording.Since, status).After(m.Time):
		return Forgotten, "remembers only what came after " + LogTime(recording.Since, status).Local().Format("15:04:05")
	case recording.Skipped > 0:
		return Unknown, fmt.Sprintf("remembers nothing of it: of at most %g new traces a second it remembers the way, and has passed over %d so far",
			recording.TracesPerSecond, recording.Skipped)
	default:
		return Unknown, "remembers nothing of it"
	}
}

// gapOver is an event that says that messages were lost to the node just before a place that is behind the message's.
func gapOver(m *Message, a *diagnostics.Answer) *diagnostics.Event {
	for i := range a.Events {
		e := &a.Events[i]
		if e.Kind == "gap" && (m.Stream == "" || e.Stream == m.Stream) && e.Offset != "" &&
			logview.Compare(m.Offset, domain.Offset(e.Offset)) < 0 &&
			(m.Time.IsZero() || !LogTime(e.Last, a.Status).Before(m.Time)) {
			return e
		}
	}
	return nil
}
