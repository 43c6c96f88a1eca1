package watermill

import (
	"slices"

	"github.com/roombus/roombus/domain"
)

// NewEcho is what decoding a message will give when it comes back from its broker, but for its place and numbers: an
// Appender makes it before Append returns, and a Tailer of the same process can hand it over ([Received.Echo]), so that
// nobody decodes what this process knew. It is nil of anything but a broadcast. It shares the packet and the headers,
// which are never changed, and has rooms of its own.
func NewEcho(m *domain.Message) *domain.Entry {
	broadcast, ok := m.Body.(*domain.Broadcast)
	if !ok {
		return nil
	}
	memory := &entryMemory{entry: domain.Entry{Message: *m}}
	body := &memory.room.body
	*body = *broadcast
	body.Target.Rooms = nil
	if len(broadcast.Target.Rooms) > 0 {
		body.Target.Rooms = append(memory.room.rooms[:0], broadcast.Target.Rooms...)
	}
	body.Target.Except = slices.Clone(broadcast.Target.Except)
	memory.entry.Message.Body = body
	return &memory.entry
}

// entryMemory is an entry and a broadcast, allocated together; both are kept, or let go, together.
type entryMemory struct {
	entry domain.Entry
	room  broadcastRoom
}

// echo puts the entry of a message that was never away in its place.
func (f *envelopeFields) echo(topic string, received *Received) (*domain.Entry, error) {
	entry := received.Echo
	entry.Stream, entry.Offset, entry.Time = topic, received.Offset, received.Time
	return entry, f.decodeNumbers(&entry.Message)
}
