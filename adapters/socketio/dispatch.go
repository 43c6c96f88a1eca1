package socketio

import (
	"cmp"
	"context"
	"errors"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
)

// What happens on a socket's executor: the connecting, the client's events, the end.

// connect asks the middleware, makes the socket a member of its namespace and calls the connect handlers.
func (s *Socket) connect() {
	defer s.conn.unfinished.Add(-1)
	if s.state.Load() != stateConnecting {
		return // gone before it began
	}
	ctx, end := s.begin(s.ctx, domain.ClientConnect, domain.Packet{})
	end(s.connectIn(ctx))
}

// begin lets the interceptor stand around what follows, if there is one.
func (s *Socket) begin(ctx context.Context, kind domain.ClientCallKind, event domain.Packet) (context.Context, func(error)) {
	if between := s.ns.server.config.Interceptor; between != nil {
		return between.Begin(ctx, domain.ClientCall{Kind: kind, Namespace: s.ns.name, Socket: s.id, Event: event})
	}
	return ctx, noEnd
}

func noEnd(error) {}

// connectIn connects, or refuses; the error is the first that happened.
func (s *Socket) connectIn(ctx context.Context) (first error) {
	if err := s.ns.server.node.Open(ctx, s.ns.name); err != nil {
		s.refuse(ctx, err)
		return err
	}
	back := s.comeBack(ctx)
	if back != nil {
		defer back.Abandon() // unless it has entered
	}
	if err := s.admission(ctx); err != nil {
		s.refuse(ctx, err)
		return err
	}
	greet := s.ns.reg.connect.All()
	if s.recovery != nil {
		s.recovery.begun = back != nil || len(greet) == 0
	}
	if back != nil {
		if !s.catchUp(ctx, back) {
			return nil
		}
	} else if !s.enterInOrder(ctx) {
		return nil
	}
	for _, handle := range greet {
		err := handlers.Guarded(func() error { return handle(ctx, s) })
		s.failed(ctx, "connect", err)
		first = cmp.Or(first, err)
	}
	s.begun()
	return first
}

// enterInOrder makes the socket a member of its namespace at its place in it. It reports false when it is gone.
func (s *Socket) enterInOrder(ctx context.Context) bool {
	entered := false
	err := s.ns.inOrder(ctx, func(at domain.Offset) { entered = s.enter(at) })
	return err == nil && entered
}

// admission is the first error of what has to be before a socket is connected.
func (s *Socket) admission(ctx context.Context) error {
	if s.Recovered() {
		config := &s.ns.server.config.Recovery
		if config.Authorize != nil {
			if err := handlers.Guarded(func() error { return config.Authorize(ctx, s) }); err != nil {
				return err
			}
		}
		if !config.Middleware {
			return nil
		}
	}
	for _, handle := range s.ns.reg.middleware.All() {
		if err := handlers.Guarded(func() error { return handle(ctx, s) }); err != nil {
			return err
		}
	}
	return nil
}

// refuse tells the client that it cannot connect, unless it has gone away or tries again already.
func (s *Socket) refuse(ctx context.Context, err error) {
	// It ends before it is forgotten: a client that tries again in between finds it, and nothing more is said for it.
	ended := s.end(ReasonServerDisconnect, err, lost)
	s.conn.forget(s)
	if !ended {
		return
	}
	if !isFor[*ConnectError](err) {
		s.failed(ctx, "connect", err)
	}
	s.ns.server.counters.refused.Add(1)
	s.write(connectErrorFrame(s.ns.name, err))
}

// handle calls the handlers of an event and, if the client wants that, acknowledges it under the id.
func (s *Socket) handle(event domain.Packet, id uint64, acked bool) {
	ctx, end := s.begin(s.ctx, domain.ClientEvent, event)
	var o handlers.Outcome
	defer func() { end(o.Err) }()
	for _, handle := range s.ns.reg.anyEvent.All() {
		s.failed(ctx, event.Event(), handlers.Guarded(func() error { handle(ctx, s, event); return nil }))
	}
	o = s.answer(ctx, event, acked)
	if !acked {
		return
	}
	answer, err := o.Ack(publicText)
	if err != nil {
		s.failed(ctx, event.Event(), err)
		answer = handlers.ErrorAnswer(handlers.InternalError)
	}
	s.acknowledge(ackFrame(s.ns.name, id, answer), !s.jobs.More()) // what waits may be answered in the same write
}

