package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/roombus/roombus/domain"
)

// requests are this node's questions that wait for answers. Each is owned by the call that asked, which removes it.
type requests struct {
	mu      sync.Mutex
	pending map[domain.RequestID]*pending
}

// pending is one question. Its fan-in is guarded by requests.mu.
type pending struct {
	id        domain.RequestID
	namespace string
	kind      domain.Kind
	fan       fanIn
	take      func(m *domain.Message) (counts bool)
	answers   func() int
	done      chan struct{} // closed when the last slot is filled
	complete  bool
	settled   chan struct{} // has a token when nobody is missing but those in doubt
}

// fanIn is what domain.FanIn and domain.AckFanIn have in common.
type fanIn interface {
	Doubt(named []domain.NodeID, anonymous int)
	Expect(id domain.NodeID)
	Leave(id domain.NodeID)
	Lose(id domain.NodeID)
	Done() bool
	Settled() bool
	Err(cause error) error
}

func (r *requests) add(p *pending) {
	p.done, p.settled = make(chan struct{}), make(chan struct{}, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending[p.id] = p
}

// settle tells the one who waits when the last slot is filled, or the last one that is not in doubt. The caller holds
// requests.mu.
func (p *pending) settle() {
	switch {
	case p.complete:
	case p.fan.Done():
		p.complete = true
		close(p.done)
	case p.fan.Settled():
		select {
		case p.settled <- struct{}{}:
		default:
		}
	}
}

// isSettled reports whether nobody is missing now but those in doubt.
func (r *requests) isSettled(p *pending) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.fan.Settled()
}

// answer takes a node's answer and reports whether it counts.
func (r *requests) answer(id domain.RequestID, m *domain.Message) (p *pending, counts bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.pending[id]
	if !ok || p.namespace != m.Namespace || !p.take(m) {
		return nil, false
	}
	p.settle()
	return p, true
}

// expect adds slots to a question for nodes that turn out to have it.
func (r *requests) expect(id domain.RequestID, nodes []domain.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.pending[id]; ok && !p.complete {
		for _, node := range nodes {
			p.fan.Expect(node)
		}
	}
}

// gone completes the slots of a node that has left or was lost.
func (r *requests) gone(namespace string, change domain.MemberChange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.pending {
		if p.namespace != namespace {
			continue
		}
		if change.Event == domain.MemberLeft {
			p.fan.Leave(change.Member.ID)
		} else {
			p.fan.Lose(change.Member.ID)
		}
		p.settle()
	}
}

// end removes a question and says what is missing, because of cause.
func (r *requests) end(p *pending, cause error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, p.id)
	return p.fan.Err(cause)
}

// answered takes an answer from either lane, or from this node itself.
func (n *Node) answered(ctx context.Context, ns *namespace, m *domain.Message, id domain.RequestID) {
	if p, counts := n.requests.answer(id, m); counts {
		n.observe(ctx, &domain.Answered{Namespace: ns.name, Kind: p.kind, Request: id, From: m.Node, Answer: m.Kind()})
	}
}

// doubtGrace is how long a question that is answered otherwise waits for nodes in doubt: one that lives answers within
// it, and is in doubt no longer.
const doubtGrace = 250 * time.Millisecond

// blameAfter is the shortest wait for answers that says something of who gives none: a node may be busy for less. It is a
// deadline of a second, less what it takes to find out who is to be asked.
const blameAfter = 900 * time.Millisecond

