package socketio

import (
	"context"
	"time"

	"github.com/roombus/roombus/domain"
)

// BroadcastOperator says which sockets are meant, step by step, and then does something with them on all nodes of the
// cluster. It is an immutable value: every method returns another one, and each may be kept and used many times. Made
// by a [Namespace] it means all sockets, made by a [Socket] all but that one.
type BroadcastOperator struct {
	selection
	ns *Namespace
	// by is the socket that has made it, nil for the server itself.
	by *Socket
}

// To limits the operation to sockets that are in one of these rooms, or of those named before. Every socket gets one
// packet, in however many of the rooms it is.
func (o BroadcastOperator) To(rooms ...string) BroadcastOperator {
	o.selection = o.to(rooms)
	return o
}

// In is To; it reads better before SocketsJoin and the like.
func (o BroadcastOperator) In(rooms ...string) BroadcastOperator { return o.To(rooms...) }

// Except takes out the sockets that are in one of these rooms. A socket's id is a room of its own.
func (o BroadcastOperator) Except(rooms ...string) BroadcastOperator {
	o.selection = o.except(rooms)
	return o
}

// Volatile lets the packet be dropped where a client is not ready for it. It is never retried and never recovered.
func (o BroadcastOperator) Volatile() BroadcastOperator {
	o.selection = o.volatile()
	return o
}

// Local limits the operation to the sockets of this node.
func (o BroadcastOperator) Local() BroadcastOperator {
	o.target.Flags.Local = true
	return o
}

// Compress asks for, or forbids, the compression of the packet. See engineio.Config for what is compressed.
func (o BroadcastOperator) Compress(on bool) BroadcastOperator {
	o.selection = o.compress(on)
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
	p, err := o.allowed(ctx, event, args)
	if err != nil {
		return "", err
	}
	return o.ns.server.node.Broadcast(ctx, o.ns.name, o.target, p)
}

// EmitWithAck sends an event and collects the answers of all the sockets that it reaches, in no order; an answer is the
// first argument of the client's callback, the zero Value where there was none. Where answers are missing after the
// timeout, those that came are returned with a *domain.PartialError. [Collect] turns the answers into Go values.
func (o BroadcastOperator) EmitWithAck(ctx context.Context, event string, args ...any) ([]domain.Value, error) {
	p, err := o.allowed(ctx, event, args)
	if err != nil {
		return nil, err
	}
	return o.ns.server.node.BroadcastWithAck(ctx, o.ns.name, o.target, p)
}

// allowed makes the packet of an event, if it may be emitted.
func (o BroadcastOperator) allowed(ctx context.Context, event string, args []any) (domain.Packet, error) {
	if err := o.check(); err != nil {
		return domain.Packet{}, err
	}
	if err := o.mayEmit(ctx, event); err != nil {
		return domain.Packet{}, err
	}
	return o.packet(event, args)
}

// FetchSockets lists the sockets that are meant. Where a node does not answer in time the sockets of the others are
// returned with a *domain.PartialError.
func (o BroadcastOperator) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	if err := o.check(); err != nil {
		return nil, err
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
	if err := o.check(); err != nil {
		return err
	}
	return o.ns.server.node.Operate(ctx, o.ns.name, op)
}
