package socketio

import (
	"context"
	"errors"
	"strings"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// publisher is what an Emitter publishes with: an *app.Emitter. Its methods do what those say.
type publisher interface {
	Broadcast(ctx context.Context, namespace string, t domain.Target, p domain.Packet) (domain.Offset, error)
	Operate(ctx context.Context, namespace string, op domain.RoomOperation) (domain.Offset, error)
	ServerSideEmit(ctx context.Context, namespace string, p domain.Packet) (domain.Offset, error)
}

// Emitter emits Go values to rooms of the cluster from a process that is no node of it: a job, a worker, an HTTP service.
// It has no sockets and reads nothing, so it cannot ask for acks or list sockets; everything that it does returns a
// position in the log or an error, as [BroadcastOperator.Emit] does. Like every operator it is an immutable value: each
// method returns another one, and each may be kept and used by many goroutines.
//
//	emitter, err := app.NewEmitter(transport.Log())
//	io, err := socketio.NewEmitter(emitter)
//	at, err := io.To("lobby").Emit(ctx, "news", story)
type Emitter struct {
	selection
	by        publisher
	namespace string
}

// NewEmitter returns an emitter for all sockets of the default namespace "/".
func NewEmitter(by publisher) (Emitter, error) {
	if by == nil {
		return Emitter{}, errors.New("socketio.NewEmitter: it needs an emitter of the cluster, which app.NewEmitter makes")
	}
	return Emitter{by: by, namespace: "/"}, nil
}

// Of begins with all sockets of another namespace. A leading slash may be missing.
func (e Emitter) Of(namespace string) Emitter {
	if !strings.HasPrefix(namespace, "/") {
		namespace = "/" + namespace
	}
	return Emitter{by: e.by, namespace: namespace}
}

// To limits the operation to sockets that are in one of these rooms, or of those named before.
func (e Emitter) To(rooms ...string) Emitter {
	e.selection = e.to(rooms)
	return e
}

// In is To; it reads better before SocketsJoin and the like.
func (e Emitter) In(rooms ...string) Emitter { return e.To(rooms...) }

// Except takes out the sockets that are in one of these rooms. A socket's id is a room of its own.
func (e Emitter) Except(rooms ...string) Emitter {
	e.selection = e.except(rooms)
	return e
}

// Volatile lets the packet be dropped where a client is not ready for it. It is never retried and never recovered.
func (e Emitter) Volatile() Emitter {
	e.selection = e.volatile()
	return e
}

// Compress asks for, or forbids, the compression of the packet. See engineio.Config for what is compressed.
func (e Emitter) Compress(on bool) Emitter {
	e.selection = e.compress(on)
	return e
}

// Emit sends an event. See [BroadcastOperator.Emit].
func (e Emitter) Emit(ctx context.Context, event string, args ...any) (domain.Offset, error) {
	p, err := e.packet(event, args)
	if err != nil {
		return "", err
	}
	return e.by.Broadcast(ctx, e.namespace, e.target, p)
}

// SocketsJoin makes the sockets that are meant join rooms, each when its node reads the order.
func (e Emitter) SocketsJoin(ctx context.Context, rooms ...string) (domain.Offset, error) {
	return e.operate(ctx, &domain.Join{Target: e.target, Rooms: rooms})
}

// SocketsLeave makes the sockets that are meant leave rooms, each when its node reads the order.
func (e Emitter) SocketsLeave(ctx context.Context, rooms ...string) (domain.Offset, error) {
	return e.operate(ctx, &domain.Leave{Target: e.target, Rooms: rooms})
}

// DisconnectSockets puts the sockets that are meant out of the namespace, and with closeConnections closes their
// clients' connections.
func (e Emitter) DisconnectSockets(ctx context.Context, closeConnections bool) (domain.Offset, error) {
	return e.operate(ctx, &domain.Disconnect{Target: e.target, Close: closeConnections})
}

func (e Emitter) operate(ctx context.Context, op domain.RoomOperation) (domain.Offset, error) {
	if err := e.check(); err != nil {
		return "", err
	}
	return e.by.Operate(ctx, e.namespace, op)
}

// ServerSideEmit sends an event to the application on every node of the namespace, where [OnServerSide] receives it.
func (e Emitter) ServerSideEmit(ctx context.Context, event string, args ...any) (domain.Offset, error) {
	p, err := payload.MarshalServerEvent(event, args...)
	if err != nil {
		return "", err
	}
	return e.by.ServerSideEmit(ctx, e.namespace, p)
}
