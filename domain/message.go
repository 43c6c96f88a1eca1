package domain

// Kind is what a message asks or tells. The numbers are those of the wire (see docs/wire-format.md).
type Kind uint8

// The thirteen kinds.
const (
	KindInitialHeartbeat    Kind = 1
	KindHeartbeat           Kind = 2
	KindBroadcast           Kind = 3
	KindJoin                Kind = 4
	KindLeave               Kind = 5
	KindDisconnect          Kind = 6
	KindFetchSockets        Kind = 7
	KindFetchSocketsReply   Kind = 8
	KindServerSideEmit      Kind = 9
	KindServerSideEmitReply Kind = 10
	KindAckClientCount      Kind = 11
	KindAck                 Kind = 12
	KindGoodbye             Kind = 13
)

var kindNames = [...]string{
	KindInitialHeartbeat:    "initial heartbeat",
	KindHeartbeat:           "heartbeat",
	KindBroadcast:           "broadcast",
	KindJoin:                "join",
	KindLeave:               "leave",
	KindDisconnect:          "disconnect",
	KindFetchSockets:        "fetch sockets",
	KindFetchSocketsReply:   "fetch sockets reply",
	KindServerSideEmit:      "server-side emit",
	KindServerSideEmitReply: "server-side emit reply",
	KindAckClientCount:      "ack client count",
	KindAck:                 "ack",
	KindGoodbye:             "goodbye",
}

// Valid reports whether k is one of the thirteen.
func (k Kind) Valid() bool { return k >= KindInitialHeartbeat && k <= KindGoodbye }

// IsAnswer reports whether messages of the kind answer one node's request. They are for that node alone, although all may
// read them.
func (k Kind) IsAnswer() bool {
	switch k {
	case KindFetchSocketsReply, KindServerSideEmitReply, KindAckClientCount, KindAck:
		return true
	default:
		return false
	}
}

// String is the kind's name in lower case, "unknown kind" for a number that is none.
func (k Kind) String() string {
	if !k.Valid() {
		return "unknown kind"
	}
	return kindNames[k]
}

// Headers are small pairs of text that travel with a message and mean nothing to the core: the trace context above
// all. A Headers that was handed over is never changed.
type Headers map[string]string

// Message is what nodes say to each other: an envelope and one of the thirteen bodies. A message that was handed
// over is shared and never changed.
type Message struct {
	// Node is who says it.
	Node NodeID
	// Namespace is where it is said, with its leading slash.
	Namespace string
	// Publisher and Sequence number the messages that one publisher instance appended to one stream: 1, 2, 3 …
	// The log's publisher fills them in; both are zero on what Node.js wrote and on what did not pass the log.
	Publisher PublisherID
	Sequence  uint64
	// Skipped is how many numbers directly before Sequence were given up with an error: a hole of that size is no
	// loss. The log's publisher fills it in.
	Skipped uint64
	// After is the position of the last message that the sender had appended in this namespace before it sent this
	// one on the channel. A receiver handles it only when its own reading has come that far, so that a request
	// cannot overtake the room operations before it. Zero in the log, where the order says it.
	After Offset
	// Headers carry the trace context.
	Headers Headers
	// Body is what is said; never nil.
	Body Body
}

// Kind is the kind of the message's body.
func (m *Message) Kind() Kind { return m.Body.Kind() }

// Request is the request that the message makes or answers; empty when it does neither.
func (m *Message) Request() RequestID {
	switch b := m.Body.(type) {
	case *Broadcast:
		return b.Request
	case *FetchSockets:
		return b.Request
	case *FetchSocketsReply:
		return b.Request
	case *ServerSideEmit:
		return b.Request
	case *ServerSideEmitReply:
		return b.Request
	case *AckClientCount:
		return b.Request
	case *Ack:
		return b.Request
	default:
		return ""
	}
}

// Body is one of the thirteen bodies, each a pointer to a struct of this package.
type Body interface {
	// Kind is the number of the body on the wire.
	Kind() Kind
	isBody()
}

// InitialHeartbeat is a node's first word in a namespace: everybody answers with a Heartbeat.
type InitialHeartbeat struct{ Heartbeat }

// Heartbeat says that a node is alive in a namespace. Its fields are zero when a Node.js server sent it.
type Heartbeat struct {
	// Node describes the sender.
	Node NodeInfo
	// Draining announces that the node is about to leave: its sockets will come back elsewhere.
	Draining bool
	// Cursor is how far the node has read; publishers slow down for a peer that lags.
	Cursor Offset
}

