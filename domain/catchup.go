package domain

// CatchUp decides what a returning client has missed. It takes the namespace's entries after Start, in order, and
// evaluates each against the rooms that the socket was in at that entry's place: those of the session up to its AsOf,
// and from there on as the room operations in the log change them.
//
// The rooms of a session that Node.js wrote hold for every entry, as they do when Node.js recovers it; an order to
// disconnect counts all the same.
type CatchUp struct {
	compare func(a, b Offset) int
	session *Session
	start   Offset // after which entries are looked at
	seen    Offset // after which packets are missed, not before start
	stays   Stays
	// Entries come in order: once one is behind a position, all that follow are. Comparing each again would be most
	// of the work.
	begun, unseen, past bool // whether start, seen and the session's AsOf are behind us
}

// NewCatchUp returns a machine for a session and the last offset that its client says to have seen. A client may say
// an offset of an older session; the session's beginning is the earliest that counts. What is no offset counts as
// nothing seen; where the session has no beginning either it becomes the Start, and the log refuses it.
//
// A Node.js server's session has no beginning. When its client says no offset at all, nobody knows what it has missed:
// it must not be recovered.
func NewCatchUp(s *Session, seen Offset, compare func(a, b Offset) int) *CatchUp {
	c := &CatchUp{compare: compare, session: s, start: seen, seen: seen, stays: NewStays(s.Stays, s.Whole)}
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

// Whole reports whether it is known which rooms the socket was in for everything that is replayed. If not, the client
// must not be recovered.
func (c *CatchUp) Whole() bool {
	return c.session.Whole == "" || c.compare(c.session.Began, c.session.Whole) >= 0 ||
		c.compare(c.seen, c.session.Whole) >= 0
}

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
	if !c.begun {
		if c.compare(e.Offset, c.start) <= 0 {
			return MissedNothing
		}
		c.begun = true
	}
	// What the record knows already has had its effect, an order to disconnect as well: there is a record.
	c.past = c.past || c.compare(e.Offset, c.session.AsOf) > 0
	switch b := e.Message.Body.(type) {
	case *Broadcast:
		c.unseen = c.unseen || c.compare(e.Offset, c.seen) > 0
		if c.unseen && b.Replayed() && c.means(&b.Target, e.Offset) {
			return MissedPacket
		}
	case *Join:
		if c.changes(&b.Target, e.Offset) {
			for _, room := range b.Rooms {
				c.stays.Join(room, e.Offset)
			}
		}
	case *Leave:
		if c.changes(&b.Target, e.Offset) {
			for _, room := range b.Rooms {
				c.stays.Leave(room, e.Offset)
			}
		}
	case *Disconnect:
		// Where its client has come back since, there is a newer record.
		if c.past && b.Superseded == "" && c.means(&b.Target, e.Offset) {
			return MissedDisconnect
		}
	}
	return MissedNothing
}

// Replayed reports whether a returning client gets the broadcast: not what nobody may wait for, and not what wants an
// answer that nobody waits for any more.
func (b *Broadcast) Replayed() bool {
	return !b.Target.Flags.Volatile && b.Request == "" && b.AckID == nil
}

// changes reports whether a room operation changes the rooms.
func (c *CatchUp) changes(t *Target, at Offset) bool {
	return c.past && c.session.Revision > 0 && c.means(t, at)
}

func (c *CatchUp) means(t *Target, at Offset) bool {
	for _, room := range t.Except {
		if c.in(room, at) {
			return false
		}
	}
	for _, room := range t.Rooms {
		if c.in(room, at) {
			return true
		}
	}
	return len(t.Rooms) == 0
}

func (c *CatchUp) in(room string, at Offset) bool {
	switch {
	case room == string(c.session.Socket):
		return true
	case c.past:
		return c.stays.Has(room)
	default:
		return c.stays.had(room, at, c.compare)
	}
}

// Rooms are the rooms that the socket is in after the entries so far.
func (c *CatchUp) Rooms() []string { return c.stays.Rooms() }

// Session is the session after the entries so far: a copy that is true as of a position, up to which everything was
// given to Next. It can be recovered as well, by a client that is cut off again on its way. What the client has seen
// is not for it any more, so the session begins there.
func (c *CatchUp) Session(asOf Offset) *Session {
	s := *c.session
	s.Stays, s.Whole = c.stays.List(), c.stays.Whole()
	if c.compare(asOf, s.AsOf) > 0 {
		s.AsOf = asOf
	}
	if c.compare(c.seen, s.Began) > 0 {
		s.Began = c.seen
	}
	return &s
}
