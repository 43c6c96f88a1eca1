package domain

import "slices"

// Stay says that a socket was in a room for every entry after From, up to and including Until. A zero From is "from
// the beginning", a zero Until is "still". Sessions that Node.js wrote have zero for both. A stay that ends where it
// began covers nothing and must be left out: at the beginning of a log, where the position is still the zero one, it
// would cover everything.
type Stay struct {
	Room  string
	From  Offset
	Until Offset
}

// covers decides whether the socket was in the room for the entry at a position.
func (s *Stay) covers(at Offset, compare func(a, b Offset) int) bool {
	return (s.From == "" || compare(at, s.From) > 0) && (s.Until == "" || compare(at, s.Until) <= 0)
}

// Stays are the rooms of one socket, each with its places in the log: those in which it is, and those that it has left
// for as long as a recovery could need them. The zero Stays is in no room. A Stays is not safe for concurrent use.
type Stays struct {
	list []Stay
	// open finds the stay that goes on in a room, where there are so many that looking through them takes longer.
	open map[string]int
}

// manyStays is how many stays are looked through without an index.
const manyStays = 16

// NewStays returns the stays of a record, which it does not keep. Of several that go on in one room it takes the first.
func NewStays(list []Stay) Stays {
	s := Stays{list: make([]Stay, 0, len(list))}
	for _, stay := range list {
		if stay.Until != "" || !s.Has(stay.Room) {
			s.add(stay)
		}
	}
	return s
}

func (s *Stays) add(stay Stay) {
	s.list = append(s.list, stay)
	switch {
	case len(s.list) <= manyStays:
	case s.open == nil:
		s.index()
	case stay.Until == "":
		s.open[stay.Room] = len(s.list) - 1
	}
}

func (s *Stays) index() {
	s.open = make(map[string]int, len(s.list))
	for i := range s.list {
		if s.list[i].Until == "" {
			s.open[s.list[i].Room] = i
		}
	}
}

// find is the place in the list of the stay that goes on in a room, -1 when there is none.
func (s *Stays) find(room string) int {
	if s.open != nil {
		if i, ok := s.open[room]; ok {
			return i
		}
		return -1
	}
	for i := range s.list {
		if s.list[i].Until == "" && s.list[i].Room == room {
			return i
		}
	}
	return -1
}

// Has reports whether the socket is in a room now.
func (s *Stays) Has(room string) bool { return s.find(room) >= 0 }

// Join says that the socket is in a room for everything after a position. It reports false when it was there already.
func (s *Stays) Join(room string, at Offset) bool {
	if s.Has(room) {
		return false
	}
	// Who comes back where it has left was never away.
	i := slices.IndexFunc(s.list, func(stay Stay) bool { return stay.Room == room && stay.Until == at && at != "" })
	if i >= 0 {
		s.list[i].Until = ""
		if s.open != nil {
			s.open[room] = i
		}
		return true
	}
	s.add(Stay{Room: room, From: at})
	return true
}

// Leave says that the socket is in a room for nothing after a position. It reports false when it was not there.
func (s *Stays) Leave(room string, at Offset) bool {
	i := s.find(room)
	if i < 0 {
		return false
	}
	if at == "" || s.list[i].From == at {
		s.remove(func(j int) bool { return i == j })
		return true
	}
	s.list[i].Until = at
	delete(s.open, room)
	return true
}

// Prune forgets the stays that ended at or before a position: nothing up to there will be replayed any more.
func (s *Stays) Prune(through Offset, compare func(a, b Offset) int) {
	s.remove(func(i int) bool {
		until := s.list[i].Until
		return until != "" && compare(until, through) <= 0
	})
}

// remove takes out the stays of which gone says so.
func (s *Stays) remove(gone func(i int) bool) {
	kept := 0
	for i := range s.list {
		if !gone(i) {
			s.list[kept] = s.list[i]
			kept++
		}
	}
	if kept == len(s.list) {
		return
	}
	clear(s.list[kept:])
	s.list = s.list[:kept]
	if s.open = nil; kept > manyStays {
		s.index()
	}
}

// Restart puts the stays that go on behind a position of a log that began anew, and forgets the others.
func (s *Stays) Restart(at Offset) {
	s.remove(func(i int) bool { return s.list[i].Until != "" })
	for i := range s.list {
		s.list[i].From = at
	}
}

// Rooms are the rooms in which the socket is now.
func (s *Stays) Rooms() []string {
	var rooms []string
	for i := range s.list {
		if s.list[i].Until == "" {
			rooms = append(rooms, s.list[i].Room)
		}
	}
	return rooms
}

// List is a copy of all stays, as a record keeps them.
func (s *Stays) List() []Stay { return slices.Clone(s.list) }

// had reports whether the socket was in a room for the entry at a position.
func (s *Stays) had(room string, at Offset, compare func(a, b Offset) int) bool {
	return slices.ContainsFunc(s.list, func(stay Stay) bool { return stay.Room == room && stay.covers(at, compare) })
}
