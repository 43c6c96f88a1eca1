package socketio

import (
	"context"

	"github.com/roombus/roombus/domain"
)

// RemoteSocket is a socket as FetchSockets describes it: what was true when its node answered, and a handle to do
// something with it, wherever it is. What is done to a socket that is gone meanwhile does nothing.
type RemoteSocket struct {
	ns      *Namespace
	details domain.SocketDetails
}

// ID is the socket's id.
func (r RemoteSocket) ID() domain.SocketID { return r.details.ID }

// Handshake is how the socket came to be.
func (r RemoteSocket) Handshake() domain.Handshake { return r.details.Handshake }

// Rooms are the rooms that the socket was in, its own among them.
func (r RemoteSocket) Rooms() []string { return r.details.Rooms }

// Details is the whole description, as the socket's node has sent it: with what annotators there have added to the data,
// and take out again of what [Data] returns.
func (r RemoteSocket) Details() domain.SocketDetails { return r.details }

func (r RemoteSocket) storedData() storedData {
	data := r.details.Data
	if a := r.ns.server.annotator.Load(); a != nil {
		data = (*a).Strip(data)
	}
	return storedData{encoded: data}
}

// Emit sends an event to the socket, through the log.
func (r RemoteSocket) Emit(ctx context.Context, event string, args ...any) (domain.Offset, error) {
	return r.only().Emit(ctx, event, args...)
}

// EmitWithAck sends an event to the socket and returns its answer: the first argument of the client's callback, the
// zero Value where there was none. [Decode] turns it into a Go value. The context's deadline bounds the wait, else the
// node's request timeout (5 s). ErrNotConnected says that there is no such socket any more.
func (r RemoteSocket) EmitWithAck(ctx context.Context, event string, args ...any) (domain.Value, error) {
	answers, err := r.only().EmitWithAck(ctx, event, args...)
	if len(answers) > 0 {
		return answers[0], nil
	}
	if err == nil {
		err = ErrNotConnected
	}
	return domain.Value{}, err
}

// Join makes the socket join rooms. It returns when the order is in the log.
func (r RemoteSocket) Join(ctx context.Context, rooms ...string) error {
	return r.only().SocketsJoin(ctx, rooms...)
}

// Leave makes the socket leave rooms. It returns when the order is in the log.
func (r RemoteSocket) Leave(ctx context.Context, rooms ...string) error {
	return r.only().SocketsLeave(ctx, rooms...)
}

// Disconnect puts the socket out of the namespace, and with closeConnection closes its client's connection. It returns
// when the order is in the log.
func (r RemoteSocket) Disconnect(ctx context.Context, closeConnection bool) error {
	return r.only().DisconnectSockets(ctx, closeConnection)
}

func (r RemoteSocket) only() BroadcastOperator {
	o := r.ns.To(string(r.details.ID))
	o.target.Flags.ExpectSingleResponse = true
	return o
}
