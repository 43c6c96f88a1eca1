package simulator

import (
	"context"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// tapLog remembers what a node appends, and what its reader is handed.
type tapLog struct {
	ports.Log
	run *run
}

// Unwrap is what is tapped.
func (l tapLog) Unwrap() any { return l.Log }

// Append passes an append on.
func (l tapLog) Append(ctx context.Context, m *domain.Message) (domain.Offset, error) {
	w := l.run.w
	a := &appending{message: m}
	w.mu.Lock()
	a.began = w.now()
	l.run.appends = append(l.run.appends, a)
	w.mu.Unlock()
	ctx, cancel := l.run.untilBeat(ctx, m)
	defer cancel()
	at, err := l.Log.Append(ctx, m)
	w.mu.Lock()
	defer w.mu.Unlock()
	a.at, a.err, a.done, a.ended = at, err, true, w.now()
	if passed := a.ended.at - l.run.beatFrom; m.Kind() == domain.KindHeartbeat && passed >= beatInterval*9/10 {
		l.run.beatFrom = a.ended.at
	}
	return at, err
}

// Tail passes on what is read.
func (l tapLog) Tail(ctx context.Context, after domain.Offset, h ports.LogHandler) (ports.Subscription, error) {
	return l.Log.Tail(ctx, after, tapHandler{l.run, h})
}

type tapHandler struct {
	run   *run
	inner ports.LogHandler
}

// HandleEntry remembers an entry and passes it on.
func (h tapHandler) HandleEntry(ctx context.Context, e *domain.Entry) {
	if h.remember(read{entry: e}) {
		h.inner.HandleEntry(ctx, e)
	}
}

// HandleNotice remembers a notice and passes it on.
func (h tapHandler) HandleNotice(ctx context.Context, n domain.Notice) {
	if h.remember(read{notice: n}) {
		h.inner.HandleNotice(ctx, n)
	}
}

func (h tapHandler) remember(what read) bool {
	w := h.run.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.run.dead {
		return false
	}
	what.moment = w.now()
	h.run.reads = append(h.run.reads, what)
	switch n := what.notice.(type) {
	case *domain.Gap:
		w.tellf(h.run.name, "reads a gap of %d after %s before %s", n.Lost, n.After, n.Next)
	case *domain.Reset:
		w.tellf(h.run.name, "reads a reset from %s to %s", n.Was, n.Is)
	default:
	}
	return true
}

// scribe is the world as a reader of the whole log.
type scribe struct{ w *world }

// HandleEntry writes an entry down.
func (s scribe) HandleEntry(_ context.Context, e *domain.Entry) {
	w := s.w
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &logged{Entry: e, moment: w.now(), index: len(w.log), again: w.known.add(e)}
	w.log = append(w.log, l)
	w.byOffset[e.Offset] = l.index
	if e.Message.Kind() != domain.KindHeartbeat {
		w.tellf("log", "%s #%d %s: %s", e.Offset, e.Message.Sequence, w.nameOf(e.Message.Node), describe(&e.Message))
	}
}

// numbers are the entries that were seen, by their publishers' numbers.
type numbers map[number]struct{}

type number struct {
	publisher domain.PublisherID
	sequence  uint64
}

// add adds an entry and reports whether it was there already.
func (n numbers) add(e *domain.Entry) bool {
	key := number{e.Message.Publisher, e.Message.Sequence}
	_, known := n[key]
	n[key] = struct{}{}
	return known
}

// HandleNotice finds fault with a gap.
func (s scribe) HandleNotice(_ context.Context, n domain.Notice) {
	if gap, ok := n.(*domain.Gap); ok {
		s.w.mu.Lock()
		defer s.w.mu.Unlock()
		s.w.violationf("the simulation itself has a fault: its scribe missed entries after %s", gap.After)
	}
}