// Broadcast sends a packet to the sockets that the target means.
type Broadcast struct {
	Target Target
	Packet Packet
	// Request is set when acks are wanted: every node answers with its AckClientCount, then with an Ack for each
	// socket that answers.
	Request RequestID
	// AckID is set on a direct emit with ack by a Node.js server that has recovery on: the id under which its own
	// socket answers. To everybody else it says that the packet is not to be replayed.
	AckID *uint64
}

// Join makes the sockets that the target means join rooms.
type Join struct {
	Target Target
	Rooms  []string
}

// Leave makes the sockets that the target means leave rooms.
type Leave struct {
	Target Target
	Rooms  []string
}

// Disconnect disconnects the sockets that the target means from the namespace, and with Close their connections.
type Disconnect struct {
	Target Target
	Close  bool
	// Superseded is set when a socket's client has come back elsewhere. It is the Claim of its session there, in
	// decimal: nodes drop the socket if its session has a smaller one, without a word to the client and without ending
	// the session, and change nothing else. Node.js servers don't know the field, and disconnect the socket.
	Superseded string
}

// FetchSockets asks every node for its sockets that the target means.
type FetchSockets struct {
	Target  Target
	Request RequestID
}

// FetchSocketsReply is one node's answer to FetchSockets.
type FetchSocketsReply struct {
	Request RequestID
	Sockets []SocketDetails
}

// ServerSideEmit hands an event to the application on every other node; with a Request each node answers.
type ServerSideEmit struct {
	Packet  Packet
	Request RequestID
}

// ServerSideEmitReply is one node's answer to ServerSideEmit. The value is the first argument of the answer, the
// zero Value when there was none.
type ServerSideEmitReply struct {
	Request RequestID
	Value   Value
}

// AckClientCount says to how many sockets a node delivered a broadcast that wants acks; every node says it exactly
// once, also when it is none.
type AckClientCount struct {
	Request RequestID
	Clients int
}

// Ack is one socket's answer to a broadcast that wants acks: the first argument of the client's callback, the zero
// Value when there was none.
type Ack struct {
	Request RequestID
	Value   Value
}

// Goodbye says that a node leaves a namespace. Nothing is published under its id there afterwards.
type Goodbye struct{}

// Kind is KindInitialHeartbeat.
func (*InitialHeartbeat) Kind() Kind { return KindInitialHeartbeat }

// Kind is KindHeartbeat.
func (*Heartbeat) Kind() Kind { return KindHeartbeat }

// Kind is KindBroadcast.
func (*Broadcast) Kind() Kind { return KindBroadcast }

// Kind is KindJoin.
func (*Join) Kind() Kind { return KindJoin }

// Kind is KindLeave.
func (*Leave) Kind() Kind { return KindLeave }

// Kind is KindDisconnect.
func (*Disconnect) Kind() Kind { return KindDisconnect }

// Kind is KindFetchSockets.
func (*FetchSockets) Kind() Kind { return KindFetchSockets }

// Kind is KindFetchSocketsReply.
func (*FetchSocketsReply) Kind() Kind { return KindFetchSocketsReply }

// Kind is KindServerSideEmit.
func (*ServerSideEmit) Kind() Kind { return KindServerSideEmit }

// Kind is KindServerSideEmitReply.
func (*ServerSideEmitReply) Kind() Kind { return KindServerSideEmitReply }

// Kind is KindAckClientCount.
func (*AckClientCount) Kind() Kind { return KindAckClientCount }

// Kind is KindAck.
func (*Ack) Kind() Kind { return KindAck }

// Kind is KindGoodbye.
func (*Goodbye) Kind() Kind { return KindGoodbye }

func (*Heartbeat) isBody()           {}
func (*Broadcast) isBody()           {}
func (*Join) isBody()                {}
func (*Leave) isBody()               {}
func (*Disconnect) isBody()          {}
func (*FetchSockets) isBody()        {}
func (*FetchSocketsReply) isBody()   {}
func (*ServerSideEmit) isBody()      {}
func (*ServerSideEmitReply) isBody() {}
func (*AckClientCount) isBody()      {}
func (*Ack) isBody()                 {}
func (*Goodbye) isBody()             {}

// RoomOperation is a body that changes sockets without delivering to them: *Join, *Leave or *Disconnect.
type RoomOperation interface {
	Body
	isRoomOperation()
}

func (*Join) isRoomOperation()       {}
func (*Leave) isRoomOperation()      {}
func (*Disconnect) isRoomOperation() {}
