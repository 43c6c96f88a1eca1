package socketio

import "github.com/roombus/roombus/adapters/socketio/engineio"

// Reason says why a socket was disconnected, in the words of Socket.IO
// (https://socket.io/docs/v4/server-socket-instance/#disconnect).
type Reason = engineio.Reason

// The reasons of a disconnect.
const (
	// ReasonClientDisconnect: the client has left the namespace.
	ReasonClientDisconnect Reason = "client namespace disconnect"
	// ReasonServerDisconnect: the server has put the socket out of the namespace.
	ReasonServerDisconnect Reason = "server namespace disconnect"
	// ReasonSuperseded: the client is back, with the same session, on another connection, here or on another node.
	ReasonSuperseded Reason = "session superseded"
	// ReasonServerShuttingDown: Server.Close was called.
	ReasonServerShuttingDown = engineio.ReasonServerShuttingDown
	// ReasonPingTimeout: the client did not answer a ping in time.
	ReasonPingTimeout = engineio.ReasonPingTimeout
	// ReasonTransportClose: the client closed the connection, or it broke.
	ReasonTransportClose = engineio.ReasonTransportClose
	// ReasonTransportError: the connection failed, or the client reads too slowly.
	ReasonTransportError = engineio.ReasonTransportError
	// ReasonParseError: the client sent something that is no packet.
	ReasonParseError = engineio.ReasonParseError
	// ReasonForcedClose: the server closed the connection.
	ReasonForcedClose = engineio.ReasonForcedClose
	// ReasonForcedServerClose: the server closed the connection because the client broke a rule; Socket.Err says which:
	// ErrConnectTimeout, ErrNotJoined, ErrJoinedTwice, ErrTooManySockets, ErrUnfinished, ErrConnectFlood,
	// ErrRateLimited.
	ReasonForcedServerClose = engineio.ReasonForcedServerClose
)
