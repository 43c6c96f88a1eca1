package domain

import "time"

// Event is something that the core wants seen. The types are *Gap, *Reset, *BadEntry, *TransportLost, *TransportFound and
// those of this file.
type Event interface{ isEvent() }

// Delivered says to how many of this node's sockets a message went: a broadcast, or a room operation that was performed on
// them. It comes with nearly every message, so it is no Event, for which there would be an allocation: ports.DeliveryObserver
// is told of it.
type Delivered struct {
	Namespace string
	Kind      Kind
	From      NodeID
	Offset    Offset // empty for what the node's own sockets had before it was appended
	Sockets   int
}

// Repeated says that an entry was read a second time and dropped.
type Repeated struct {
	Stream    string
	Offset    Offset
	Publisher PublisherID
	Sequence  uint64
}

// MemberChanged says that something happened to another node.
type MemberChanged struct {
	Namespace string
	Change    MemberChange
}

// Answered says that a node has answered a request of this one.
type Answered struct {
	Namespace string
	// Kind is the request's.
	Kind    Kind
	Request RequestID
	From    NodeID
	// Answer is what kind of answer it is. A node answers a broadcast with one AckClientCount, and then an Ack for each
	// of its sockets that has answered; every other request with one answer.
	Answer Kind
}

// RequestBegun says that a request of this node is about to be sent: what it asks, the other nodes that are asked by
// their ids, and how many more who have no name until they answer.
type RequestBegun struct {
	Namespace string
	Kind      Kind
	Request   RequestID
	Nodes     []NodeID
	Unnamed   int
}

// DrainBegun says that this node has begun to leave.
type DrainBegun struct{}

// DrainEnded says that this node has left, how long that took from DrainBegun on, and what went wrong.
type DrainEnded struct {
	Took time.Duration
	Err  error
}

// RequestDone says that a request of this node has ended. Err is nil or a *PartialError.
type RequestDone struct {
	Namespace string
	Kind      Kind
	Request   RequestID
	Answers   int
	Err       error
}

// Dropped says that the node gave something up: an answer that could not be sent, work that found its queue full.
type Dropped struct {
	Namespace string
	Kind      Kind
	Err       error
}

// RecoveryEnded says how a client's recovery ended, and how many packets were replayed to it.
type RecoveryEnded struct {
	Namespace string
	Socket    SocketID
	Recovery  Recovery
	Replayed  int
}

// SessionsFailed says that sessions could not be stored or deleted, or the node's lease not be renewed; Sessions is
// zero then. It is tried again.
type SessionsFailed struct {
	Sessions int
	Err      error
}

// LogTooShort says that a stream has begun to hold less than the recovery window: clients that are away for longer
// than it holds cannot recover. Enough says that it holds the window again.
type LogTooShort struct {
	Stream string
	Held   Held
	Window time.Duration
	Enough bool
}

// RecoveryMixed says that another node of a namespace keeps sessions where this one does not, or the other way round
// (Here). Clients that move between the two lose packets or get them twice. Node.js servers do not tell.
type RecoveryMixed struct {
	Namespace string
	Node      NodeID
	Here      bool
}

func (*Gap) isEvent()            {}
func (*Reset) isEvent()          {}
func (*BadEntry) isEvent()       {}
func (*TransportLost) isEvent()  {}
func (*TransportFound) isEvent() {}
func (*Repeated) isEvent()       {}
func (*MemberChanged) isEvent()  {}
func (*Answered) isEvent()       {}
func (*RequestDone) isEvent()    {}
func (*DrainBegun) isEvent()     {}
func (*DrainEnded) isEvent()     {}
func (*Dropped) isEvent()        {}
func (*RecoveryEnded) isEvent()  {}
func (*SessionsFailed) isEvent() {}
func (*LogTooShort) isEvent()    {}
func (*RecoveryMixed) isEvent()  {}
