package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
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
	for _, handle := range list(&s.handlers, &s.handlers.anyEvent) {
		s.report(name, guarded(func() error { handle(ctx, event); return nil }))
	}
	var first reply
	var failure error
	handled := false
	for _, handler := range list(&s.handlers, &s.handlers.events) {
		if handler.event != name {
			continue
		}
		handled = true
		var r reply
		err := guarded(func() (err error) { r, err = handler.call(ctx, event); return err })
		if _, meant := errors.AsType[*ReplyError](err); !meant || !p.HasID {
			s.report(name, err)
		}
		if failure == nil {
			failure = err
		}
		if err == nil && !first.given {
			first = r
		}
	}
	if !handled || !p.HasID {
		return
	}
	if failure != nil {
		first.value = errorReply(failure)
	}
	s.report(name, s.acknowledge(ctx, p.ID, first.value, session))
}

// acknowledge answers an event of a session; the zero Value answers it without an argument. When the session is over
// nobody waits for the answer.
func (s *Socket) acknowledge(ctx context.Context, id uint64, v domain.Value, session uint64) error {
	answer := parser.Packet{Type: parser.Ack, Namespace: s.namespace, ID: id, HasID: true}
	var err error
	if answer.Payload, err = ackPayload(v); err != nil {
		answer.Payload, _ = ackPayload(errorReply(err)) // has no part that could fail
	}
	m := encode(answer)
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

// ackPayload is the array of an answer.
func ackPayload(v domain.Value) (domain.Value, error) {
	var args []any
	if !v.IsZero() {
		args = []any{v}
	}
	array, err := payload.MarshalArgs(args...)
	if n := len(array.Attachments()); err == nil && n > domain.MaxAttachments {
		err = fmt.Errorf("the answer has %d binaries, but servers take at most %d", n, domain.MaxAttachments)
	}
	return array, err
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
	for _, handle := range list(&s.handlers, &s.handlers.connect) {
		s.report("connect", guarded(func() error { return handle(ctx) }))
	}
}

// report tells the application of an error, if it is one. That Close has ended a handler's context is none.
func (s *Socket) report(event string, err error) {
	if err != nil && (s.client.ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
		s.client.config.OnError(s.client.ctx, Failure{Namespace: s.namespace, Event: event, Err: err})
	}
}
