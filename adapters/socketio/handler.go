package socketio

import (
	"context"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
)

// On has a function called for each event of that name that a client sends, with the event's argument decoded into A as
// encoding/json does; []byte takes binary, at any depth; domain.Value and json.RawMessage take anything as it is, and a
// domain.Packet is the whole event, whatever its arguments.
//
// When the client has sent no such argument, or one of another shape, the function is not called: Config.OnError gets
// an *ArgumentError, and an ack that the client asked for is {"error": …} with what was wrong. Arguments beyond those
// that the function takes are ignored. With several functions for an event all are called, in the order of their
// registration.
//
// An ack that the client asked for is empty when the function has returned nil. After an error it is {"error":
// "internal error"}, and Config.OnError gets the error; after a *ClientError it is {"error": …} with its text. So it is
// after a panic, which costs nothing but the event. ctx ends when the socket is gone; see the package's documentation.
func On[A any](to Registrar, event string, handle func(ctx context.Context, s *Socket, arg A) error) {
	to.on(event, func(ctx context.Context, s *Socket, p domain.Packet) (handlers.Reply, error) {
		return handlers.Tell1(p, func(a A) error { return handle(ctx, s, a) })
	})
}

// On0 is On for an event without arguments.
func On0(to Registrar, event string, handle func(ctx context.Context, s *Socket) error) {
	to.on(event, func(ctx context.Context, s *Socket, _ domain.Packet) (handlers.Reply, error) {
		return handlers.Reply{}, handle(ctx, s)
	})
}

// On2 is On for an event with two arguments.
func On2[A, B any](to Registrar, event string, handle func(ctx context.Context, s *Socket, a A, b B) error) {
	to.on(event, func(ctx context.Context, s *Socket, p domain.Packet) (handlers.Reply, error) {
		return handlers.Tell2(p, func(a A, b B) error { return handle(ctx, s, a, b) })
	})
}

// On3 is On for an event with three arguments.
func On3[A, B, C any](to Registrar, event string, handle func(ctx context.Context, s *Socket, a A, b B, c C) error) {
	to.on(event, func(ctx context.Context, s *Socket, p domain.Packet) (handlers.Reply, error) {
		return handlers.Tell3(p, func(a A, b B, c C) error { return handle(ctx, s, a, b, c) })
	})
}

// OnAck is On for an event to which the server replies: what the function returns, as encoding/json marshals it, is the
// argument of the client's callback; [Args] are several. A client that asked for no ack gets none. With several functions
// for an event the first reply counts.
func OnAck[A, R any](to Registrar, event string, handle func(ctx context.Context, s *Socket, arg A) (R, error)) {
	to.on(event, func(ctx context.Context, s *Socket, p domain.Packet) (handlers.Reply, error) {
		return handlers.Ask1(p, func(a A) (R, error) { return handle(ctx, s, a) })
	})
}

// OnAck0 is OnAck for an event without arguments.
func OnAck0[R any](to Registrar, event string, handle func(ctx context.Context, s *Socket) (R, error)) {
	to.on(event, func(ctx context.Context, s *Socket, _ domain.Packet) (handlers.Reply, error) {
		return handlers.Ask0(func() (R, error) { return handle(ctx, s) })
	})
}

// OnAck2 is OnAck for an event with two arguments.
func OnAck2[A, B, R any](to Registrar, event string, handle func(ctx context.Context, s *Socket, a A, b B) (R, error)) {
	to.on(event, func(ctx context.Context, s *Socket, p domain.Packet) (handlers.Reply, error) {
		return handlers.Ask2(p, func(a A, b B) (R, error) { return handle(ctx, s, a, b) })
	})
}

// OnAck3 is OnAck for an event with three arguments.
func OnAck3[A, B, C, R any](
	to Registrar, event string, handle func(ctx context.Context, s *Socket, a A, b B, c C) (R, error),
) {
	to.on(event, func(ctx context.Context, s *Socket, p domain.Packet) (handlers.Reply, error) {
		return handlers.Ask3(p, func(a A, b B, c C) (R, error) { return handle(ctx, s, a, b, c) })
	})
}

// OnServerSide has a function called for each event of that name that another node sends with ServerSideEmit. The rules
// for arguments and errors are those of On. The functions of a node are called one at a time, in the order in which the
// events came.
func OnServerSide[A any](to Registrar, event string, handle func(ctx context.Context, arg A) error) {
	to.onServerSide(event, func(ctx context.Context, p domain.Packet) (handlers.Reply, error) {
		return handlers.Tell1(p, func(a A) error { return handle(ctx, a) })
	})
}

// OnServerSide0 is OnServerSide for an event without arguments.
func OnServerSide0(to Registrar, event string, handle func(ctx context.Context) error) {
	to.onServerSide(event, func(ctx context.Context, _ domain.Packet) (handlers.Reply, error) {
		return handlers.Reply{}, handle(ctx)
	})
}

// OnServerSide2 is OnServerSide for an event with two arguments.
func OnServerSide2[A, B any](to Registrar, event string, handle func(ctx context.Context, a A, b B) error) {
	to.onServerSide(event, func(ctx context.Context, p domain.Packet) (handlers.Reply, error) {
		return handlers.Tell2(p, func(a A, b B) error { return handle(ctx, a, b) })
	})
}

// OnServerSideAck is OnServerSide for an event that is answered: what the function returns is this node's answer to
// ServerSideEmitWithAck.
func OnServerSideAck[A, R any](to Registrar, event string, handle func(ctx context.Context, arg A) (R, error)) {
	to.onServerSide(event, func(ctx context.Context, p domain.Packet) (handlers.Reply, error) {
		return handlers.Ask1(p, func(a A) (R, error) { return handle(ctx, a) })
	})
}

// OnServerSideAck0 is OnServerSideAck for an event without arguments.
func OnServerSideAck0[R any](to Registrar, event string, handle func(ctx context.Context) (R, error)) {
	to.onServerSide(event, func(ctx context.Context, _ domain.Packet) (handlers.Reply, error) {
		return handlers.Ask0(func() (R, error) { return handle(ctx) })
	})
}

// OnServerSideAck2 is OnServerSideAck for an event with two arguments.
func OnServerSideAck2[A, B, R any](to Registrar, event string, handle func(ctx context.Context, a A, b B) (R, error)) {
	to.onServerSide(event, func(ctx context.Context, p domain.Packet) (handlers.Reply, error) {
		return handlers.Ask2(p, func(a A, b B) (R, error) { return handle(ctx, a, b) })
	})
}

// Args are several values in the place of one: a function given to [OnAck] that returns them calls the client's callback
// with as many arguments.
//
//	socketio.OnAck(io, "position", func(…) (socketio.Args, error) { return socketio.Args{x, y}, nil })
type Args = handlers.Args
