package domain

// Greeting is what a client says when it wants to connect to a namespace. All of it is a stranger's word.
type Greeting struct {
	Namespace string
	// Auth is what the client has sent along; the zero Value for nothing.
	Auth Value
	// Header is a header of the request with which the connection began, empty for one that is not there.
	Header func(name string) string
}

// ClientCall is something that the application is called for because of a client.
type ClientCall struct {
	Kind      ClientCallKind
	Namespace string
	Socket    SocketID
	// Event is what the client has sent; the zero Packet where it is no ClientEvent.
	Event Packet
}

// ClientCallKind is for what of a client the application is called.
type ClientCallKind uint8

// The kinds.
const (
	// ClientConnect is a client that wants to connect: middleware and connect handlers.
	ClientConnect ClientCallKind = iota
	// ClientEvent is an event that a client has sent.
	ClientEvent
	// ClientDisconnect is a client that is gone: disconnect handlers.
	ClientDisconnect
)

// String is the kind in one word.
func (k ClientCallKind) String() string {
	switch k {
	case ClientConnect:
		return "connect"
	case ClientEvent:
		return "event"
	case ClientDisconnect:
		return "disconnect"
	default:
		return "unknown"
	}
}