// ask sends a question and waits until it is answered in full, the time is over, or the node closes. A node that has
// missed the deadline of an earlier question, and was not heard since, is not waited for until the end of this one. The
// error is a *domain.PartialError, or what kept the question from being sent.
func (n *Node) ask(
	ctx context.Context, ns *namespace, p *pending, asked *audience, question func(context.Context) error,
) error {
	start := time.Now()
	if n.asking != nil {
		ctx = n.asking.BeginRequest(ctx, domain.RequestBegun{
			Namespace: ns.name, Kind: p.kind, Request: p.id, Nodes: asked.named, Unnamed: asked.unnamed,
		})
	}
	n.requests.add(p)
	n.excuse(ns, p, asked)
	err := question(ctx)
	if err != nil {
		_ = n.requests.end(p, err)
	} else {
		err = n.requests.end(p, n.wait(ctx, p))
		n.blame(ctx, ns, asked, time.Since(start), err)
	}
	n.observe(ctx, &domain.RequestDone{
		Namespace: ns.name, Kind: p.kind, Request: p.id, Answers: p.answers(), Err: err,
	})
	return err
}

// wait waits for answers and says why it has ended before all were there; nil when they are.
func (n *Node) wait(ctx context.Context, p *pending) error {
	var grace <-chan time.Time
	for {
		select {
		case <-p.done:
			return nil
		case <-p.settled:
			if grace == nil {
				grace = time.After(doubtGrace)
			}
		case <-grace:
			if n.requests.isSettled(p) {
				return domain.ErrUnresponsive
			}
			grace = nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-n.ctx.Done():
			return domain.ErrClosed
		}
	}
}

// excuse completes the slots of nodes that have left since they were counted, whose goodbye found no question, and puts
// those in doubt that missed the last one.
func (n *Node) excuse(ns *namespace, p *pending, asked *audience) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	n.requests.mu.Lock()
	defer n.requests.mu.Unlock()
	members := ns.members.IDs()
	for _, id := range asked.named {
		if !slices.Contains(members, id) {
			p.fan.Leave(id)
		}
	}
	p.fan.Doubt(ns.members.Suspects(), ns.missed)
	p.settle()
}

// blame takes note of who has missed a deadline of a second or more. It counts only if this node has read the log
// meanwhile, or stood at its end a moment ago: else it is this node that heard nobody.
func (n *Node) blame(ctx context.Context, ns *namespace, asked *audience, waited time.Duration, err error) {
	partial, _ := errors.AsType[*domain.PartialError](err)
	ns.mu.Lock()
	defer ns.mu.Unlock()
	switch {
	case partial == nil:
		if asked.unnamed > 0 {
			ns.missed = 0
		}
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && waited >= blameAfter &&
		(ns.reading-asked.reading >= waited/2 || time.Since(ns.tailAt) <= clockStep):
		ns.missed = partial.Unnamed
		for _, change := range ns.members.Missed(partial.Missing, asked.heard) {
			n.memberChanged(ctx, ns, change)
		}
	case errors.Is(err, domain.ErrUnresponsive):
		ns.missed = partial.Unnamed
	}
}

// waiting bounds the wait for answers: by the call's timeout, else the context's deadline, else the node's default.
func (n *Node) waiting(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout > 0 {
		return context.WithTimeout(ctx, timeout)
	}
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, n.config.RequestTimeout)
}

// audience is who is asked, and on which lane.
type audience struct {
	named []domain.NodeID // the other members
	// unnamed is how many others hear the question who have no name until they answer.
	unnamed int
	// channel says that all of them hear the channel, and wait there until they have read what the asker had published.
	channel bool
	// heard is how often each was heard, and reading the log clock's, before they were asked.
	heard   map[domain.NodeID]uint64
	reading time.Duration
}

// nobody reports whether nobody else is there to be asked.
func (a *audience) nobody() bool { return len(a.named) == 0 && a.unnamed == 0 }

