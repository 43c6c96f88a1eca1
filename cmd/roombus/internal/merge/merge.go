// Package merge brings what several streams tell into one order, as it comes.
package merge

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Merger takes items of several streams, each stream's in its order, and hands them out in the order that less says. It
// waits for a stream that is behind, a moment: how long the others may be ahead of one that says nothing is bounded, so
// that one whose connection is lost holds nobody up.
//
// Put blocks while too much of its stream waits: who reads faster than it is shown is slowed down, and nobody else.
type Merger[T any] struct {
	less func(a, b T) int
	ctx  context.Context //nolint:containedctx // the Merger's own life: it ends those who wait

	mu      sync.Mutex
	queues  map[string]*queue[T]
	order   []string
	changed chan struct{} // has a token when something has changed for the one who takes
}

type queue[T any] struct {
	items []waiting[T]
	room  chan struct{} // a token for each place that is taken
	// tail says that the stream has told everything that it held.
	tail bool
}

type waiting[T any] struct {
	item  T
	since time.Time
}

// What may wait.
const (
	maxWaiting = 1000
	// quietGrace is how long an item waits for a stream that has said that it holds nothing more, silentGrace for one
	// that says nothing at all.
	quietGrace, silentGrace = 100 * time.Millisecond, 2 * time.Second
)

// New returns a merger of streams whose Put and Take end with ctx.
func New[T any](ctx context.Context, streams []string, less func(a, b T) int) *Merger[T] {
	m := &Merger[T]{
		less: less, ctx: ctx, queues: make(map[string]*queue[T]), order: slices.Clone(streams),
		changed: make(chan struct{}, 1),
	}
	for _, name := range streams {
		m.queues[name] = &queue[T]{room: make(chan struct{}, maxWaiting)}
	}
	return m
}

// Put adds an item of a stream.
func (m *Merger[T]) Put(stream string, item T) {
	q, ok := m.queues[stream]
	if !ok {
		return
	}
	select {
	case q.room <- struct{}{}:
	case <-m.ctx.Done():
		return
	}
	m.mu.Lock()
	q.items = append(q.items, waiting[T]{item, time.Now()})
	q.tail = false
	m.mu.Unlock()
	m.tell()
}

// AtTail says that a stream has told everything that it held.
func (m *Merger[T]) AtTail(stream string) {
	m.mu.Lock()
	q, ok := m.queues[stream]
	news := ok && !q.tail
	if news {
		q.tail = true
	}
	m.mu.Unlock()
	if news {
		m.tell()
	}
}

func (m *Merger[T]) tell() {
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// Take returns the next item; done, when all streams have told everything that they held and nothing is left; or ctx's
// error. With follow it is never done. One goroutine takes.
func (m *Merger[T]) Take(follow bool) (item T, done bool, err error) {
	for {
		item, wait, state := m.next(time.Now(), !follow)
		switch {
		case state == taken:
			return item, false, nil
		case state == finished:
			return item, true, nil
		case m.ctx.Err() != nil:
			return item, false, context.Cause(m.ctx)
		}
		var timer <-chan time.Time
		if state == heldBack {
			timer = time.After(wait)
		}
		select {
		case <-m.changed:
		case <-timer:
		case <-m.ctx.Done():
		}
	}
}

// Ready reports whether Take would return an item at once.
func (m *Merger[T]) Ready() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _, s := m.first(time.Now(), false)
	return s == taken
}

type state uint8

const (
	empty state = iota
	taken
	heldBack
	finished
)

// next takes the first item of all, if nothing before it can be expected.
func (m *Merger[T]) next(now time.Time, toTheTail bool) (item T, wait time.Duration, s state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q, wait, s := m.first(now, toTheTail)
	if s != taken {
		return item, wait, s
	}
	item = q.items[0].item
	q.items = q.items[1:]
	<-q.room
	return item, 0, taken
}

// first finds the stream whose item is the first of all, and whether it can be taken. The caller holds mu.
func (m *Merger[T]) first(now time.Time, toTheTail bool) (first *queue[T], wait time.Duration, s state) {
	grace, allAtTail := time.Duration(0), true
	for _, name := range m.order {
		q := m.queues[name]
		allAtTail = allAtTail && q.tail
		switch {
		case len(q.items) == 0 && q.tail:
			grace = max(grace, quietGrace)
		case len(q.items) == 0:
			grace = max(grace, silentGrace)
		case first == nil || m.less(q.items[0].item, first.items[0].item) < 0:
			first = q
		}
	}
	if first == nil {
		if toTheTail && allAtTail {
			return nil, 0, finished
		}
		return nil, 0, empty
	}
	if toTheTail && allAtTail {
		grace = 0 // what comes now was not there when it was asked for
	}
	if wait = grace - now.Sub(first.items[0].since); wait > 0 {
		return nil, wait, heldBack
	}
	return first, 0, taken
}
