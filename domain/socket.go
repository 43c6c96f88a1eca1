package domain

import "time"

// SocketDetails describes a socket to other nodes: what fetchSockets returns.
type SocketDetails struct {
	ID        SocketID
	Handshake Handshake
	// Rooms are the rooms that the socket is in, its own among them.
	Rooms []string
	// Data is what the application keeps with the socket; the zero Value when there is none.
	Data Value
}

// Handshake is how a socket came to be: the request of its connection, and what the client said when it connected to
// the namespace.
type Handshake struct {
	// Headers and Query are those of the first HTTP request; header names in lower case, host among them.
	Headers, Query map[string][]string
	// Time is when the handshake was, Issued on the wire in milliseconds.
	Time time.Time
	// Address is the client's network address.
	Address string
	// URL is the request's target.
	URL string
	// CrossDomain (`xdomain`) says that the request had an Origin, Secure that the connection is encrypted.
	CrossDomain, Secure bool
	// Auth is the payload of the client's CONNECT packet; the zero Value when it sent none.
	Auth Value
}

// Delivery is a packet for the local sockets of a node.
type Delivery struct {
	Namespace string
	Target    Target
	Packet    Packet
	// Offset is the packet's place in the log, zero when it has none (local, volatile and acked packets): only a
	// packet with an offset can be recovered.
	Offset Offset
	// Cursor is how far the node had read when it delivered a packet that has no Offset.
	Cursor Offset
	// Ack is called with each socket's answer, once a socket, from any goroutine; nil when no acks are wanted.
	// Answers that come later than the target's timeout are dropped.
	Ack func(Value)
}
