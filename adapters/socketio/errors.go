package socketio

import (
	"errors"

	"github.com/roombus/roombus/internal/handlers"
)

var (
	// ErrNotConnected says that a socket is not connected: not yet, or no longer.
	ErrNotConnected = errors.New("socketio: the socket is not connected")
	// ErrAckTimeout says that a client did not acknowledge in time.
	ErrAckTimeout = errors.New("socketio: the client did not acknowledge in time")
	// ErrNoRooms is returned by whatever was limited to rooms with To or In without naming one. It would otherwise
	// mean everybody, as it does in Node.js; who wants that leaves To out.
	ErrNoRooms = errors.New("socketio: To or In was called without a room; leave it out to mean everybody")
	// ErrNoData says that a socket has no data.
	ErrNoData = errors.New("socketio: the socket has no data")
	// ErrConnectTimeout says that a client has joined no namespace within Config.ConnectTimeout. Its connection was closed,
	// as for all that follows, with ReasonForcedServerClose.
	ErrConnectTimeout = errors.New("socketio: the client has joined no namespace in time")
	// ErrNotJoined says that a client sent a packet for a namespace to which it is not connected.
	ErrNotJoined = errors.New("socketio: the client sent a packet for a namespace to which it is not connected")
	// ErrJoinedTwice says that a client connected to a namespace in which it has a socket.
	ErrJoinedTwice = errors.New("socketio: the client connected twice to a namespace")
	// ErrTooManySockets says that a client asked for one socket more than Config.MaxSockets allows.
	ErrTooManySockets = errors.New("socketio: the client asked for too many sockets")
	// ErrUnfinished says that a client asked for another socket while 100 of those that it has left, or that are being
	// connected, still had handlers at work.
	ErrUnfinished = errors.New("socketio: the client asked for another socket while too many of its sockets " +
		"still had handlers at work")
	// ErrForwardSignature says that a request claimed to have been passed on by another node of the cluster, and that no node
	// has signed it; see Config.Forward. It got 403.
	ErrForwardSignature = errors.New("socketio: a request that says another node has passed it on was refused")
	// ErrForwardFailed says that a request could not be passed on to the node that has its connection; see Config.Forward. It
	// was refused as if nobody had the connection, and the client begins a new one.
	ErrForwardFailed = errors.New("socketio: a request could not be passed on to the node that has its connection")
	// ErrUnknownEvent says that a client sent an event for which there is no handler.
	ErrUnknownEvent = errors.New("socketio: no handler for this event")
)

// ConnectError is what middleware returns to refuse a socket with words that the client sees: its "connect_error"
// event gets an Error with the message and the data. What other errors say is not for the client, which gets "internal
// error"; they go to Config.OnError.
type ConnectError struct {
	// Message is the text of the client's error.
	Message string
	// Data is its `data` property; nil for none. Any value that encoding/json can marshal.
	Data any
}

// Error returns the message.
func (e *ConnectError) Error() string { return e.Message }

// ClientError is what a handler returns for an error whose text the client may see: the ack is answered with
// {"error": Message}. Of all other errors the client sees "internal error". Errors that wrap a ClientError count as
// one; the client sees the inner text alone.
type ClientError = handlers.PublicError

// ArgumentError says that the arguments of an event did not have the shape that the handler wants. The handler was
// not called. It names the argument, what was expected and what was found, and never quotes it.
type ArgumentError = handlers.ArgumentError

// PanicError says that a handler panicked. Its socket goes on. It has the panic's Value and the goroutine's Stack.
type PanicError = handlers.PanicError

// Failure is what Config.OnError is told.
type Failure struct {
	// Namespace is where it happened.
	Namespace string
	// Socket is whose packet or connection it was; nil for a server-side emit and for a namespace as a whole.
	Socket *Socket
	// Event is the event whose handler failed, or "connect", "upgrade" or "disconnect"; "forward" for Config.Forward.
	Event string
	// Err is what a handler returned; or an *ArgumentError, a *PanicError, or ErrUnknownEvent.
	Err error
}

// publicText is what others may know of an error.
func publicText(err error) string {
	switch {
	case errors.Is(err, ErrUnknownEvent):
		return "unknown event"
	case errors.Is(err, ErrRateLimited):
		return "rate limit exceeded"
	default:
		return handlers.PublicText(err)
	}
}
