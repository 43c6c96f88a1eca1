package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/cmd/roombus/internal/merge"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// reading says what of the log is read.
type reading struct {
	// from is the first offset that is wanted; empty for what comes from now on.
	from domain.Offset
	// begin wants all that the log holds.
	begin bool
	// follow goes on when the end is reached.
	follow bool
}

// nameWindow is how long before the beginning heartbeats are looked for that tell the nodes' names. They come every five
// seconds unless somebody has changed that.
const nameWindow = 15 * time.Second

// logReader is the log of a cluster as a tool reads it: the items of all streams in one order. It is used by one
// goroutine.
type logReader struct {
	reading reading
	cancel  context.CancelFunc
	tail    ports.Subscription
	items   *merge.Merger[*logview.Item]
	ready   *logview.Item
	// from is the first offset that is wanted, by stream, and until what its last one was when the reading began: where it
	// ends that does not follow. A stream whose nodes never pause has no other end.
	from, until map[string]domain.Offset
	// sequences find what a publisher has numbered and the log does not have; by stream.
	sequences map[string]*domain.Sequences
	names     map[domain.NodeID]string
}

// streamState is what Redis says of a stream.
type streamState struct {
	exists      bool
	first, last domain.Offset
	length      int64
	added       int64 // entries that were ever added
}

// look asks where the streams stand.
func (s *session) look(ctx context.Context) (map[string]streamState, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	states := make(map[string]streamState)
	for _, stream := range s.transport.Streams() {
		info, err := s.client.XInfoStream(ctx, stream).Result()
		switch {
		case err != nil && strings.Contains(err.Error(), "no such key"):
			states[stream] = streamState{first: "0-0", last: "0-0"}
		case err != nil:
			return nil, fmt.Errorf("look at the stream %s: %w", stream, err)
		default:
			states[stream] = streamState{
				exists: true, first: domain.Offset(info.FirstEntry.ID), last: domain.Offset(info.LastGeneratedID),
				length: info.Length, added: info.EntriesAdded,
			}
		}
	}
	return states, nil
}

// position is where to begin, of each stream, as one.
func (s *session) position(after redisstream.Positions) domain.Offset {
	if s.streamCount == 1 {
		return after[s.stream]
	}
	return after.Offset()
}

// warnOfNothing says that there is no such stream, which is a wrong name more often than a cluster without messages.
func (s *session) warnOfNothing(states map[string]streamState) {
	for _, state := range states {
		if state.exists {
			return
		}
	}
	s.notef("in this Redis there is no stream %s yet: no node has ever used it; are --redis, --stream and --stream-count those of the nodes?",
		strings.Join(s.transport.Streams(), ", "))
}

// read begins to read the log.
func (s *session) read(ctx context.Context, what reading) (*logReader, error) {
	states, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	s.warnOfNothing(states)
	ctx, cancel := context.WithCancel(ctx)
	r := &logReader{
		reading: what, cancel: cancel,
		from: make(map[string]domain.Offset), until: make(map[string]domain.Offset),
		sequences: make(map[string]*domain.Sequences), names: make(map[domain.NodeID]string),
		items: merge.New(ctx, s.transport.Streams(), func(a, b *logview.Item) int {
			return logview.Compare(a.Offset(), b.Offset())
		}),
	}
	after := make(redisstream.Positions)
	for stream, state := range states {
		from := what.from
		switch {
		case what.begin:
			from = "0-1"
		case from == "":
			from = logview.After(state.last)
		}
		r.from[stream], r.until[stream] = from, state.last
		// To know the nodes' names it begins a little earlier, and leaves out what was not asked for.
		after[stream] = logview.Before(logview.Earlier(from, nameWindow))
		if logview.Compare(after[stream], state.last) > 0 {
			after[stream] = state.last
		}
	}
	start, stop := context.WithTimeout(ctx, s.timeout)
	defer stop()
	r.tail, err = s.transport.Log().Tail(start, s.position(after), r)
	if err != nil {
		cancel()
		return nil, err
	}
	return r, nil
}

