package app

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/domain"
)

// stream is what a node knows about one stream of the log. Only the stream's reader touches it.
type stream struct {
	name      string
	sequences *domain.Sequences
	clock     *domain.LogClock
	// gap says that entries were lost since the last one; local changes may wait for one of them.
	gap bool
	// forgetAt is the entry time at which publishers that were not heard for long are forgotten next.
	forgetAt time.Time
	// swept is when the reader last stood at the tail and the namespaces were looked through.
	swept time.Time

	// These two are read by others: up to where everything was read and done, and the name of the log's life.
	read  atomic.Pointer[domain.Offset]
	epoch atomic.Pointer[domain.Epoch]
}

const (
	// clockStep is more than the pause between two notices that the reader stands at the tail.
	clockStep = 2 * time.Second
	// publisherMemory is how long a publisher's numbers are kept after its last entry: far longer than any retry.
	publisherMemory = 10 * time.Minute
	// sweepPause is the least time between two looks through the namespaces: a reader under moderate load stands at
	// the tail thousands of times a second.
	sweepPause = 100 * time.Millisecond
	// maxParked bounds the requests of a namespace that wait for this node to have read further.
	maxParked = 10_000
)

// reader is a node as the log's handler.
type reader struct{ n *Node }

func (r reader) HandleEntry(ctx context.Context, e *domain.Entry) {
	n := r.n
	s := n.streamOf(e.Stream)
	seen := s.sequences.Observe(&e.Message, e.Time)
	if seen.Repeat {
		n.observe(ctx, &domain.Repeated{
			Stream: e.Stream, Offset: e.Offset, Publisher: e.Message.Publisher, Sequence: e.Message.Sequence,
		})
		n.skipped(e)
		return
	}
	if lost := seen.Lost(); lost > 0 {
		n.observe(ctx, &domain.Gap{
			Stream: e.Stream, Next: e.Offset, Lost: lost,
			Publisher: e.Message.Publisher, First: seen.First, Last: seen.Last,
		})
		n.eachOf(e.Stream, func(ns *namespace) { ns.broken = time.Now() })
	}
	s.forgetOld(e.Time)
	reading := s.clock.Entry(e.Time)

	n.mu.RLock()
	ns, ok := n.namespaces[e.Message.Namespace]
	n.mu.RUnlock()
	if ok {
		n.receive(ctx, ns, e, reading)
	}
	if s.gap {
		s.gap = false
		n.passAll(s, e.Offset)
	}
	s.read.Store(&e.Offset)
}

// skipped takes note of an entry that is not handled: a change may wait for its position.
func (n *Node) skipped(e *domain.Entry) {
	n.mu.RLock()
	ns, ok := n.namespaces[e.Message.Namespace]
	n.mu.RUnlock()
	if !ok {
		return
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.fence.Pass(e.Offset)
	n.settle(ns)
}

func (s *stream) forgetOld(now time.Time) {
	if now.Before(s.forgetAt) || now.IsZero() {
		return
	}
	s.sequences.Forget(now.Add(-publisherMemory))
	s.forgetAt = now.Add(publisherMemory / 10)
}

func (n *Node) streamOf(name string) *stream {
	n.mu.RLock()
	s, ok := n.streams[name]
	n.mu.RUnlock()
	if ok {
		return s
	}
	s = &stream{name: name, sequences: domain.NewSequences(), clock: domain.NewLogClock(clockStep)}
	n.mu.Lock()
	n.streams[name] = s
	n.mu.Unlock()
	return s
}

// receive takes an entry of a namespace at its place.
func (n *Node) receive(ctx context.Context, ns *namespace, e *domain.Entry, reading time.Duration) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	// Changes that wait for something below, which was lost, have their place before this entry.
	ns.fence.Before(e.Offset)
	if ns.fence.Cursor() != "" { // else there is no place yet that a change could have
		n.settle(ns)
	}
	// Even if an edge panics, the entry has been read: what waits for it must not wait for ever.
	defer n.settle(ns)
	defer ns.fence.Pass(e.Offset)
	ns.stream = e.Stream
	ns.reading = max(ns.reading, reading)
	n.meet(ctx, ns, &e.Message, reading)
	if n.hadFirst(&e.Message) {
		return
	}
	if n.keeper != nil {
		n.remember(ns, e, nil)
	}
	switch body := e.Message.Body.(type) {
	case *domain.Broadcast:
		n.receiveBroadcast(ctx, ns, e, body)
	case domain.RoomOperation:
		var sockets int
		if d, ok := body.(*domain.Disconnect); ok && d.Superseded != "" {
			sockets = n.superseded(ns, d)
		} else {
			sockets = n.apply(ctx, ns.name, body, e.Offset)
		}
		n.reached(ctx, ns, &e.Message, e.Offset, sockets)
	default:
		n.handle(ctx, ns, &e.Message, n.log.Append)
	}
}

