package domain

import (
	"slices"
	"time"
)

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
	// Data is what the application keeps with the socket.
	Data Value
	// Stays are the rooms, each with the part of the log in which the socket was in it. Rooms that it left are kept
	// for as long as a recovery could need them.
	Stays []Stay
	// Began is the position at which the session began: what is in the log before it was never for this client.
	Began Offset
	// AsOf is the position as of which the record is true: it knows all room changes up to there. A replay reaches
	// back to it, even where the client has seen more, so a record that is to be of use must not let it fall out of
	// the log.
	AsOf Offset
	// Epoch is the log's; positions of another one mean nothing.
	Epoch Epoch
	// KeepFor is how long a store keeps the record from its saving on.
	KeepFor time.Duration
}

// Stay says that a socket was in a room for every entry after From, up to and including Until. A zero From is "from
// the beginning", a zero Until is "still". Sessions that Node.js wrote have zero for both. A stay that ends where it
// began covers nothing and must be left out: at the beginning of a log, where the position is still the zero one, it
// would cover everything.
type Stay struct {
	Room  string
	From  Offset
	Until Offset
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

// CatchUp decides what a returning client has missed. It takes the namespace's entries after Start, in order, and
// evaluates each against the rooms that the socket was in at that entry's place: those of the session up to its AsOf,
// and from there on as the room operations in the log change them.
//
// The rooms of a session that Node.js wrote hold for every entry, as they do when Node.js recovers it; an order to
// disconnect counts all the same.
type CatchUp struct {
	compare func(a, b Offset) int
	session *Session
	start   Offset   // after which entries are looked at
	seen    Offset   // after which packets are missed, not before start
	rooms   []string // after AsOf; nil before
	past    bool     // whether AsOf is behind us
}

// NewCatchUp returns a machine for a session and the last offset that its client says to have seen. A client may say
// an offset of an older session; the session's beginning is the earliest that counts. What is no offset counts as
// nothing seen; where the session has no beginning either it becomes the Start, and the log refuses it.
//
// A Node.js server's session has no beginning. When its client says no offset at all, nobody knows what it has missed:
// it must not be recovered.
func NewCatchUp(s *Session, seen Offset, compare func(a, b Offset) int) *CatchUp {
	c := &CatchUp{compare: compare, session: s, start: seen, seen: seen}
	if s.Revision > 0 && compare(s.AsOf, c.start) < 0 {
		c.start = s.AsOf
	}
	if compare(c.start, s.Began) < 0 {
		c.start = s.Began
	}
	return c
}

// Start is the position after which the replay begins. It lies before what the client has seen when the record is
// older than that: the room operations in between are not in the record, and an order to disconnect in between holds,
// whatever a client says to have seen.
func (c *CatchUp) Start() Offset { return c.start }

// Missed is what an entry means to the client.
type Missed uint8

// What an entry can mean to a returning client.
const (
	// MissedNothing: the entry was not for it.
	MissedNothing Missed = iota
	// MissedPacket: it was for it and must be delivered.
	MissedPacket
	// MissedDisconnect: the socket was ordered to disconnect; it must not come back.
	MissedDisconnect
)

// Next takes the next entry of the namespace.
func (c *CatchUp) Next(e *Entry) Missed {
	if c.compare(e.Offset, c.start) <= 0 {
		return MissedNothing
	}
	// What the record knows already has had its effect, an order to disconnect as well: there is a record.
	known := c.compare(e.Offset, c.session.AsOf) <= 0
	if !known && !c.past && c.session.Revision > 0 {
		c.past, c.rooms = true, c.roomsAt(c.session.AsOf)
	}
	switch b := e.Message.Body.(type) {
	case *Broadcast:
		if c.compare(e.Offset, c.seen) > 0 && b.replayed() && c.means(&b.Target, e.Offset) {
			return MissedPacket
		}
	case *Join:
		if c.past && c.means(&b.Target, e.Offset) {
			c.join(b.Rooms)
		}
	case *Leave:
		if c.past && c.means(&b.Target, e.Offset) {
			c.rooms = slices.DeleteFunc(c.rooms, func(room string) bool { return slices.Contains(b.Rooms, room) })
		}
	case *Disconnect:
		if !known && c.means(&b.Target, e.Offset) {
			return MissedDisconnect
		}
	}
	return MissedNothing
}

// replayed reports whether a broadcast is one that a returning client gets: not what nobody may wait for, and not
// what wants an answer that nobody waits for any more.
func (b *Broadcast) replayed() bool {
	return !b.Target.Flags.Volatile && b.Request == "" && b.AckID == nil
}

func (c *CatchUp) join(rooms []string) {
	for _, room := range rooms {
		if !slices.Contains(c.rooms, room) {
			c.rooms = append(c.rooms, room)
		}
	}
}

// Rooms are the rooms that the socket is in after the entries so far.
func (c *CatchUp) Rooms() []string {
	if c.past {
		return slices.Clone(c.rooms)
	}
	return c.roomsAt(c.session.AsOf)
}

func (c *CatchUp) means(t *Target, at Offset) bool {
	return t.Includes(func(room string) bool {
		if room == string(c.session.Socket) {
			return true
		}
		if c.past {
			return slices.Contains(c.rooms, room)
		}
		return slices.ContainsFunc(c.session.Stays, func(s Stay) bool { return s.Room == room && c.covers(s, at) })
	})
}

// covers decides whether the socket was in the room for the entry at a position.
func (c *CatchUp) covers(s Stay, at Offset) bool {
	return (s.From == "" || c.compare(at, s.From) > 0) && (s.Until == "" || c.compare(at, s.Until) <= 0)
}

// roomsAt are the rooms that the socket was in right after a position within the record.
func (c *CatchUp) roomsAt(at Offset) []string {
	var rooms []string
	for _, s := range c.session.Stays {
		in := (s.From == "" || c.compare(s.From, at) <= 0) && (s.Until == "" || c.compare(s.Until, at) > 0)
		if in && !slices.Contains(rooms, s.Room) {
			rooms = append(rooms, s.Room)
		}
	}
	return rooms
}
