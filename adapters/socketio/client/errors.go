package client

import (
	"errors"
	"fmt"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
)

var (
	// ErrNotConnected says that a socket is not connected: EmitWithAck returns it when the connection was lost while the
	// answer was outstanding (the server may have got the event or not), Connect when Disconnect was called meanwhile,
	// and every emit with Config.NoBuffer.
	ErrNotConnected = errors.New("client: the socket is not connected")
	// ErrAckTimeout says that the server did not acknowledge in time.
	ErrAckTimeout = errors.New("client: the server did not acknowledge in time")
	// ErrBufferFull says that no more can be emitted until the socket is connected. See Config.SendQueue.
	ErrBufferFull = errors.New("client: the socket is not connected, and the buffer for what is emitted meanwhile is full")
	// ErrTooLarge says that a packet is larger than what the server takes: it would end the connection. The error names
	// both sizes.
	ErrTooLarge = errors.New("client: the packet is larger than the server takes")
	// ErrGaveUp says that the server was not reached in Reconnection.Attempts attempts. It comes with the last error.
	ErrGaveUp = errors.New("client: gave up connecting")
	// ErrClosed says that the client was closed.
	ErrClosed = errors.New("client: the client is closed")
)

// ConnectError is a server's refusal of a namespace: Connect returns it, and the OnConnectError handlers get it. The
// client does not try again by itself.
type ConnectError struct {
	// Message is the server's text.
	Message string
	// Data is what came with it; the zero Value for nothing. Decode reads it.
	Data domain.Value
}

// Error returns the message.
func (e *ConnectError) Error() string { return "connection refused: " + e.Message }

// HandshakeError is a server's answer that is no WebSocket, to the request for one.
type HandshakeError struct {
	// Status is that of the HTTP response.
	Status int
	// Body is the beginning of the response's body. Engine.IO has a JSON object there with a code and a message.
	Body string
}

// Error names status and body.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("the server answered with status %d: %s", e.Status, e.Body)
}

// ReplyError is what a handler returns for an error whose text the server may see: the ack is answered with {"error":
// Message}. Of all other errors the server sees "internal error". Errors that wrap a ReplyError count as one; the server
// sees the inner text alone.
type ReplyError = handlers.PublicError

// ArgumentError says that the arguments of an event did not have the shape that the handler wants. The handler was not
// called. It names the argument, what was expected and what was found, and never quotes it.
type ArgumentError = handlers.ArgumentError

// PanicError says that a handler panicked. Its socket goes on. It has the panic's Value and the goroutine's Stack.
type PanicError = handlers.PanicError

// Failure is what Config.OnError is told.
type Failure struct {
	// Namespace is where it happened.
	Namespace string
	// Event is the event whose handler failed, or "connect", "disconnect" or "connect_error".
	Event string
	// Err is what a handler returned; or an *ArgumentError or a *PanicError.
	Err error
}