// answer asks the middleware and calls the handlers of an event. Errors that are for the client alone are told to it, if
// it wants an ack, and otherwise, like all others, to the application.
func (s *Socket) answer(ctx context.Context, event domain.Packet, wanted bool) (o handlers.Outcome) {
	tell := func(err error) {
		if !wanted || !isFor[*ClientError](err) {
			s.failed(ctx, event.Event(), err)
		}
	}
	for _, ask := range s.ns.reg.eventMiddleware.All() {
		if o.Err = handlers.Guarded(func() error { return ask(ctx, s, event) }); o.Err != nil {
			tell(o.Err)
			return o
		}
	}
	called := false
	for _, handle := range s.ns.reg.events.Of(event.Event()) {
		var r handlers.Reply
		err := handlers.Guarded(func() (err error) { r, err = handle(ctx, s, event); return err })
		if errors.Is(err, errSpent) {
			continue
		}
		called = true
		o.Add(r, err)
		tell(err)
	}
	if !called {
		o.Err = ErrUnknownEvent
		s.failed(ctx, event.Event(), o.Err)
	}
	return o
}

// upgraded calls the upgrade handlers.
func (s *Socket) upgraded() {
	if !s.Connected() {
		return // it was refused, or is gone
	}
	for _, handle := range s.ns.reg.upgrade.All() {
		s.failed(s.ctx, "upgrade", handlers.Guarded(func() error { handle(s.ctx, s); return nil }))
	}
}

// farewells ends the handlers' context and calls the disconnect handlers: when a socket whose client must not come back
// is reported gone, its session is deleted.
func (s *Socket) farewells() {
	defer s.ns.release()
	defer s.conn.unfinished.Add(-1)
	s.ns.mu.RLock()
	grace, reason := s.grace, s.reason
	s.ns.mu.RUnlock()
	grace.Stop()
	s.cancel()
	_ = s.forgotten(context.Background()) // its error says that the time is over: the session will be deleted, later
	farewell := s.ns.reg.disconnect.All()
	if len(farewell) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), s.ns.server.config.HandlerGrace)
	defer cancel()
	ctx, end := s.begin(ctx, domain.ClientDisconnect, domain.Packet{})
	var first error
	for _, handle := range farewell {
		err := handlers.Guarded(func() error { handle(ctx, s, reason); return nil })
		s.failed(ctx, "disconnect", err)
		first = cmp.Or(first, err)
	}
	end(first)
}

// failed tells the application of an error, if it is one.
func (s *Socket) failed(ctx context.Context, event string, err error) {
	if err != nil {
		s.ns.server.fail(ctx, Failure{Namespace: s.ns.name, Socket: s, Event: event, Err: err})
	}
}

// receive takes a packet for the socket from its connection. It blocks while too many wait and the connection is there.
// It returns what is to be done for it.
func (s *Socket) receive(p parser.Packet) (work func()) {
	if p.Type == parser.Event {
		if s.limited(p) {
			return nil
		}
		if o := s.ns.server.observed.by(); o != nil {
			o.Received(s, p.Event())
		}
		config := &s.ns.server.config
		event, id, acked := p.Event(), p.ID, p.HasID // and not p, which is too large for the job to have its own
		work, _ = s.jobs.Enqueue(
			&s.ns.server.running, handlers.Bounds{Jobs: config.HandlerQueue, Bytes: config.HandlerQueueBytes},
			s.conn.engine.Done(), handlers.Job{Do: func() { s.handle(event, id, acked) }, Bytes: p.Payload.Size()},
		)
		return work
	}
	if !p.HasID {
		return nil // it answers nothing; as in Node.js
	}
	// An ack does not stand in line with the events: one of their handlers may be waiting for it.
	args, _ := p.Payload.Elements() // the parser has seen to it that it is an array, or nothing
	s.acks.answered(p.ID, args)
	return nil
}
