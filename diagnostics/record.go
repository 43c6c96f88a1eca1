package diagnostics

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/roombus/roombus/domain"
)

// Instant is a moment in microseconds since 1970, by the clock of the node that tells it.
type Instant int64

// At is the instant of a time.
func At(t time.Time) Instant { return Instant(t.UnixMicro()) }

// Time is the instant as a time.
func (i Instant) Time() time.Time { return time.UnixMicro(int64(i)) }

// Span is a span that has ended, as a node remembers it.
type Span struct {
	Trace  string `json:"trace"`
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	Name   string `json:"name"`
	// Kind is producer, consumer, internal, server or client.
	Kind  string  `json:"kind"`
	Start Instant `json:"start"`
	End   Instant `json:"end"`
	// Error is why it failed; Failed says that it did.
	Failed bool   `json:"failed,omitempty"`
	Error  string `json:"error,omitempty"`
	// Attributes are those of messages: roombus.* and messaging.* and a few besides, as text.
	Attributes map[string]string `json:"attributes,omitempty"`
	Events     []SpanEvent       `json:"events,omitempty"`
	// Links are the spans of other traces that it points at.
	Links []Link `json:"links,omitempty"`
}

// SpanEvent is something that happened during a span.
type SpanEvent struct {
	Time       Instant           `json:"time"`
	Name       string            `json:"name"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Link names a span of another trace.
type Link struct {
	Trace string `json:"trace"`
	Span  string `json:"span"`
}

// Trace sums up what a node remembers of a trace.
type Trace struct {
	ID string `json:"id"`
	// Start and End are those of the spans on this node.
	Start Instant `json:"start"`
	End   Instant `json:"end"`
	// Name is the name of the earliest span; Root says that this is where the trace began.
	Name string `json:"name"`
	Root bool   `json:"root,omitempty"`
	// Namespace, Kind and Offset are the first message's: where, what, and its position in the log.
	Namespace string `json:"namespace,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Offset    string `json:"offset,omitempty"`
	Spans     int    `json:"spans"`
	Failed    bool   `json:"failed,omitempty"`
}

// Severity says how bad an event is.
type Severity string

// The severities.
const (
	// Info is what happens in a healthy cluster.
	Info Severity = "info"
	// Warning is what costs nothing yet, or heals by itself.
	Warning Severity = "warning"
	// Fault is what has cost something, or does: messages lost, a node gone.
	Fault Severity = "fault"
)

// Event is something that happened to a node, with repetitions folded into it.
type Event struct {
	// ID names the event on its node. Seq grows with every change on the node: who has seen everything up to one asks
	// for what is after it.
	ID  uint64 `json:"id"`
	Seq uint64 `json:"seq"`
	// First and Last are when it happened first and last, Count how often.
	First    Instant  `json:"first"`
	Last     Instant  `json:"last"`
	Count    uint64   `json:"count"`
	Severity Severity `json:"severity"`
	// Kind is what happened, in one or two words of a small set: "gap", "member lost", "transport lost".
	Kind string `json:"kind"`
	// Text is a sentence for people.
	Text string `json:"text"`
	// Peer is the other node that it is about, Namespace, Stream and Offset where it happened, Trace in which trace.
	Peer      domain.NodeID `json:"peer,omitempty"`
	Namespace string        `json:"namespace,omitempty"`
	Stream    string        `json:"stream,omitempty"`
	Offset    string        `json:"offset,omitempty"`
	Trace     string        `json:"trace,omitempty"`
}

// Sample is what a node did in a second, and what it had at its end.
type Sample struct {
	// Time is the end of the second.
	Time Instant
	// Published counts messages that were appended to the log, Received those that were read from it, Delivered the
	// sockets to which broadcasts went: each a second, heartbeats and answers included in the first two.
	Published, Received, Delivered float64
	// BytesOut and BytesIn are the events' bytes of the first two a second, without what the transport puts around them.
	BytesOut, BytesIn float64
	// Lag is for how many seconds the last entry had been in the log when it was read, compared with the least that it
	// ever takes; 0 at the log's end. Silent is for how many seconds the log's reader has not been heard, which says
	// something at least every second while it can read.
	Lag, Silent float64
	// Behind is how many entries the slowest reader has still to read, as of its last look at the log; 0 where the
	// transport cannot tell.
	Behind float64
	// Sockets and Rooms are those of this node, without the room that each socket has for itself. Backlog is how much
	// waits in the node.
	Sockets, Rooms, Backlog float64
	// Heap is the bytes of the heap, Goroutines how many there are, CPU how many of the machine's cores were at work for
	// this process.
	Heap, Goroutines, CPU float64
}

// The names of a sample's values, in the order in which row and sampleOf have them.
const sampleFields = 15

func fieldNames() []string {
	return []string{
		"time", "published", "received", "delivered", "bytesOut", "bytesIn", "lag", "silent", "behind", "sockets", "rooms",
		"backlog", "heap", "goroutines", "cpu",
	}
}