// audience finds who is to be asked in a namespace.
//
// Everybody executes what is in the log, so it is the lane whenever somebody does not hear the channel: a Node.js
// server of the 0.2 line, a node whose connection is being mended. It is too when somebody unnamed listens: a Node.js
// server of the 0.3 line does not wait for the position that comes with a question on the channel, and would answer
// it before it has read what was published earlier. It answers on the channel whichever way it was asked.
func (n *Node) audience(ctx context.Context, ns *namespace) (audience, error) {
	ns.mu.Lock()
	a := audience{named: ns.members.IDs(), heard: ns.members.Heard(), reading: ns.reading}
	ns.mu.Unlock()
	if n.census == nil {
		a.channel = true
		return a, nil
	}
	listening, unnamed, err := n.count(ctx, ns, a.named)
	if err != nil {
		return a, fmt.Errorf("ask in %s: %w", ns.name, err)
	}
	a.unnamed = unnamed
	a.channel = a.unnamed == 0 && listening == len(a.named)
	return a, nil
}

// count asks the channel how many of the members listen, and how many who have no name.
func (n *Node) count(
	ctx context.Context, ns *namespace, members []domain.NodeID,
) (listening, others int, err error) {
	named, others, err := n.census.Listening(ctx, ns.name, append([]domain.NodeID{n.id}, members...))
	if err != nil {
		return 0, 0, err
	}
	ns.others.Store(int64(others))
	if slices.Contains(named, n.id) {
		named = named[1:]
	}
	return len(named), others, nil
}

// recount counts who listens besides the members, for NodeCount.
func (n *Node) recount(ctx context.Context, ns *namespace) {
	if n.census == nil || !ns.joined.Load() {
		return
	}
	ctx, cancel := n.while(ctx)
	defer cancel()
	ns.mu.Lock()
	members := ns.members.IDs()
	ns.mu.Unlock()
	if _, _, err := n.count(ctx, ns, members); err != nil && n.ctx.Err() == nil {
		n.observe(ctx, &domain.Dropped{Namespace: ns.name, Kind: domain.KindHeartbeat, Err: err})
	}
}

// sendToAll puts a question where all who are asked find it. On the channel it bears how far this node has appended, so
// that it overtakes nothing; in the log its place says so. It is never sent on both.
func (n *Node) sendToAll(ns *namespace, a *audience, body domain.Body) func(context.Context) error {
	return func(ctx context.Context) error {
		if !a.channel {
			_, err := n.append(ctx, ns, body)
			return err
		}
		m := n.message(ns, body)
		ns.mu.Lock()
		m.After = ns.appended
		ns.mu.Unlock()
		return n.channel.Send(ctx, "", m)
	}
}

func newRequestID() domain.RequestID { return domain.RequestID(randomHex()) }

// FetchSockets lists the sockets of a namespace that the target means, on all nodes, or with the local flag on this
// one. It sees everything that this node has published before. Nodes that do not answer within the target's timeout
// (else the context's deadline, else 5 s) are named by a *domain.PartialError; the sockets of the others come with
// it.
func (n *Node) FetchSockets(ctx context.Context, namespace string, t domain.Target) ([]domain.SocketDetails, error) {
	ctx, cancel := n.waiting(ctx, t.Flags.Timeout)
	defer cancel()
	ns, err := n.enter(ctx, namespace, nil)
	if err != nil {
		return nil, err
	}
	defer n.working.Done()
	var others audience
	if !t.Flags.Local {
		if others, err = n.audience(ctx, ns); err != nil {
			return nil, err
		}
	}
	fan := domain.NewFanIn[[]domain.SocketDetails](append(others.named, n.id), others.unnamed)
	request := &pending{
		id: newRequestID(), namespace: namespace, kind: domain.KindFetchSockets, fan: fan,
		take: func(m *domain.Message) bool {
			reply, ok := m.Body.(*domain.FetchSocketsReply)
			return ok && fan.Answer(m.Node, reply.Sockets)
		},
		answers: func() int { return len(fan.Answers()) },
	}
	err = n.ask(ctx, ns, request, &others, func(ctx context.Context) error {
		n.InOrder(namespace, func(domain.Offset) {
			own := &domain.FetchSocketsReply{Request: request.id, Sockets: n.sockets(ctx, namespace, &t)}
			n.answered(ctx, ns, n.message(ns, own), request.id)
		})
		if others.nobody() {
			return nil
		}
		return n.sendToAll(ns, &others, &domain.FetchSockets{Target: t, Request: request.id})(ctx)
	})
	return slices.Concat(fan.Values()...), err
}

