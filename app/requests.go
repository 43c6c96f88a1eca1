package app

import (
	"context"
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
	done      chan struct{}
	complete  bool
}

// fanIn is what domain.FanIn and domain.AckFanIn have in common.
type fanIn interface {
	Expect(id domain.NodeID)
	Leave(id domain.NodeID)
	Lose(id domain.NodeID)
	Done() bool
	Err(cause error) error
}

func (r *requests) add(p *pending) {
	p.done = make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending[p.id] = p
	p.settle()
}

// settle tells the one who waits when the last slot is filled. The caller holds requests.mu.
func (p *pending) settle() {
	if !p.complete && p.fan.Done() {
		p.complete = true
		close(p.done)
	}
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
		n.observe(ctx, &domain.Answered{Namespace: ns.name, Kind: p.kind, Request: id, From: m.Node})
	}
}

// ask sends a question and waits until it is answered in full, the time is over, or the node closes. The error is a
// *domain.PartialError, or what kept the question from being sent.
func (n *Node) ask(ctx context.Context, p *pending, question func(context.Context) error) error {
	n.requests.add(p)
	err := question(ctx)
	if err != nil {
		_ = n.requests.end(p, err)
		return err
	}
	var cause error
	select {
	case <-p.done:
	case <-ctx.Done():
		cause = context.Cause(ctx)
	case <-n.ctx.Done():
		cause = domain.ErrClosed
	}
	return n.requests.end(p, cause)
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

// sendToAll puts a question on the channel, together with how far this node has appended, so that it overtakes
// nothing.
func (n *Node) sendToAll(ns *namespace, body domain.Body) func(context.Context) error {
	return func(ctx context.Context) error {
		m := n.message(ns, body)
		ns.mu.Lock()
		m.After = ns.appended
		ns.mu.Unlock()
		return n.channel.Send(ctx, "", m)
	}
}

func (ns *namespace) others() []domain.NodeID {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.members.IDs()
}

func newRequestID() domain.RequestID { return domain.RequestID(randomHex()) }

// FetchSockets lists the sockets of a namespace that the target means, on all nodes, or with the local flag on this
// one. It sees everything that this node has published before. Nodes that do not answer within the target's timeout
// (else the context's deadline, else 5 s) are named by a *domain.PartialError; the sockets of the others come with
// it.
func (n *Node) FetchSockets(ctx context.Context, namespace string, t domain.Target) ([]domain.SocketDetails, error) {
	ctx, cancel := n.waiting(ctx, t.Flags.Timeout)
	defer cancel()
	ns, err := n.enter(ctx, namespace)
	if err != nil {
		return nil, err
	}
	defer n.working.Done()
	others := ns.others()
	if t.Flags.Local {
		others = nil
	}
	fan := domain.NewFanIn[[]domain.SocketDetails](append(others, n.id), 0)
	request := &pending{
		id: newRequestID(), namespace: namespace, kind: domain.KindFetchSockets, fan: fan,
		take: func(m *domain.Message) bool {
			reply, ok := m.Body.(*domain.FetchSocketsReply)
			return ok && fan.Answer(m.Node, reply.Sockets)
		},
	}
	err = n.ask(ctx, request, func(ctx context.Context) error {
		n.InOrder(namespace, func(domain.Offset) {
			own := &domain.FetchSocketsReply{Request: request.id, Sockets: n.sockets(ctx, namespace, &t)}
			n.answered(ctx, ns, n.message(ns, own), request.id)
		})
		if len(others) == 0 {
			return nil
		}
		return n.sendToAll(ns, &domain.FetchSockets{Target: t, Request: request.id})(ctx)
	})
	n.observe(ctx, &domain.RequestDone{
		Namespace: namespace, Kind: request.kind, Request: request.id, Answers: len(fan.Answers()), Err: err,
	})
	return slices.Concat(fan.Values()...), err
}

// ServerSideEmitWithAck hands an event to the application on every other node of a namespace and collects one answer
// a node. Who is missing after the context's deadline (else 5 s) is named by a *domain.PartialError; the answers of
// the others come with it. With no other node there is no answer and no error.
func (n *Node) ServerSideEmitWithAck(ctx context.Context, namespace string, p domain.Packet) ([]domain.Value, error) {
	ctx, cancel := n.waiting(ctx, 0)
	defer cancel()
	ns, err := n.enter(ctx, namespace)
	if err != nil {
		return nil, err
	}
	defer n.working.Done()
	others := ns.others()
	if len(others) == 0 {
		return nil, nil
	}
	fan := domain.NewFanIn[domain.Value](others, 0)
	request := &pending{
		id: newRequestID(), namespace: namespace, kind: domain.KindServerSideEmit, fan: fan,
		take: func(m *domain.Message) bool {
			reply, ok := m.Body.(*domain.ServerSideEmitReply)
			return ok && fan.Answer(m.Node, reply.Value)
		},
	}
	err = n.ask(ctx, request, n.sendToAll(ns, &domain.ServerSideEmit{Packet: p, Request: request.id}))
	n.observe(ctx, &domain.RequestDone{
		Namespace: namespace, Kind: request.kind, Request: request.id, Answers: len(fan.Answers()), Err: err,
	})
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
	ns, err := n.enter(ctx, namespace)
	if err != nil {
		return nil, err
	}
	defer n.working.Done()
	if deadline, ok := ctx.Deadline(); ok && t.Flags.Timeout == 0 {
		t.Flags.Timeout = max(time.Until(deadline), time.Millisecond)
	}
	nodes := []domain.NodeID{n.id}
	if !t.Flags.Local {
		nodes = append(nodes, ns.others()...)
	}
	fan := domain.NewAckFanIn(nodes, 0)
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
	}
	err = n.ask(ctx, request, func(ctx context.Context) error {
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
	n.observe(ctx, &domain.RequestDone{
		Namespace: namespace, Kind: request.kind, Request: request.id, Answers: len(fan.Acks()), Err: err,
	})
	return fan.Acks(), err
}
