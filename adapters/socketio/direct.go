package socketio

import (
	"context"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// DirectOperator says how something is sent to one socket, or, after To and the like, to others but not to that one. It
// is an immutable value, made by a [Socket].
type DirectOperator struct {
	s     *Socket
	flags domain.Flags
	// direct keeps the packet out of the log.
	direct bool
}

// Volatile lets the packet be dropped where the client is not ready for it.
func (o DirectOperator) Volatile() DirectOperator {
	o.flags.Volatile = true
	return o
}

// Compress asks for, or forbids, the compression of the packet.
func (o DirectOperator) Compress(on bool) DirectOperator {
	o.flags.Compress = compression(on)
	return o
}

// Timeout is how long EmitWithAck waits for the answer. Default: the context's deadline, else Config.AckTimeout.
func (o DirectOperator) Timeout(d time.Duration) DirectOperator {
	o.flags.Timeout = d
	return o
}

// Direct keeps the packet out of the log when recovery is on: it goes to the client at once, and a client that comes back
// after a lost connection does not get it. Otherwise it changes nothing.
func (o DirectOperator) Direct() DirectOperator {
	o.direct = true
	return o
}

// Emit sends an event to the client; no error means that it was handed over, not that it has arrived. The arguments are
// what encoding/json can marshal; each []byte in them, at any depth, travels as binary. An error that is a
// domain.ErrInvalidPayload says that they cannot be sent, ErrNotConnected that the socket is not connected.
//
// When recovery is off, and with Volatile or Direct, it does not wait: the packet goes out behind all that this node has
// published so far. When recovery is on it goes through the log, so that a client gets it that comes back, and Emit
// returns when it is there; outcomes are those of BroadcastOperator.Emit. It may then be called for a client whose
// connection was lost, too.
func (o DirectOperator) Emit(ctx context.Context, event string, args ...any) error {
	p, err := payload.MarshalEvent(event, args...)
	if err != nil {
		return err
	}
	if !o.s.ns.recovers() || o.direct || o.flags.Volatile {
		return o.emit(ctx, p, nil)
	}
	if !o.s.reachable() {
		return ErrNotConnected
	}
	only := domain.Target{Rooms: []string{string(o.s.id)}, Flags: o.flags}
	_, err = o.s.ns.server.node.Broadcast(ctx, o.s.ns.name, only, p)
	return err
}

func (o DirectOperator) emit(ctx context.Context, p domain.Packet, ackID *uint64) error {
	if !o.s.Connected() {
		return ErrNotConnected
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ns := o.s.ns
	if ackID == nil && ns.recovers() {
		ns.server.node.InOrder(ns.name, func(at domain.Offset) {
			o.s.sendEvent(p, ns.frame(&domain.Delivery{Target: domain.Target{Flags: o.flags}, Packet: p, Cursor: at}), o.flags.Volatile)
		})
		return nil
	}
	f := eventFrame(ns.name, p, ackID, o.flags.Compress)
	ns.server.node.InOrder(ns.name, func(domain.Offset) { o.s.sendEvent(p, f, o.flags.Volatile) })
	return nil
}

// EmitWithAck sends an event to the client and waits for its answer: the first argument of the client's callback, the
// zero Value where there was none. [Decode] turns it into a Go value. ErrAckTimeout says that the time is over,
// ErrNotConnected that the socket is gone.
func (o DirectOperator) EmitWithAck(ctx context.Context, event string, args ...any) (domain.Value, error) {
	answer, err := o.EmitWithAckArgs(ctx, event, args...)
	return first(answer), err
}

// EmitWithAckArgs is EmitWithAck for a client that answers with several values: all arguments of its callback, none where
// there was none. [Decode2] turns two of them into Go values.
func (o DirectOperator) EmitWithAckArgs(ctx context.Context, event string, args ...any) ([]domain.Value, error) {
	p, err := payload.MarshalEvent(event, args...)
	if err != nil {
		return nil, err
	}
	type answer struct {
		args []domain.Value
		err  error
	}
	answers := make(chan answer, 1)
	owed := newAck(o.s.ns.ackIDs.Add(1)-1, func(args []domain.Value, err error) { answers <- answer{args, err} })
	if !o.s.acks.expect(owed) {
		return nil, ErrNotConnected
	}
	defer o.s.acks.take(owed.id)
	if err := o.emit(ctx, p, &owed.id); err != nil {
		return nil, err
	}
	var timeout <-chan time.Time
	if d := o.timeout(ctx); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case a := <-answers:
		return a.args, a.err
	case <-timeout:
		return nil, ErrAckTimeout
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// timeout is how long an answer is waited for; zero for as long as the context says.
func (o DirectOperator) timeout(ctx context.Context) time.Duration {
	if o.flags.Timeout > 0 {
		return o.flags.Timeout
	}
	if _, ok := ctx.Deadline(); ok {
		return 0
	}
	return o.s.ns.server.config.AckTimeout
}

// To begins an operation on the sockets that are in one of these rooms, but not on this one.
func (o DirectOperator) To(rooms ...string) BroadcastOperator { return o.Broadcast().To(rooms...) }

// In is To; it reads better before SocketsJoin and the like.
func (o DirectOperator) In(rooms ...string) BroadcastOperator { return o.Broadcast().In(rooms...) }

// Except begins an operation on all sockets but those that are in one of these rooms and this one.
func (o DirectOperator) Except(rooms ...string) BroadcastOperator {
	return o.Broadcast().Except(rooms...)
}

// Broadcast begins an operation on all sockets but this one.
func (o DirectOperator) Broadcast() BroadcastOperator {
	return BroadcastOperator{ns: o.s.ns, by: o.s, selection: selection{target: domain.Target{Except: []string{string(o.s.id)}, Flags: o.flags}}}
}

// Local begins an operation on the sockets of this node but this one.
func (o DirectOperator) Local() BroadcastOperator { return o.Broadcast().Local() }

// Emit sends an event to the client. See DirectOperator.Emit.
func (s *Socket) Emit(ctx context.Context, event string, args ...any) error {
	return s.direct().Emit(ctx, event, args...)
}

// EmitWithAck sends an event to the client and waits for its answer. See DirectOperator.EmitWithAck.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (domain.Value, error) {
	return s.direct().EmitWithAck(ctx, event, args...)
}

// EmitWithAckArgs sends an event to the client and waits for its answer of several values. See
// DirectOperator.EmitWithAckArgs.
func (s *Socket) EmitWithAckArgs(ctx context.Context, event string, args ...any) ([]domain.Value, error) {
	return s.direct().EmitWithAckArgs(ctx, event, args...)
}

// Volatile begins an emit to the client that may be dropped.
func (s *Socket) Volatile() DirectOperator { return s.direct().Volatile() }

// Compress begins an emit to the client that is, or is not, compressed.
func (s *Socket) Compress(on bool) DirectOperator { return s.direct().Compress(on) }

// Timeout begins an emit to the client whose answer is waited for so long.
func (s *Socket) Timeout(d time.Duration) DirectOperator { return s.direct().Timeout(d) }

// To begins an operation on the sockets that are in one of these rooms, but not on this one.
func (s *Socket) To(rooms ...string) BroadcastOperator { return s.direct().To(rooms...) }

// In is To; it reads better before SocketsJoin and the like.
func (s *Socket) In(rooms ...string) BroadcastOperator { return s.direct().In(rooms...) }

// Except begins an operation on all sockets but those that are in one of these rooms and this one.
func (s *Socket) Except(rooms ...string) BroadcastOperator { return s.direct().Except(rooms...) }

// Broadcast begins an operation on all sockets but this one.
func (s *Socket) Broadcast() BroadcastOperator { return s.direct().Broadcast() }

// Local begins an operation on the sockets of this node but this one.
func (s *Socket) Local() BroadcastOperator { return s.direct().Local() }

// Direct begins an emit to the client that does not go through the log. See DirectOperator.Direct.
func (s *Socket) Direct() DirectOperator { return s.direct().Direct() }

func (s *Socket) direct() DirectOperator { return DirectOperator{s: s} }
