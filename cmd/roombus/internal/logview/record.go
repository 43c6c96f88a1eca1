package logview

import (
	"encoding/json"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/text"
	"github.com/roombus/roombus/domain"
)

// Record is an item for programs: one JSON object. docs/tools.md describes it; fields are added, never changed. What
// an item does not have is left out.
type Record struct {
	// Type is entry, bad, gap, reset, unreadable (the log cannot be read for now) or readable (it can be again).
	Type   string        `json:"type"`
	Stream string        `json:"stream"`
	Offset domain.Offset `json:"offset,omitempty"`
	// Time is when the log stored it, by the log's clock.
	Time *time.Time `json:"time,omitempty"`

	// Of an entry.
	Kind      string        `json:"kind,omitempty"`
	Node      domain.NodeID `json:"node,omitempty"`
	Name      string        `json:"name,omitempty"` // of the node, if it is known
	Namespace string        `json:"namespace,omitempty"`
	// Rooms and Except say which sockets are meant, and are there for all kinds that mean sockets: no rooms are all.
	Rooms  *[]string `json:"rooms,omitempty"`
	Except *[]string `json:"except,omitempty"`
	Flags  *Flags    `json:"flags,omitempty"`
	// Change are the rooms that are joined or left.
	Change []string `json:"change,omitempty"`
	Close  bool     `json:"close,omitempty"`
	Event  string   `json:"event,omitempty"`
	// Args are the arguments of an event, Value is that of an answer. Binaries stand in them as Socket.IO's
	// placeholders, {"_placeholder":true,"num":0}, and are in Binary.
	Args      json.RawMessage  `json:"args,omitempty"`
	Value     json.RawMessage  `json:"value,omitempty"`
	Binary    [][]byte         `json:"binary,omitempty"`
	Request   domain.RequestID `json:"request,omitempty"`
	Sockets   *int             `json:"sockets,omitempty"`
	Heartbeat *Beat            `json:"heartbeat,omitempty"`
	// Publisher and Sequence number what Go nodes append.
	Publisher   domain.PublisherID `json:"publisher,omitempty"`
	Sequence    uint64             `json:"sequence,omitempty"`
	Repeat      bool               `json:"repeat,omitempty"`
	Trace       string             `json:"trace,omitempty"`
	TraceParent string             `json:"traceparent,omitempty"`

	// Of a notice.
	Text  string        `json:"text,omitempty"`
	After domain.Offset `json:"after,omitempty"`
	Next  domain.Offset `json:"next,omitempty"`
	Lost  *uint64       `json:"lost,omitempty"`
	Error string        `json:"error,omitempty"`
}

// Flags are the modifiers of an operation.
type Flags struct {
	Volatile       bool  `json:"volatile,omitempty"`
	Compress       *bool `json:"compress,omitempty"`
	TimeoutMS      int64 `json:"timeoutMs,omitempty"`
	SingleResponse bool  `json:"singleResponse,omitempty"`
}

// Beat is what a node says of itself in a heartbeat.
type Beat struct {
	Version      string        `json:"version,omitempty"`
	Address      string        `json:"address,omitempty"`
	Started      *time.Time    `json:"started,omitempty"`
	Capabilities []string      `json:"capabilities,omitempty"`
	Draining     bool          `json:"draining"`
	Cursor       domain.Offset `json:"cursor,omitempty"`
}

// JSON is an item as one line of JSON, without its end, in visible characters alone.
func JSON(it *Item, name string, payload Payload) ([]byte, error) {
	line, err := json.Marshal(NewRecord(it, name, payload))
	if err != nil {
		return nil, err
	}
	return text.JSON(line), nil
}

// NewRecord is an item's record.
func NewRecord(it *Item, name string, payload Payload) *Record {
	r := &Record{Type: "entry", Stream: it.Stream, Offset: it.Offset(), Repeat: it.Repeat}
	if at := it.Time(); !at.IsZero() {
		r.Time = &at
	}
	if it.Entry == nil {
		r.notice(it.Notice)
		return r
	}
	m := &it.Entry.Message
	r.Kind, r.Node, r.Name, r.Namespace = KindName(m.Kind()), m.Node, name, m.Namespace
	r.Publisher, r.Sequence = m.Publisher, m.Sequence
	r.Trace, r.TraceParent, r.Request = TraceID(m), m.Headers["traceparent"], m.Request()
	if target, rooms := targetOf(m.Body); target != nil {
		r.target(target)
		r.Change = rooms
	}
	r.body(m.Body, payload)
	return r
}

func (r *Record) notice(n domain.Notice) {
	r.Text = Sentence(n)
	switch n := n.(type) {
	case *domain.BadEntry:
		r.Type, r.Error = "bad", n.Err.Error()
	case *domain.Gap:
		r.Type, r.After, r.Next, r.Publisher = "gap", n.After, n.Next, n.Publisher
		r.Offset = ""
		if n.Lost > 0 {
			r.Lost = &n.Lost
		}
	case *domain.Reset:
		r.Type, r.After = "reset", n.Cursor
		r.Offset = ""
	case *domain.TransportLost:
		r.Type, r.Error = "unreadable", n.Err.Error()
	case *domain.TransportFound:
		r.Type = "readable"
	}
}

func (r *Record) target(t *domain.Target) {
	rooms, except := append([]string{}, t.Rooms...), append([]string{}, t.Except...)
	r.Rooms, r.Except = &rooms, &except
	flags := Flags{
		Volatile: t.Flags.Volatile, TimeoutMS: t.Flags.Timeout.Milliseconds(), SingleResponse: t.Flags.ExpectSingleResponse,
	}
	if t.Flags.Compress != domain.CompressByDefault {
		on := t.Flags.Compress == domain.CompressOn
		flags.Compress = &on
	}
	if flags != (Flags{}) {
		r.Flags = &flags
	}
}

func (r *Record) body(b domain.Body, payload Payload) {
	if p := packetOf(b); !p.IsZero() {
		r.Event = p.Event()
		if payload != PayloadNone {
			r.Args, r.Binary = arguments(p), p.Attachments()
		}
	}
	switch b := b.(type) {
	case *domain.Disconnect:
		r.Close = b.Close
	case *domain.FetchSocketsReply:
		n := len(b.Sockets)
		r.Sockets = &n
	case *domain.AckClientCount:
		r.Sockets = &b.Clients
	case *domain.Ack:
		r.value(b.Value, payload)
	case *domain.ServerSideEmitReply:
		r.value(b.Value, payload)
	default:
		r.beat(beatOf(b))
	}
}

func (r *Record) value(v domain.Value, payload Payload) {
	if payload != PayloadNone && !v.IsZero() {
		r.Value, r.Binary = v.JSON(), v.Attachments()
	}
}

func (r *Record) beat(b *domain.Heartbeat) {
	if b == nil {
		return
	}
	r.Heartbeat = &Beat{
		Version: b.Node.Version, Address: b.Node.Address, Capabilities: b.Node.Capabilities,
		Draining: b.Draining, Cursor: b.Cursor,
	}
	if r.Name == "" {
		r.Name = b.Node.Name
	}
	if !b.Node.StartedAt.IsZero() {
		r.Heartbeat.Started = &b.Node.StartedAt
	}
}

// arguments are the arguments of an event as a JSON array.
func arguments(p domain.Packet) json.RawMessage {
	array := []byte{'['}
	first := true
	for element := range domain.Elements(p.JSON()) {
		if !first {
			if len(array) > 1 {
				array = append(array, ',')
			}
			array = append(array, element...)
		}
		first = false
	}
	return append(array, ']')
}
