package client

// Reason says why a socket was disconnected, in the words of the JavaScript client
// (https://socket.io/docs/v4/client-socket-instance/#disconnect).
type Reason string

// The reasons of a disconnect. After all but the first two the client comes back by itself.
const (
	// ReasonServerDisconnect: the server has put the socket out of the namespace.
	ReasonServerDisconnect Reason = "io server disconnect"
	// ReasonClientDisconnect: Socket.Disconnect or Client.Close was called.
	ReasonClientDisconnect Reason = "io client disconnect"
	// ReasonPingTimeout: the server has sent no ping for longer than it said it would.
	ReasonPingTimeout Reason = "ping timeout"
	// ReasonTransportClose: the server, or something between, has closed the connection.
	ReasonTransportClose Reason = "transport close"
	// ReasonTransportError: the connection has failed.
	ReasonTransportError Reason = "transport error"
	// ReasonParseError: the server has sent something that is no packet.
	ReasonParseError Reason = "parse error"
)
