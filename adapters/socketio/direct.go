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

// Emit sends an event to the client. It does not wait: the packet goes out behind all that this node has published so
// far, and no error means that it was handed over, not that it has arrived. ErrNotConnected says that the socket is not
// connected; an error that is a domain.ErrInvalidPayload that the arguments cannot be sent. They are what encoding/json
// can marshal; each []byte in them, at any depth, travels as binary.
func (o DirectOperator) Emit(ctx context.Context, event string, args ...any) error {
	p, err := payload.MarshalEvent(event, args...)
	if err != nil {
		return err
	}
	return o.emit(ctx, p, nil)
}

func (o DirectOperator) emit(ctx context.Context, p domain.Packet, ackID *uint64) error {
	if !o.s.Connected() {
		return ErrNotConnected
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	f := eventFrame(o.s.ns.name, p, ackID)
	o.s.ns.server.node.InOrder(o.s.ns.name, func(domain.Offset) { o.s.send(f, o.flags.Volatile) })
	return nil
}

// EmitWithAck sends an event to the client and waits for its answer: the first argument of the client's callback, the
// zero Value where there was none. [Decode] turns it into a Go value. ErrAckTimeout says that the time is over,
// ErrNotConnected that the socket is gone.
func (o DirectOperator) EmitWithAck(ctx context.Context, event string, args ...any) (domain.Value, error) {
	p, err := payload.MarshalEvent(event, args...)
	if err != nil {
		return domain.Value{}, err
	}
	type answer struct {
		value domain.Value
		err   error
	}
	answers := make(chan answer, 1)
	owed := newAck(o.s.ns.ackIDs.Add(1)-1, func(v domain.Value, err error) { answers <- answer{v, err} })
	if !o.s.acks.expect(owed) {
		return domain.Value{}, ErrNotConnected
	}
	defer o.s.acks.take(owed.id)
	if err := o.emit(ctx, p, &owed.id); err != nil {
		return domain.Value{}, err
	}
	var timeout <-chan time.Time
	if d := o.timeout(ctx); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case a := <-answers:
		return a.value, a.err
	case <-timeout:
		return domain.Value{}, ErrAckTimeout
	case <-ctx.Done():
		return domain.Value{}, context.Cause(ctx)
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
	return BroadcastOperator{ns: o.s.ns, target: domain.Target{Except: []string{string(o.s.id)}, Flags: o.flags}}
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

func (s *Socket) direct() DirectOperator { return DirectOperator{s: s} }