func (n *Node) receiveBroadcast(ctx context.Context, ns *namespace, e *domain.Entry, b *domain.Broadcast) {
	own := e.Message.Node == n.id
	d := &domain.Delivery{Namespace: ns.name, Target: b.Target, Packet: b.Packet}
	switch {
	case b.Request != "":
		if own {
			// Who is a member at this place in the log has the broadcast too, and will answer.
			n.requests.expect(b.Request, ns.members.IDs())
		}
		n.deliverForAcks(ctx, ns, e, d, b.Request)
		return
	case b.Target.Flags.Volatile:
		d.Cursor = e.Offset
	case n.config.Order == OrderLog:
		d.Offset = e.Offset
	}
	n.reached(ctx, ns, &e.Message, e.Offset, n.deliver(ctx, d))
}

func (r reader) HandleNotice(ctx context.Context, notice domain.Notice) {
	n := r.n
	switch notice := notice.(type) {
	case *domain.AtTail:
		n.atTail(ctx, notice)
	case *domain.Gap:
		n.streamOf(notice.Stream).gap = true
		n.eachOf(notice.Stream, func(ns *namespace) {
			ns.broken = time.Now()
			ns.history.restart()
		})
		n.observe(ctx, notice)
	case *domain.Reset:
		s := n.streamOf(notice.Stream)
		s.epoch.Store(&notice.Is)
		s.read.Store(&notice.Cursor)
		n.eachOf(notice.Stream, func(ns *namespace) {
			ns.fence.Restart(notice.Cursor)
			ns.appended, ns.broken = "", time.Now()
			if n.keeper != nil {
				n.keeper.restart(ns, notice.Cursor)
			}
			n.settle(ns)
		})
		n.observe(ctx, notice)
	case *domain.BadEntry:
		n.observe(ctx, notice)
	case *domain.TransportLost:
		n.observe(ctx, notice)
	case *domain.TransportFound:
		n.observe(ctx, notice)
	}
}

// atTail is when silence counts: everything that others have said is read.
func (n *Node) atTail(ctx context.Context, at *domain.AtTail) {
	s := n.streamOf(at.Stream)
	now := s.clock.Tail(at.Time)
	s.read.Store(&at.Cursor)
	if epoch := s.epoch.Load(); epoch == nil || *epoch != at.Epoch {
		s.epoch.Store(&at.Epoch)
	}
	if !s.gap && at.Time.Sub(s.swept) < sweepPause {
		return
	}
	s.gap, s.swept = false, at.Time
	n.eachOf(at.Stream, func(ns *namespace) {
		ns.reading, ns.tailAt = max(ns.reading, now), at.Time
		ns.fence.Pass(at.Cursor)
		n.settle(ns)
		n.unparkOverdue(ns)
		for _, change := range ns.members.Sweep(now) {
			n.memberChanged(ctx, ns, change)
		}
	})
}

func (n *Node) passAll(s *stream, cursor domain.Offset) {
	n.eachOf(s.name, func(ns *namespace) {
		ns.fence.Pass(cursor)
		n.settle(ns)
	})
}

// eachOf calls f for each namespace of a stream, under its order.
func (n *Node) eachOf(stream string, f func(*namespace)) {
	n.mu.RLock()
	all := make([]*namespace, 0, len(n.namespaces))
	for _, ns := range n.namespaces {
		all = append(all, ns)
	}
	n.mu.RUnlock()
	for _, ns := range all {
		ns.ifOf(stream, f)
	}
}

// ifOf calls f under the namespace's order, if the namespace is in the stream.
func (ns *namespace) ifOf(stream string, f func(*namespace)) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.stream == stream {
		f(ns)
	}
}

// listener is a node as the channel's handler.
type listener struct{ n *Node }

// HandleNotice passes on what could not be read, and that the channel is lost or found.
func (l listener) HandleNotice(ctx context.Context, n domain.Notice) {
	if e, ok := n.(domain.Event); ok {
		l.n.observe(ctx, e)
	}
}