// ServerSideEmitWithAck hands an event to the application on every other node of a namespace and collects one answer
// a node. Who is missing after the context's deadline (else 5 s) is named by a *domain.PartialError; the answers of
// the others come with it. With no other node there is no answer and no error.
func (n *Node) ServerSideEmitWithAck(ctx context.Context, namespace string, p domain.Packet) ([]domain.Value, error) {
	ctx, cancel := n.waiting(ctx, 0)
	defer cancel()
	ns, err := n.enter(ctx, namespace, nil)
	if err != nil {
		return nil, err
	}
	defer n.working.Done()
	others, err := n.audience(ctx, ns)
	if err != nil || others.nobody() {
		return nil, err
	}
	fan := domain.NewFanIn[domain.Value](others.named, others.unnamed)
	request := &pending{
		id: newRequestID(), namespace: namespace, kind: domain.KindServerSideEmit, fan: fan,
		take: func(m *domain.Message) bool {
			reply, ok := m.Body.(*domain.ServerSideEmitReply)
			return ok && fan.Answer(m.Node, reply.Value)
		},
		answers: func() int { return len(fan.Answers()) },
	}
	question := n.sendToAll(ns, &others, &domain.ServerSideEmit{Packet: p, Request: request.id})
	err = n.ask(ctx, ns, request, &others, question)
	return fan.Values(), err
}

// BroadcastWithAck sends a packet as Broadcast does and collects one answer from each socket that it reaches, on all
// nodes. It is done when every node has said how many sockets it reached and so many have answered. After the target's
// timeout (else the context's deadline, else 5 s) a *domain.PartialError names the nodes and counts the sockets that
// are missing; the answers so far come with it.
func (n *Node) BroadcastWithAck(
	ctx context.Context, namespace string, t domain.Target, p domain.Packet,
) ([]domain.Value, error) {
	ctx, cancel := n.waiting(ctx, t.Flags.Timeout)
	defer cancel()
	ns, err := n.enter(ctx, namespace, nil)
	if err != nil {
		return nil, err
	}
	defer n.working.Done()
	if deadline, ok := ctx.Deadline(); ok && t.Flags.Timeout == 0 {
		t.Flags.Timeout = max(time.Until(deadline), time.Millisecond)
	}
	var others audience
	if !t.Flags.Local {
		if others, err = n.audience(ctx, ns); err != nil {
			return nil, err
		}
	}
	fan := domain.NewAckFanIn(append(others.named, n.id), others.unnamed)
	if t.Flags.ExpectSingleResponse {
		fan.ExpectOne()
	}
	request := &pending{
		id: newRequestID(), namespace: namespace, kind: domain.KindBroadcast, fan: fan,
		take: func(m *domain.Message) bool {
			switch body := m.Body.(type) {
			case *domain.AckClientCount:
				return fan.Count(m.Node, body.Clients)
			case *domain.Ack:
				return fan.Ack(m.Node, body.Value)
			default:
				return false
			}
		},
		answers: func() int { return len(fan.Acks()) },
	}
	err = n.ask(ctx, ns, request, &others, func(ctx context.Context) error {
		b := &domain.Broadcast{Target: t, Packet: p, Request: request.id}
		if !t.Flags.Local {
			_, err := n.append(ctx, ns, b)
			return err
		}
		n.InOrder(namespace, func(domain.Offset) {
			own := &domain.Entry{Message: *n.message(ns, b)}
			n.deliverForAcks(ctx, ns, own, &domain.Delivery{Namespace: namespace, Target: t, Packet: p}, request.id)
		})
		return nil
	})
	return fan.Acks(), err
}
