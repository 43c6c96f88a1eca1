package domain

import "time"

// Session is what a client needs that comes back after its connection was lost: who it was, where it was, and from
// when to when.
type Session struct {
	ID        SessionID
	Socket    SocketID
	Namespace string
	// Owner is the node that holds the socket, Revision counts the owner's saves from 1. It is zero in sessions
	// that Node.js wrote: they know no places in the log, and their rooms hold for the whole of a replay.
	Owner    NodeID
	Revision uint64
	// Claim grows with every taking over, so that what is left of an older hold of the session is known for it. It is
	// less than 2^53: others write numbers as floats.
	Claim uint64
	// Data is what the application keeps with the socket.
	Data Value
	// Stays are the rooms, each with the part of the log in which the socket was in it. Rooms that it left are kept
	// for as long as a recovery could need them.
	Stays []Stay
	// Whole is the position from which on Stays is complete, zero when it is so from Began on: of a socket that leaves
	// very many rooms only the last are kept. A client that has seen less cannot recover.
	Whole Offset
	// Began is the position at which the session began: what is in the log before it was never for this client.
	Began Offset
	// AsOf is the position as of which the record is true: it knows all room changes up to there. A replay reaches
	// back to it, even where the client has seen more, so a record that is to be of use must not let it fall out of
	// the log.
	AsOf Offset
	// Away says that the connection was lost at AsOf, or that the client is on its way back. Else the session is live
	// for as long as its owner's lease, and AsOf can be what the lease says.
	Away bool
	// Returning says, of a session that is away, that its client is on its way back on the owner's node. The save that
	// takes a session over says so.
	Returning bool
	// Epoch is the log's where it is known; positions of another one mean nothing.
	Epoch Epoch
	// KeepFor is how long a store keeps the record from its saving on.
	KeepFor time.Duration
}

// Outcome is how a recovery ended.
type Outcome uint8

// The outcomes. All but Recovered give the client a new session.
const (
	// Recovered: the client has its session and everything that it missed.
	Recovered Outcome = iota + 1
	// RecoveryGap: the log no longer holds everything that the client missed, or it is more than is replayed.
	RecoveryGap
	// RecoveryExpired: the session was kept for as long as it is kept.
	RecoveryExpired
	// RecoveryUnknown: no such session, or what the client says of it cannot be.
	RecoveryUnknown
	// RecoveryDisabled: this namespace keeps no sessions.
	RecoveryDisabled
)

// String is the outcome as a word.
func (o Outcome) String() string {
	switch o {
	case Recovered:
		return "recovered"
	case RecoveryGap:
		return "gap"
	case RecoveryExpired:
		return "expired"
	case RecoveryUnknown:
		return "unknown"
	case RecoveryDisabled:
		return "disabled"
	default:
		return "no recovery"
	}
}

// Recovery is an outcome with its reason in a few words.
type Recovery struct {
	Outcome Outcome
	Reason  string
}

// Lease says that a node lives, and with it all sessions that it holds: instead of refreshing each of them, a node
// renews its lease. A session that is not away counts as expired when its owner's lease is gone.
type Lease struct {
	Node NodeID
	// AsOf says of each stream up to which position all records of the node's live sessions are true.
	AsOf map[string]Offset
	// Lost are sessions that somebody has claimed and may give back as they were: of each the position up to which the
	// record was true when the node noticed. AsOf does not speak for them.
	Lost map[SessionID]Offset
	// KeepFor is how long a store keeps the lease from its saving on: as long as the node may be silent, and the
	// recovery window on top.
	KeepFor time.Duration
}
