package client

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// On has a function called for each event of that name that the server sends in the socket's namespace, with the event's
// argument decoded into A as encoding/json does; []byte takes binary, at any depth; domain.Value and json.RawMessage take
// anything as it is, and a domain.Packet is the whole event, whatever its arguments.
//
// When the server has sent no such argument, or one of another shape, the function is not called: Config.OnError gets
// an *ArgumentError, and an ack that the server asked for is {"error": …} with what was wrong. Arguments beyond those
// that the function takes are ignored: a server with connection state recovery appends an offset to every event. With
// several functions for an event all are called, in the order of their registration. An event without one is ignored.
//
// An ack that the server asked for is empty when the function has returned nil. After an error it is {"error": "internal
// error"}, and Config.OnError gets the error; after a *ReplyError it is {"error": …} with its text. So it is after a
// panic, which costs nothing but the event. ctx ends with Client.Close.
func On[A any](s *Socket, event string, handle func(ctx context.Context, arg A) error) {
	s.handlers.on(event, func(ctx context.Context, p domain.Packet) (reply, error) {
		var a A
		if err := arguments(p, &a); err != nil {
			return reply{}, err
		}
		return reply{}, handle(ctx, a)
	})
}

// On0 is On for an event without arguments.
func On0(s *Socket, event string, handle func(ctx context.Context) error) {
	s.handlers.on(event, func(ctx context.Context, _ domain.Packet) (reply, error) {
		return reply{}, handle(ctx)
	})
}

// On2 is On for an event with two arguments.
func On2[A, B any](s *Socket, event string, handle func(ctx context.Context, a A, b B) error) {
	s.handlers.on(event, func(ctx context.Context, p domain.Packet) (reply, error) {
		var a A
		var b B
		if err := arguments(p, &a, &b); err != nil {
			return reply{}, err
		}
		return reply{}, handle(ctx, a, b)
	})
}

// On3 is On for an event with three arguments.
func On3[A, B, C any](s *Socket, event string, handle func(ctx context.Context, a A, b B, c C) error) {
	s.handlers.on(event, func(ctx context.Context, p domain.Packet) (reply, error) {
		var a A
		var b B
		var c C
		if err := arguments(p, &a, &b, &c); err != nil {
			return reply{}, err
		}
		return reply{}, handle(ctx, a, b, c)
	})
}

// OnAck is On for an event to which the client replies: what the function returns, as encoding/json marshals it, is the
// server's answer. A server that asked for no ack gets none. With several functions for an event the first reply counts.
func OnAck[A, R any](s *Socket, event string, handle func(ctx context.Context, arg A) (R, error)) {
	s.handlers.on(event, func(ctx context.Context, p domain.Packet) (reply, error) {
		var a A
		if err := arguments(p, &a); err != nil {
			return reply{}, err
		}
		return replied(handle(ctx, a))
	})
}

// OnAck0 is OnAck for an event without arguments.
func OnAck0[R any](s *Socket, event string, handle func(ctx context.Context) (R, error)) {
	s.handlers.on(event, func(ctx context.Context, _ domain.Packet) (reply, error) {
		return replied(handle(ctx))
	})
}

// OnAck2 is OnAck for an event with two arguments.
func OnAck2[A, B, R any](s *Socket, event string, handle func(ctx context.Context, a A, b B) (R, error)) {
	s.handlers.on(event, func(ctx context.Context, p domain.Packet) (reply, error) {
		var a A
		var b B
		if err := arguments(p, &a, &b); err != nil {
			return reply{}, err
		}
		return replied(handle(ctx, a, b))
	})
}

// OnAck3 is OnAck for an event with three arguments.
func OnAck3[A, B, C, R any](s *Socket, event string, handle func(ctx context.Context, a A, b B, c C) (R, error)) {
	s.handlers.on(event, func(ctx context.Context, p domain.Packet) (reply, error) {
		var a A
		var b B
		var c C
		if err := arguments(p, &a, &b, &c); err != nil {
			return reply{}, err
		}
		return replied(handle(ctx, a, b, c))
	})
}

// Decode decodes the answer that EmitWithAck has returned, to be called around it:
//
//	name, err := client.Decode[string](s.EmitWithAck(ctx, "who are you"))
//
// An answer without a value decodes to the zero R.
func Decode[R any](answer domain.Value, err error) (R, error) {
	var r R
	if err != nil || answer.IsZero() {
		return r, err
	}
	err = payload.Unmarshal(answer, &r)
	return r, err
}

// arguments decodes the arguments of an event.
func arguments(p domain.Packet, into ...any) error {
	if whole, ok := into[0].(*domain.Packet); ok && len(into) == 1 {
		*whole = p
		return nil
	}
	if err := payload.UnmarshalArgs(p, into...); err != nil {
		return &ArgumentError{Event: p.Event(), Err: err}
	}
	return nil
}

// reply is what a handler has to say; given is false for one that replies nothing.
type reply struct {
	value domain.Value
	given bool
}

// replied encodes what a handler has returned.
func replied[R any](r R, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	v, err := payload.Marshal(r)
	return reply{value: v, given: true}, err
}

// handlers are the application's functions for a socket. Functions may be added at any time; what is in progress goes on
// with those that were there.
type handlers struct {
	mu           sync.Mutex
	events       []eventHandler
	anyEvent     []func(context.Context, domain.Packet)
	connect      []func(context.Context) error
	disconnect   []func(context.Context, Reason, error)
	connectError []func(context.Context, error)
}

// eventHandler is a function for the events of a name.
type eventHandler struct {
	event string
	call  func(ctx context.Context, p domain.Packet) (reply, error)
}

func (h *handlers) on(event string, call func(context.Context, domain.Packet) (reply, error)) {
	appended(h, &h.events, eventHandler{event: event, call: call})
}

// appended adds a function to a copy of one of the lists, because the list may be in use.
func appended[H any](h *handlers, to *[]H, function H) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*to = append(slices.Clip(*to), function)
}

// list reads a list that appended has made.
func list[H any](h *handlers, from *[]H) []H {
	h.mu.Lock()
	defer h.mu.Unlock()
	return *from
}

// wants reports whether there is a function for an event.
func (h *handlers) wants(event string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.anyEvent) > 0 ||
		slices.ContainsFunc(h.events, func(e eventHandler) bool { return e.event == event })
}

// guarded calls the application and turns a panic into an error.
func guarded(call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return call()
}

// errorReply is what the server is answered after an error.
func errorReply(err error) domain.Value {
	text := "internal error"
	if forServer, ok := errors.AsType[*ReplyError](err); ok {
		text = forServer.Message
	} else if arguments, ok := errors.AsType[*ArgumentError](err); ok {
		text = arguments.Error()
	}
	v, _ := payload.Marshal(struct {
		Error string `json:"error"`
	}{text}) // a string can always be marshalled
	return v
}