func (s *Sample) fields() [sampleFields]*float64 {
	return [sampleFields]*float64{
		nil, &s.Published, &s.Received, &s.Delivered, &s.BytesOut, &s.BytesIn, &s.Lag, &s.Silent, &s.Behind, &s.Sockets,
		&s.Rooms, &s.Backlog, &s.Heap, &s.Goroutines, &s.CPU,
	}
}

// Samples are samples in the order of their times. As JSON they are a table whose columns have names, so that a newer
// node can have more of them.
type Samples []Sample

type table struct {
	Fields []string    `json:"fields"`
	Rows   [][]float64 `json:"rows"`
}

// MarshalJSON writes the table.
func (s Samples) MarshalJSON() ([]byte, error) {
	t := table{Fields: fieldNames(), Rows: make([][]float64, len(s))}
	for i := range s {
		row := make([]float64, sampleFields)
		row[0] = float64(s[i].Time)
		for column, value := range s[i].fields() {
			if value != nil {
				row[column] = float64(int64(*value*1000)) / 1000 // thousandths say enough
			}
		}
		t.Rows[i] = row
	}
	return json.Marshal(t)
}

// UnmarshalJSON reads the table; columns that are not known are passed over.
func (s *Samples) UnmarshalJSON(data []byte) error {
	var t table
	if err := json.Unmarshal(data, &t); err != nil {
		return err
	}
	known := make(map[string]int, sampleFields)
	for i, name := range fieldNames() {
		known[name] = i
	}
	*s = make(Samples, len(t.Rows))
	for i, row := range t.Rows {
		sample := &(*s)[i]
		fields := sample.fields()
		for column, value := range row {
			if column >= len(t.Fields) {
				break
			}
			switch at, ok := known[t.Fields[column]]; {
			case !ok:
			case at == 0:
				sample.Time = Instant(value)
			default:
				*fields[at] = value
			}
		}
	}
	return nil
}

// Status is how a node is.
type Status struct {
	Node    domain.NodeID `json:"node"`
	Name    string        `json:"name"`
	Version string        `json:"version,omitempty"`
	// Now is the node's clock, Started when it began.
	Now     Instant `json:"now"`
	Started Instant `json:"started,omitempty"`
	// Healthy says that nothing is known to be wrong; else Problems says what, a sentence each.
	Healthy  bool     `json:"healthy"`
	Problems []string `json:"problems,omitempty"`
	// Draining says that it has announced to leave.
	Draining bool `json:"draining,omitempty"`
	// ClockAhead is by how many seconds the node's clock is ahead of the log's, or behind it when negative, as well as
	// can be told from entries; ClockKnown says that it can be told.
	ClockAhead float64 `json:"clockAhead"`
	ClockKnown bool    `json:"clockKnown,omitempty"`
	// Reader is where the readers of the streams stand.
	Readers []Reader `json:"readers,omitempty"`
	// Namespaces are those that the node has, with how many nodes each has in its sight; at most 100 of them.
	Namespaces []NamespaceStatus `json:"namespaces,omitempty"`
	// Latest is the newest sample.
	Latest Samples `json:"latest,omitempty"`
	// Recording is what of the messages is remembered.
	Recording Recording `json:"recording"`
}

// Reader is where the reader of a stream stands.
type Reader struct {
	Stream string  `json:"stream"`
	Cursor string  `json:"cursor,omitempty"`
	Lag    float64 `json:"lag"`
	Silent float64 `json:"silent"`
}

// NamespaceStatus is a namespace in the sight of a node.
type NamespaceStatus struct {
	Name string `json:"name"`
	// Nodes is how many nodes are in it, this one and those without diagnostics included.
	Nodes int `json:"nodes"`
	// Members are those that send heartbeats, at most 100.
	Members []MemberStatus `json:"members,omitempty"`
}

// MemberStatus is a node in the sight of another one.
type MemberStatus struct {
	Node     domain.NodeID `json:"node"`
	Name     string        `json:"name,omitempty"`
	Version  string        `json:"version,omitempty"`
	Started  Instant       `json:"started,omitempty"`
	Cursor   string        `json:"cursor,omitempty"`
	Draining bool          `json:"draining,omitempty"`
	Suspect  bool          `json:"suspect,omitempty"`
}

// Recording is how much of the messages a node remembers.
type Recording struct {
	// TracesPerSecond is how many new traces a second are remembered at the most; 0 for none, below 0 for all.
	TracesPerSecond float64 `json:"tracesPerSecond"`
	// Spans is how many there are now, Since when the oldest has ended.
	Spans int     `json:"spans"`
	Since Instant `json:"since,omitempty"`
	// Skipped counts traces that were not remembered, because there were more.
	Skipped uint64 `json:"skipped,omitempty"`
}

// Room is a room on a node, or several of one name put together.
type Room struct {
	Name    string `json:"name"`
	Sockets int    `json:"sockets"`
}

// short cuts a text that somebody else has written.
func short(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}