func (r *logReader) close() {
	r.cancel()
	_ = r.tail.Close() // a reader's Close has no error
}

// HandleEntry takes an entry.
func (r *logReader) HandleEntry(_ context.Context, e *domain.Entry) {
	if !r.reading.follow && logview.Compare(e.Offset, r.until[e.Stream]) > 0 {
		r.items.AtTail(e.Stream)
		return
	}
	r.items.Put(e.Stream, &logview.Item{Stream: e.Stream, Entry: e})
}

// HandleNotice takes a notice.
func (r *logReader) HandleNotice(_ context.Context, n domain.Notice) {
	switch n := n.(type) {
	case *domain.AtTail:
		r.items.AtTail(n.Stream)
	case *domain.Gap:
		r.items.Put(n.Stream, &logview.Item{Stream: n.Stream, Notice: n})
	case *domain.Reset:
		r.items.Put(n.Stream, &logview.Item{Stream: n.Stream, Notice: n})
	case *domain.BadEntry:
		r.items.Put(n.Stream, &logview.Item{Stream: n.Stream, Notice: n})
	case *domain.TransportLost:
		r.items.Put(n.Stream, &logview.Item{Stream: n.Stream, Notice: n})
	case *domain.TransportFound:
		r.items.Put(n.Stream, &logview.Item{Stream: n.Stream, Notice: n})
	}
}

// next is the next item, or done. Before it waits it calls idle.
func (r *logReader) next(idle func() error) (it *logview.Item, done bool, err error) {
	for {
		if it = r.ready; it != nil {
			r.ready = nil
			return it, false, nil
		}
		if !r.items.Ready() {
			if err := idle(); err != nil {
				return nil, false, err
			}
		}
		it, done, err = r.items.Take(r.reading.follow)
		if err != nil || done {
			return nil, done, err
		}
		if shown := r.prepare(it); shown != nil {
			return shown, false, nil
		}
	}
}

// prepare learns from an item, and leaves out what was not asked for.
func (r *logReader) prepare(it *logview.Item) *logview.Item {
	from := r.from[it.Stream]
	early := logview.Compare(it.Offset(), from) < 0
	switch n := it.Notice.(type) {
	case *domain.Gap:
		delete(r.sequences, it.Stream) // what is missing is told, once
		if r.reading.begin && n.After == "0-0" || n.Next != "" && logview.Compare(n.Next, from) <= 0 {
			return nil // nothing that was asked for is missing
		}
		return it
	case *domain.Reset:
		delete(r.sequences, it.Stream)
		r.from[it.Stream] = "" // the offsets of before mean nothing any more
		return it
	case *domain.BadEntry:
		if early && n.Offset != "" {
			return nil
		}
		return it
	case *domain.TransportLost, *domain.TransportFound:
		return it
	}
	m := &it.Entry.Message
	r.learn(m)
	sequences, ok := r.sequences[it.Stream]
	if !ok {
		sequences = domain.NewSequences()
		r.sequences[it.Stream] = sequences
	}
	seen := sequences.Observe(m, it.Entry.Time)
	it.Repeat = seen.Repeat
	if early {
		return nil
	}
	if lost := seen.Lost(); lost > 0 {
		r.ready = it
		return &logview.Item{Stream: it.Stream, Notice: &domain.Gap{
			Stream: it.Stream, Next: it.Entry.Offset, Lost: lost, Publisher: m.Publisher, First: seen.First, Last: seen.Last,
		}}
	}
	return it
}

// learn takes note of a node's name.
func (r *logReader) learn(m *domain.Message) {
	switch b := m.Body.(type) {
	case *domain.Heartbeat:
		if b.Node.Name != "" {
			r.names[m.Node] = b.Node.Name
		}
	case *domain.InitialHeartbeat:
		if b.Node.Name != "" {
			r.names[m.Node] = b.Node.Name
		}
	}
}

// nameOf is the name of an entry's node, as far as it is known.
func (r *logReader) nameOf(it *logview.Item) string {
	if it.Entry == nil {
		return ""
	}
	return r.names[it.Entry.Message.Node]
}
