package redisstream

import (
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// outgoing is a message on its way into a stream. Two hold it: its caller, who waits for the outcome, and its writer.
// Who is the last to let go of it gives it back to the pool, with the memory that it has.
type outgoing struct {
	publisher *Publisher
	writer    *writer // its stream's, once it is queued
	// words are the fields and values of its XADD without the numbers, written in RESP, and count how many they are.
	words []byte
	count int
	// room is what it takes up in the publisher's queue.
	room     int64
	deadline time.Time
	echo     *domain.Entry // for the process' own reader; nil for none
	patience bool          // the deadline is the writer's to watch: the caller's context has none
	once     bool          // not to be sent again after an attempt of unknown outcome

	// Of the writer's goroutine.
	sequence uint64

	// Guarded by the writer's mu until done has something in it.
	sent   bool // an attempt of unknown outcome may have stored it
	over   bool // its outcome is decided
	offset domain.Offset
	err    error

	done    chan struct{} // has something in it once the outcome is decided
	holders atomic.Int32
}

// maxKeptWords is how much memory an outgoing keeps in the pool.
const maxKeptWords = 16 << 10

// outgoing copies what it needs of d, which belongs to the caller again.
func (p *Publisher) outgoing(d *watermill.Draft) (*outgoing, error) {
	e, ok := p.pool.Get().(*outgoing)
	if !ok {
		e = &outgoing{publisher: p, done: make(chan struct{}, 1)}
	}
	e.holders.Store(2)
	if err := e.write(d); err != nil {
		e.release()
		e.release()
		return nil, err
	}
	e.echo = p.echoes.echoOf(d.Message, len(e.words))
	return e, nil
}

// write writes the fields in their order, the payload behind those of the Node.js adapter.
func (e *outgoing) write(d *watermill.Draft) error {
	first := 0
	for first < len(d.Fields) && isFirst(d.Fields[first].Name) {
		e.add(d.Fields[first].Name, d.Fields[first].Value)
		first++
	}
	if len(d.Payload) > 0 {
		e.words = appendPayload(appendWord(e.words, FieldData), d.Payload)
		e.count += 2
	}
	if d.UUID != "" {
		e.add(FieldUUID, d.UUID)
	}
	for _, field := range d.Fields[first:] {
		switch field.Name {
		case FieldData:
			return errMetadata
		case watermill.FieldPublisher, watermill.FieldSequence, watermill.FieldSkipped, MetadataOffset, FieldUUID:
			// A message that was received and is published again has the numbers and the place of its first life.
		default:
			e.add(field.Name, field.Value)
		}
	}
	return nil
}

func (e *outgoing) add(name, value string) {
	e.words = appendWord(appendWord(e.words, name), value)
	e.count += 2
}

// decide sets the outcome; the writer's mu is held.
func (e *outgoing) decide(offset domain.Offset, err error) {
	if e.over {
		return
	}
	e.over, e.offset, e.err = true, offset, err
	e.publisher.room.Release(e.room)
	e.done <- struct{}{}
}

// release lets go of e.
func (e *outgoing) release() {
	if e.holders.Add(-1) > 0 || cap(e.words) > maxKeptWords {
		return
	}
	*e = outgoing{publisher: e.publisher, words: e.words[:0], done: e.done}
	e.publisher.pool.Put(e)
}
