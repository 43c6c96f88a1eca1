package redisstream

import (
	"sync"
	"sync/atomic"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// How many messages of a stream are kept until they come back, and how large they may be: what is not kept is decoded.
const (
	keptEchoes   = 1024 // a power of two
	maxEchoBytes = 4 << 10
)

// echoes are the entries of what this process has appended to a stream and not read back yet. A node reads all that it
// publishes; what it knows already need not be decoded again.
type echoes struct {
	publisher domain.PublisherID

	mu   sync.Mutex
	kept []echo // by their number, modulo their count; none until the first comes
}

type echo struct {
	sequence uint64
	entry    *domain.Entry
}

// keep keeps what is about to be appended, in the place of older ones.
func (e *echoes) keep(batch []*outgoing) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, out := range batch {
		if out.echo == nil {
			continue
		}
		if e.kept == nil {
			e.kept = make([]echo, keptEchoes)
		}
		e.kept[out.sequence%keptEchoes] = echo{out.sequence, out.echo}
		out.echo = nil
	}
}

// take returns the entry of a number, once; nil when it is not there.
func (e *echoes) take(sequence uint64) *domain.Entry {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.kept) == 0 {
		return nil
	}
	kept := &e.kept[sequence%keptEchoes]
	if kept.sequence != sequence {
		return nil
	}
	entry := kept.entry
	kept.entry = nil
	return entry
}

// echoBook has the echoes of a publisher, by the streams.
type echoBook struct {
	publisher domain.PublisherID
	// readers counts who can take them; without one nothing is kept.
	readers atomic.Int32

	mu      sync.Mutex
	streams map[string]*echoes
}

// echoOf is the echo of a message whose words are so many bytes; nil when nothing is kept of it.
func (b *echoBook) echoOf(m *domain.Message, bytes int) *domain.Entry {
	if m == nil || bytes > maxEchoBytes || b.readers.Load() == 0 {
		return nil
	}
	return watermill.NewEcho(m)
}

func newEchoBook(publisher domain.PublisherID) *echoBook {
	return &echoBook{publisher: publisher, streams: make(map[string]*echoes)}
}

// of are the echoes of a stream.
func (b *echoBook) of(stream string) *echoes {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.streams[stream]
	if !ok {
		e = &echoes{publisher: b.publisher}
		b.streams[stream] = e
	}
	return e
}