func (l listener) HandleMessage(ctx context.Context, m *domain.Message) {
	n := l.n
	n.mu.RLock()
	ns, ok := n.namespaces[m.Namespace]
	n.mu.RUnlock()
	if !ok || m.Node == n.id {
		return
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if n.census == nil {
		n.meet(ctx, ns, m, ns.reading)
	} else if change, ok := ns.members.Hear(m, ns.reading); ok {
		n.memberChanged(ctx, ns, change)
	}
	if n.mustWait(ns, m) {
		if len(ns.parked) >= maxParked {
			n.observe(ctx, &domain.Dropped{Namespace: ns.name, Kind: m.Kind(), Err: errTooBusy})
			return
		}
		ns.parked = append(ns.parked, parkedRequest{ctx: ctx, message: m, since: ns.reading})
		return
	}
	n.handle(ctx, ns, m, n.sendTo(m.Node))
}

// sendTo is the channel as a way for an answer: it goes back on the lane on which the request came.
func (n *Node) sendTo(node domain.NodeID) send {
	return func(ctx context.Context, m *domain.Message) (domain.Offset, error) {
		return "", n.channel.Send(ctx, node, m)
	}
}

// mustWait decides whether a request would overtake what its sender appended before it.
func (n *Node) mustWait(ns *namespace, m *domain.Message) bool {
	return m.After != "" && n.log.Compare(m.After, ns.fence.Cursor()) > 0
}

// unpark handles the requests for which this node has read far enough.
func (n *Node) unpark(ns *namespace) {
	n.unparkIf(ns, func(p parkedRequest) bool { return !n.mustWait(ns, p.message) })
}

// unparkOverdue handles the requests that have waited for as long as they could have been answered, although the reader
// stands at the tail: what they wait for does not come, because their log began anew. While the reader is behind
// nothing is overdue: what it reads late makes the clock jump, and the request would overtake what it waits for.
func (n *Node) unparkOverdue(ns *namespace) {
	n.unparkIf(ns, func(p parkedRequest) bool { return ns.reading-p.since >= n.config.RequestTimeout })
}

func (n *Node) unparkIf(ns *namespace, is func(parkedRequest) bool) {
	var ready []parkedRequest
	ns.parked = slices.DeleteFunc(ns.parked, func(p parkedRequest) bool {
		if !is(p) {
			return false
		}
		ready = append(ready, p)
		return true
	})
	for _, p := range ready {
		n.handleParked(ns, p)
	}
}

// handleParked handles a request outside of the call that brought it, so a panic is reported here, and costs the
// request alone.
func (n *Node) handleParked(ns *namespace, p parkedRequest) {
	defer func() {
		if fault := recover(); fault != nil {
			n.panicked(fault)
		}
	}()
	n.handle(p.ctx, ns, p.message, n.sendTo(p.message.Node))
}

// handle takes requests, answers and heartbeats, from either lane. Answers to requests go back by the given way.
func (n *Node) handle(ctx context.Context, ns *namespace, m *domain.Message, back send) {
	own := m.Node == n.id
	switch body := m.Body.(type) {
	case *domain.InitialHeartbeat:
		if !own {
			n.later(ctx, ns, body.Kind(), func() { n.sayAlive(ctx, ns) })
		}
	case *domain.FetchSockets:
		if !own {
			n.answerFetch(ctx, ns, body, back)
		}
	case *domain.ServerSideEmit:
		if !own {
			n.answerServerSideEmit(ctx, ns, body, back)
		}
	case *domain.Broadcast: // on the channel: a Node.js server of the 0.3 line that wants acks
		e := &domain.Entry{Message: *m}
		n.deliverForAcksBy(ctx, ns, e, &domain.Delivery{Namespace: ns.name, Target: body.Target, Packet: body.Packet}, body.Request, back)
	case *domain.FetchSocketsReply:
		n.answered(ctx, ns, m, body.Request)
	case *domain.ServerSideEmitReply:
		n.answered(ctx, ns, m, body.Request)
	case *domain.AckClientCount:
		n.answered(ctx, ns, m, body.Request)
	case *domain.Ack:
		n.answered(ctx, ns, m, body.Request)
	}
}

var errTooBusy = errors.New("the node has too much to do")

// later runs work that waits for the log, off the reader.
func (n *Node) later(ctx context.Context, ns *namespace, kind domain.Kind, work func()) {
	if !n.outbox.submit(work) && n.ctx.Err() == nil {
		n.observe(ctx, &domain.Dropped{Namespace: ns.name, Kind: kind, Err: errTooBusy})
	}
}
