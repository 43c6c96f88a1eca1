package client

import (
	"context"
	"errors"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/internal/handlers"
)

// What happens on a socket's executor: the handlers of the application.

// handle calls the handlers of an event of a session and acknowledges it if the server wants that.
func (s *Socket) handle(p parser.Packet, session uint64) {
	ctx := s.client.ctx
	if ctx.Err() != nil {
		return // the client is closed
	}
	event := p.Event()
	name := event.Event()
	for _, handle := range s.reg.anyEvent.All() {
		s.report(name, handlers.Guarded(func() error { handle(ctx, event); return nil }))
	}
	var o handlers.Outcome
	called := s.reg.events.Of(name)
	for _, handle := range called {
		var r handlers.Reply
		err := handlers.Guarded(func() (err error) { r, err = handle(ctx, event); return err })
		if _, meant := errors.AsType[*ReplyError](err); !meant || !p.HasID {
			s.report(name, err)
		}
		o.Add(r, err)
	}
	if len(called) == 0 || !p.HasID {
		return
	}
	s.report(name, s.acknowledge(ctx, p.ID, &o, session))
}

// acknowledge answers an event of a session. When that is over nobody waits for the answer.
func (s *Socket) acknowledge(ctx context.Context, id uint64, o *handlers.Outcome, session uint64) error {
	array, err := o.Ack(handlers.PublicText)
	if err != nil {
		array = handlers.ErrorAnswer(handlers.PublicText(err))
	}
	m := encode(parser.Packet{Type: parser.Ack, Namespace: s.namespace, ID: id, HasID: true, Payload: array})
	for {
		room, sendErr := s.offerAnswer(m, session)
		if sendErr != nil {
			return sendErr
		}
		if room == nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return err
		}
	}
}

// offerAnswer hands over an answer, or returns what to wait for.
func (s *Socket) offerAnswer(m message, session uint64) (<-chan struct{}, error) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.session != session || !s.connected {
		return nil, nil //nolint:nilnil // it is dropped
	}
	if err := s.checked(m); err != nil {
		return nil, err
	}
	return c.effort.link.offer(m.wire), nil
}

// greet calls the connect handlers.
func (s *Socket) greet() {
	ctx := s.client.ctx
	if ctx.Err() != nil {
		return // the client is closed
	}
	for _, handle := range s.reg.connect.All() {
		s.report("connect", handlers.Guarded(func() error { return handle(ctx) }))
	}
}

// report tells the application of an error, if it is one. That Close has ended a handler's context is none.
func (s *Socket) report(event string, err error) {
	if err != nil && (s.client.ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
		s.client.config.OnError(s.client.ctx, Failure{Namespace: s.namespace, Event: event, Err: err})
	}
}
