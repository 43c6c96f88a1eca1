package socketio

import (
	"context"
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// BroadcastOperator says which sockets are meant, step by step, and then does something with them on all nodes of the
// cluster. It is an immutable value: every method returns another one, and each may be kept and used many times. Made
// by a [Namespace] it means all sockets, made by a [Socket] all but that one.
type BroadcastOperator struct {
	ns     *Namespace
	target domain.Target
	// noRooms says that To was called without rooms and there are none so far.
	noRooms bool
	// by is the socket that has made it, nil for the server itself.
	by *Socket
}

// To limits the operation to sockets that are in one of these rooms, or of those named before. Every socket gets one
// packet, in however many of the rooms it is.
func (o BroadcastOperator) To(rooms ...string) BroadcastOperator {
	o.target.Rooms = slices.Concat(o.target.Rooms, rooms)
	o.noRooms = len(o.target.Rooms) == 0
	return o
}

// In is To; it reads better before SocketsJoin and the like.
func (o BroadcastOperator) In(rooms ...string) BroadcastOperator { return o.To(rooms...) }

// Except takes out the sockets that are in one of these rooms. A socket's id is a room of its own.
func (o BroadcastOperator) Except(rooms ...string) BroadcastOperator {
	o.target.Except = slices.Concat(o.target.Except, rooms)
	return o
}

// Volatile lets the packet be dropped where a client is not ready for it. It is never retried and never recovered.
func (o BroadcastOperator) Volatile() BroadcastOperator {
	o.target.Flags.Volatile = true
	return o
}

// Local limits the operation to the sockets of this node.
func (o BroadcastOperator) Local() BroadcastOperator {
	o.target.Flags.Local = true
	return o
}

// Compress asks for, or forbids, the compression of the packet. See engineio.Config for what is compressed.
func (o BroadcastOperator) Compress(on bool) BroadcastOperator {
	o.target.Flags.Compress = compression(on)
	return o
}

// Timeout is how long EmitWithAck and FetchSockets wait for answers. Default: the context's deadline, else the node's
// request timeout (5 s).
func (o BroadcastOperator) Timeout(d time.Duration) BroadcastOperator {
	o.target.Flags.Timeout = d
	return o
}

// Emit sends an event. Without an error the log has it, at the position that is returned; domain.ErrNotPublished says
// that it will never arrive, domain.ErrUnknown that it was not learned in time whether it will. The position is empty
// with Local, which needs no log.
//
// The arguments are what encoding/json can marshal; each []byte in them, at any depth, travels as binary. An error that
// is a domain.ErrInvalidPayload says that they cannot be sent.
func (o BroadcastOperator) Emit(ctx context.Context, event string, args ...any) (domain.Offset, error) {
	p, err := o.packet(ctx, event, args)
	if err != nil {
		return "", err
	}
	return o.ns.server.node.Broadcast(ctx, o.ns.name, o.target, p)
}

// EmitWithAck sends an event and collects the answers of all the sockets that it reaches, in no order; an answer is the
// first argument of the client's callback, the zero Value where there was none. Where answers are missing after the
// timeout, those that came are returned with a *domain.PartialError. [Collect] turns the answers into Go values.
func (o BroadcastOperator) EmitWithAck(ctx context.Context, event string, args ...any) ([]domain.Value, error) {
	p, err := o.packet(ctx, event, args)
	if err != nil {
		return nil, err
	}
	return o.ns.server.node.BroadcastWithAck(ctx, o.ns.name, o.target, p)
}

// packet makes the packet of an event, if it may be emitted.
func (o BroadcastOperator) packet(ctx context.Context, event string, args []any) (domain.Packet, error) {
	if o.noRooms {
		return domain.Packet{}, ErrNoRooms
	}
	if err := o.mayEmit(ctx, event); err != nil {
		return domain.Packet{}, err
	}
	return payload.MarshalEvent(event, args...)
}

// FetchSockets lists the sockets that are meant. Where a node does not answer in time the sockets of the others are
// returned with a *domain.PartialError.
func (o BroadcastOperator) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	if o.noRooms {
		return nil, ErrNoRooms
	}
	details, err := o.ns.server.node.FetchSockets(ctx, o.ns.name, o.target)
	sockets := make([]RemoteSocket, len(details))
	for i := range details {
		sockets[i] = RemoteSocket{ns: o.ns, details: details[i]}
	}
	return sockets, err
}

// SocketsJoin makes the sockets that are meant join rooms. It returns when the order is in the log; the sockets join at
// that place in it.
func (o BroadcastOperator) SocketsJoin(ctx context.Context, rooms ...string) error {
	return o.operate(ctx, &domain.Join{Target: o.target, Rooms: rooms})
}

// SocketsLeave makes the sockets that are meant leave rooms. It returns when the order is in the log; the sockets leave
// at that place in it.
func (o BroadcastOperator) SocketsLeave(ctx context.Context, rooms ...string) error {
	return o.operate(ctx, &domain.Leave{Target: o.target, Rooms: rooms})
}

// DisconnectSockets puts the sockets that are meant out of the namespace, and with closeConnections closes their
// clients' connections, other namespaces included. It returns when the order is in the log.
func (o BroadcastOperator) DisconnectSockets(ctx context.Context, closeConnections bool) error {
	return o.operate(ctx, &domain.Disconnect{Target: o.target, Close: closeConnections})
}

func (o BroadcastOperator) operate(ctx context.Context, op domain.RoomOperation) error {
	if o.noRooms {
		return ErrNoRooms
	}
	return o.ns.server.node.Operate(ctx, o.ns.name, op)
}

func compression(on bool) domain.Compression {
	if on {
		return domain.CompressOn
	}
	return domain.CompressOff
}

// Collect decodes the answers that EmitWithAck or ServerSideEmitWithAck has returned, to be called around it:
//
//	votes, err := socketio.Collect[Vote](io.To(room).EmitWithAck(ctx, "vote", question))
//
// A partial result stays one: the answers that came are decoded and the error is passed on. An answer of another shape
// ends the decoding with an error.
func Collect[R any](answers []domain.Value, err error) ([]R, error) {
	decoded := make([]R, 0, len(answers))
	for _, answer := range answers {
		r, decodeErr := Decode[R](answer, nil)
		if decodeErr != nil {
			return decoded, decodeErr
		}
		decoded = append(decoded, r)
	}
	return decoded, err
}

// Decode decodes the answer that Socket.EmitWithAck has returned, to be called around it:
//
//	name, err := socketio.Decode[string](s.EmitWithAck(ctx, "who are you"))
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

// Decode2 decodes the answer that Socket.EmitWithAckArgs has returned, to be called around it:
//
//	x, y, err := socketio.Decode2[int, int](s.EmitWithAckArgs(ctx, "where are you"))
//
// What the client has left out decodes to a zero value, what is too much is ignored.
func Decode2[A, B any](answer []domain.Value, err error) (A, B, error) {
	var b B
	a, err := Decode[A](first(answer), err)
	if err != nil || len(answer) < 2 {
		return a, b, err
	}
	b, err = Decode[B](answer[1], nil)
	return a, b, err
}
