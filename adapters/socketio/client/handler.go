package client

import (
	"context"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
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
	s.reg.events.Add(event, func(ctx context.Context, p domain.Packet) (handlers.Reply, error) {
		return handlers.Tell1(p, func(a A) error { return handle(ctx, a) })
	})
}

// On0 is On for an event without arguments.
func On0(s *Socket, event string, handle func(ctx context.Context) error) {
	s.reg.events.Add(event, func(ctx context.Context, _ domain.Packet) (handlers.Reply, error) {
		return handlers.Reply{}, handle(ctx)
	})
}

// On2 is On for an event with two arguments.
func On2[A, B any](s *Socket, event string, handle func(ctx context.Context, a A, b B) error) {
	s.reg.events.Add(event, func(ctx context.Context, p domain.Packet) (handlers.Reply, error) {
		return handlers.Tell2(p, func(a A, b B) error { return handle(ctx, a, b) })
	})
}

// On3 is On for an event with three arguments.
func On3[A, B, C any](s *Socket, event string, handle func(ctx context.Context, a A, b B, c C) error) {
	s.reg.events.Add(event, func(ctx context.Context, p domain.Packet) (handlers.Reply, error) {
		return handlers.Tell3(p, func(a A, b B, c C) error { return handle(ctx, a, b, c) })
	})
}

// OnAck is On for an event to which the client replies: what the function returns, as encoding/json marshals it, is the
// server's answer; [Args] are several. A server that asked for no ack gets none. With several functions for an event the first reply counts.
func OnAck[A, R any](s *Socket, event string, handle func(ctx context.Context, arg A) (R, error)) {
	s.reg.events.Add(event, func(ctx context.Context, p domain.Packet) (handlers.Reply, error) {
		return handlers.Ask1(p, func(a A) (R, error) { return handle(ctx, a) })
	})
}

// OnAck0 is OnAck for an event without arguments.
func OnAck0[R any](s *Socket, event string, handle func(ctx context.Context) (R, error)) {
	s.reg.events.Add(event, func(ctx context.Context, _ domain.Packet) (handlers.Reply, error) {
		return handlers.Ask0(func() (R, error) { return handle(ctx) })
	})
}

// OnAck2 is OnAck for an event with two arguments.
func OnAck2[A, B, R any](s *Socket, event string, handle func(ctx context.Context, a A, b B) (R, error)) {
	s.reg.events.Add(event, func(ctx context.Context, p domain.Packet) (handlers.Reply, error) {
		return handlers.Ask2(p, func(a A, b B) (R, error) { return handle(ctx, a, b) })
	})
}

// OnAck3 is OnAck for an event with three arguments.
func OnAck3[A, B, C, R any](s *Socket, event string, handle func(ctx context.Context, a A, b B, c C) (R, error)) {
	s.reg.events.Add(event, func(ctx context.Context, p domain.Packet) (handlers.Reply, error) {
		return handlers.Ask3(p, func(a A, b B, c C) (R, error) { return handle(ctx, a, b, c) })
	})
}

// Args are several values in the place of one: a function given to [OnAck] that returns them answers with as many
// arguments.
type Args = handlers.Args

// Decode decodes the answer that EmitWithAck has returned, to be called around it:
//
//	name, err := client.Decode[string](s.EmitWithAck(ctx, "who are you"))
//
// An answer without a value decodes to the zero R.
func Decode[R any](answer domain.Value, err error) (R, error) { return handlers.Decode[R](answer, err) }

// registry holds the application's functions for a socket.
type registry struct {
	events       handlers.Named[eventHandler]
	anyEvent     handlers.List[func(context.Context, domain.Packet)]
	connect      handlers.List[func(context.Context) error]
	disconnect   handlers.List[func(context.Context, Reason, error)]
	connectError handlers.List[func(context.Context, error)]
}

// eventHandler is a function for the events of a name.
type eventHandler func(ctx context.Context, p domain.Packet) (handlers.Reply, error)

// wants reports whether there is a function for an event.
func (r *registry) wants(event string) bool {
	return len(r.anyEvent.All()) > 0 || len(r.events.Of(event)) > 0
}
