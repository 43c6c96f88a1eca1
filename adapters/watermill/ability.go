package watermill

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Appender is a message.Publisher that can append under a context's deadline and knows the position that a message
// got. It numbers what it publishes: it sets [FieldPublisher], [FieldSequence] and [FieldSkipped] where the order is
// fixed, in what it stores and not in the message.
type Appender interface {
	// Append stores a message and returns its position, or domain.ErrNotPublished or domain.ErrUnknown, wrapped with
	// the reason. With Once it is sent once at the most. d is read until Append returns.
	Append(ctx context.Context, topic string, d *Draft, attempts Attempts) (domain.Offset, error)
}

// Draft is a message on its way to a broker, as a [Received] is on its way back: a Log makes no Watermill message.
type Draft struct {
	// UUID is Watermill's; empty for none.
	UUID string
	// Fields are the metadata in the order in which they are stored, no name twice; those of Node.js are the first.
	Fields []Field
	// Payload is the payload.
	Payload []byte
	// Message, if not nil, is what all of this says, for a [NewEcho] of it.
	Message *domain.Message
}

// Attempts says whether an append may be tried again after an attempt of unknown outcome.
type Attempts bool

// The two choices.
const (
	Retried Attempts = false
	Once    Attempts = true
)

// Tailer is a message.Subscriber that can hand over batches with positions, without acknowledgement.
type Tailer interface {
	// Tail hands every entry of the topic after a position to h, as ports.Log.Tail has it.
	Tail(ctx context.Context, topic string, after domain.Offset, h TailHandler) (ports.Subscription, error)
}

// TailHandler receives what a Tailer reads, one call at a time.
type TailHandler interface {
	// HandleBatch receives entries in order. The slice and the Fields are the Tailer's again when the call returns;
	// texts, payloads and what Message returns are the handler's to keep.
	HandleBatch(batch []Received)
	// HandleNotice receives a notice at its place between the entries.
	HandleNotice(n domain.Notice)
}

// EchoHandler is a TailHandler that can do with an Echo in the place of fields and payload.
type EchoHandler interface {
	TailHandler
	// TakesEchoes does nothing.
	TakesEchoes()
}

// Field is a name and a value of a message's metadata.
type Field struct{ Name, Value string }

// Received is a message at its place in a topic, as its broker gave it: [Received.Message] makes Watermill's message
// of it for who needs one, Log does without.
type Received struct {
	Offset domain.Offset
	// Time is when the broker stored it; zero where it does not say.
	Time time.Time
	// UUID is Watermill's; empty where the message was stored without.
	UUID string
	// Fields are the metadata in the order of the broker. Of a name that stands twice the last value counts.
	Fields []Field
	// Payload is the payload.
	Payload []byte
	// Echo, where a handler is an [EchoHandler], is what this process itself has stored there by a Draft, as [NewEcho]
	// has made it. It is the handler's. There is no payload then, and the fields are only those that the publisher has
	// added: the numbers.
	Echo *domain.Entry
	// Err says why the message could not be unmarshalled; without it, it is nil.
	Err error
}

// FieldsOf are the fields of metadata, in no order.
func FieldsOf(metadata message.Metadata) []Field {
	fields := make([]Field, 0, len(metadata))
	for name, value := range metadata {
		fields = append(fields, Field{name, value})
	}
	return fields
}

// Message makes a new Watermill message of what was received; the payload is shared.
func (r *Received) Message() *message.Message {
	m := message.NewMessage(r.UUID, r.Payload)
	for _, field := range r.Fields {
		m.Metadata[field.Name] = field.Value
	}
	return m
}

// Replayer is a message.Subscriber that can read again what its broker holds.
type Replayer interface {
	// Replay returns a part of a topic, as ports.Log.Replay has it.
	Replay(ctx context.Context, topic string, after, through domain.Offset, limit int) (Range, error)
}

// Range is a part of a topic: entries in order, where the next part begins, and whether the end was reached.
type Range struct {
	Entries []Received
	Next    domain.Offset
	Done    bool
}

// Comparer is a message.Subscriber that can order its positions.
type Comparer interface {
	// Compare orders two positions, as ports.Log.Compare has it.
	Compare(a, b domain.Offset) int
}

// Holder is a message.Subscriber that can tell how much its broker still holds.
type Holder interface {
	// Held says how much a topic holds, as ports.Retention has it.
	Held(ctx context.Context, topic string) (domain.Held, error)
}

// Lagger is a message.Subscriber that can tell how far its tails are behind.
type Lagger interface {
	// Behind is how many entries are still to be handed over, as ports.Lag has it.
	Behind() (entries int64, known bool)
}
