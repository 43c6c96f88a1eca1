package engineio

import (
	"errors"
	"fmt"
)

// Reason says why a connection was closed, in the words that Socket.IO hands to
// its disconnect handlers.
type Reason string

// The reasons with which this package closes connections. Conn.Close accepts
// these and any other text.
const (
	// ReasonTransportClose: the client closed the connection, or it broke.
	ReasonTransportClose Reason = "transport close"
	// ReasonTransportError: the connection failed, or the client broke a rule
	// of HTTP, WebSocket or the heartbeat, or did not read what it was sent.
	ReasonTransportError Reason = "transport error"
	// ReasonPingTimeout: no pong came within PingTimeout.
	ReasonPingTimeout Reason = "ping timeout"
	// ReasonParseError: the client sent something that is no Engine.IO packet.
	ReasonParseError Reason = "parse error"
	// ReasonForcedClose: the server closed the connection.
	ReasonForcedClose Reason = "forced close"
	// ReasonForcedServerClose: the Socket.IO server closed the connection,
	// because the client did not join a namespace in time.
	ReasonForcedServerClose Reason = "forced server close"
	// ReasonServerShuttingDown: Server.Close was called.
	ReasonServerShuttingDown Reason = "server shutting down"
)

var (
	// ErrClosed is returned by Send on a connection that is closed or closing.
	ErrClosed = errors.New("engineio: the connection is closed")
	// ErrOverflow is returned by the Send that found the queue full, and is the
	// error with which the Receiver's Close is then called: the client does not
	// read as fast as it is sent to.
	ErrOverflow = errors.New("engineio: the client reads too slowly, its queue is full")
)

// The causes that the Receiver's Close gets where a client broke a rule or a
// limit; errors.Is tells them. Other errors are those of the network.
var (
	// ErrTooLarge: a POST or a message, compressed or not, of more than
	// MaxPayload.
	ErrTooLarge = errors.New("engineio: the client sent more than MaxPayload")
	// ErrFlood: more than 100 packets that are no messages (pings, pongs and
	// others) in a second, or in one POST, or as many empty fragments in one
	// message of a WebSocket.
	ErrFlood = errors.New("engineio: the client sent too many control packets")
	// ErrWebSocket: a breach of RFC 6455 or RFC 7692. The text says which.
	ErrWebSocket = errors.New("engineio: the client broke a rule of WebSocket")
	// ErrHeartbeatDirection: a ping; in version 4 only servers send them.
	ErrHeartbeatDirection = errors.New("engineio: the client sent a ping; in version 4 only servers do")
	// ErrPollOverlap: a second poll at the same time.
	ErrPollOverlap = errors.New("engineio: the client sent a second poll before the first was answered")
	// ErrPostOverlap: a second POST at the same time.
	ErrPostOverlap = errors.New("engineio: the client sent a second POST before the first was answered")
	// ErrPollLeft: the client gave up a poll.
	ErrPollLeft = errors.New("engineio: the client left before its poll was answered")
	// ErrBinaryPost: a POST in the binary form of version 3.
	ErrBinaryPost = errors.New("engineio: a POST with content type application/octet-stream; version 4 sends text")
	// ErrUnknownPacket: a packet of a type that does not exist, or not there.
	ErrUnknownPacket = errors.New("engineio: packet of an unknown type")
	// ErrBadBase64: a binary packet in a POST that is not base64.
	ErrBadBase64 = errors.New("engineio: binary packet that is not base64")
	// ErrBadUTF8: text that is not UTF-8.
	ErrBadUTF8 = errors.New("engineio: text that is not UTF-8")
)

// RefusalCode is the number that a refused request is answered with, as in
// engine.io of Node.js.
type RefusalCode int

// The codes of refused requests.
const (
	UnknownTransport           RefusalCode = 0
	UnknownSession             RefusalCode = 1
	BadHandshakeMethod         RefusalCode = 2
	BadRequest                 RefusalCode = 3
	Forbidden                  RefusalCode = 4
	UnsupportedProtocolVersion RefusalCode = 5
)

// Refusal says why a request was refused. The client gets Code and Message as
// JSON, with status 403 for code Forbidden and else 400; Detail and Err are for
// the server's own eyes.
type Refusal struct { //nolint:errname // it is what happened to a request; few handle it as an error
	Code    RefusalCode
	Message string
	// Detail says what was wrong with the request, such as the session id that
	// nobody knows. It may be empty.
	Detail string
	// Err is what Config.AllowRequest or the WebSocket handshake failed with;
	// else nil.
	Err error
}

// Error returns the message, the code and the detail in one line.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return fmt.Sprintf("%s (code %d)", r.Message, r.Code)
	}
	return fmt.Sprintf("%s (code %d): %s", r.Message, r.Code, r.Detail)
}

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }

// refuse makes a Refusal with the message that engine.io has for the code.
func refuse(code RefusalCode, detail string) *Refusal {
	messages := [...]string{
		UnknownTransport:           "Transport unknown",
		UnknownSession:             "Session ID unknown",
		BadHandshakeMethod:         "Bad handshake method",
		BadRequest:                 "Bad request",
		Forbidden:                  "Forbidden",
		UnsupportedProtocolVersion: "Unsupported protocol version",
	}
	return &Refusal{Code: code, Message: messages[code], Detail: detail}
}
