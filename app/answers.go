package app

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/roombus/roombus/domain"
)

// deliverForAcks delivers a broadcast from the log that wants acks. Its answers go through the log.
func (n *Node) deliverForAcks(ctx context.Context, ns *namespace, e *domain.Entry, d *domain.Delivery, id domain.RequestID) {
	n.deliverForAcksBy(ctx, ns, e, d, id, n.log.Append)
}

// deliverForAcksBy delivers a broadcast that wants acks, says to how many sockets, and passes their answers on. It
// has no offset: it is not recovered.
func (n *Node) deliverForAcksBy(
	ctx context.Context, ns *namespace, e *domain.Entry, d *domain.Delivery, id domain.RequestID, back send,
) {
	if id == "" {
		n.deliver(ctx, d)
		return
	}
	answer := func(body domain.Body) {
		if e.Message.Node == n.id {
			n.answered(ctx, ns, n.message(ns, body), id)
			return
		}
		n.later(ctx, ns, body.Kind(), func() { n.tell(ctx, ns, back, body) })
	}
	if d.Target.Flags.Timeout <= 0 {
		d.Target.Flags.Timeout = n.config.RequestTimeout
	}
	d.Ack = func(v domain.Value) { answer(&domain.Ack{Request: id, Value: v}) }
	sockets := n.deliver(ctx, d)
	answer(&domain.AckClientCount{Request: id, Clients: sockets})
	n.reached(ctx, ns, &e.Message, e.Offset, sockets)
}

// answerFetch lists the sockets as they are at the request's place.
func (n *Node) answerFetch(ctx context.Context, ns *namespace, f *domain.FetchSockets, back send) {
	reply := &domain.FetchSocketsReply{Request: f.Request, Sockets: n.sockets(ctx, ns.name, &f.Target)}
	n.later(ctx, ns, reply.Kind(), func() { n.tell(ctx, ns, back, reply) })
}

// answerServerSideEmit runs the application's handlers on their own goroutine, in order; the answer may come from
// anywhere, once.
func (n *Node) answerServerSideEmit(ctx context.Context, ns *namespace, s *domain.ServerSideEmit, back send) {
	var reply func(domain.Value)
	if s.Request != "" {
		var once sync.Once
		reply = func(v domain.Value) {
			once.Do(func() {
				body := &domain.ServerSideEmitReply{Request: s.Request, Value: v}
				n.later(ctx, ns, body.Kind(), func() { n.tell(ctx, ns, back, body) })
			})
		}
	}
	reply = firstOf(len(n.edges), reply)
	run := func() {
		for _, e := range n.edges {
			n.runHandler(ctx, ns, s.Kind(), func(ctx context.Context) { e.ServerSideEmit(ctx, ns.name, s.Packet, reply) })
		}
	}
	if !n.handlers.submit(run) && n.ctx.Err() == nil {
		n.observe(ctx, &domain.Dropped{Namespace: ns.name, Kind: s.Kind(), Err: errTooBusy})
	}
}

// firstOf lets so many edges answer with one reply: the first that says something, or nothing when none does.
func firstOf(edges int, reply func(domain.Value)) func(domain.Value) {
	if edges < 2 || reply == nil {
		return reply
	}
	var silent atomic.Int64
	return func(v domain.Value) {
		if !v.IsZero() || silent.Add(1) == int64(edges) {
			reply(v)
		}
	}
}

// runHandler calls the application for a message of some kind. Its context ends with the node; a panic costs that call
// alone and is reported.
func (n *Node) runHandler(ctx context.Context, ns *namespace, kind domain.Kind, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	defer func() {
		if fault := recover(); fault != nil {
			n.observe(ctx, &domain.Dropped{
				Namespace: ns.name, Kind: kind, Err: fmt.Errorf("a handler panicked: %v", fault),
			})
		}
	}()
	f(ctx)
}
