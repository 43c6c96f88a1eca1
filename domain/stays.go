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
// for as long as a recovery could need them, the latest of these if they are many. The zero Stays is in no room. A
// Stays is not safe for concurrent use.
type Stays struct {
	list []Stay
	// last finds the last stay in a room, where there are so many that looking through them takes longer.
	last map[string]int
	// ended is how many of them ended. Above limit it is looked which of these are too many; a zero limit is the least.
	ended, limit int
	whole        Offset
}

const (
	// manyStays is how many stays are looked through without an index.
	manyStays = 16
	// manyEnded is how many stays that ended are kept without asking for how long. Who goes in and out of rooms all the
	// time would make each of its records larger otherwise.
	manyEnded = 500
)

// NewStays returns the stays of a record, which it does not keep, and the position from which on they are complete. Of
// several that go on in one room it takes the first.
func NewStays(list []Stay, whole Offset) Stays {
	s := Stays{list: make([]Stay, 0, len(list)), whole: whole}
	for _, stay := range list {
		if stay.Until != "" || !s.Has(stay.Room) {
			s.add(stay)
		}
	}
	return s
}

func (s *Stays) add(stay Stay) {
	s.list = append(s.list, stay)
	if stay.Until != "" {
		s.ended++
	}
	switch {
	case len(s.list) <= manyStays:
	case s.last == nil:
		s.index()
	default:
		s.note(len(s.list) - 1)
	}
}

func (s *Stays) index() {
	s.last = make(map[string]int, len(s.list))
	for i := range s.list {
		s.note(i)
	}
}

// note takes the next stay into the index. In the records of others one that goes on need not be the last of its room.
func (s *Stays) note(i int) {
	if before, ok := s.last[s.list[i].Room]; !ok || s.list[before].Until != "" {
		s.last[s.list[i].Room] = i
	}
}

// find is the place in the list of the last stay in a room, which may have ended; -1 when there is none.
func (s *Stays) find(room string) int {
	if s.last != nil {
		if i, ok := s.last[room]; ok {
			return i
		}
		return -1
	}
	last := -1
	for i := range s.list {
		if s.list[i].Room == room {
			if last = i; s.list[i].Until == "" {
				break
			}
		}
	}
	return last
}

// Has reports whether the socket is in a room now.
func (s *Stays) Has(room string) bool {
	i := s.find(room)
	return i >= 0 && s.list[i].Until == ""
}

// Join says that the socket is in a room for everything after a position. It reports false when it was there already.
func (s *Stays) Join(room string, at Offset) bool {
	i := s.find(room)
	switch {
	case i < 0:
	case s.list[i].Until == "":
		return false
	case s.list[i].Until == at: // who comes back where it has left was never away
		s.list[i].Until = ""
		s.ended--
		return true
	}
	s.add(Stay{Room: room, From: at})
	return true
}

// Leave says that the socket is in a room for nothing after a position. It reports false when it was not there.
func (s *Stays) Leave(room string, at Offset) bool {
	i := s.find(room)
	if i < 0 || s.list[i].Until != "" {
		return false
	}
	switch {
	case at != "" && s.list[i].From != at:
		s.list[i].Until = at
		s.ended++
	case i == len(s.list)-1 && i >= manyStays: // the index need not be made anew
		s.list[i] = Stay{}
		s.list = s.list[:i]
		delete(s.last, room)
	default:
		s.remove(func(j int) bool { return i == j })
	}
	return true
}

// Prune forgets the stays that ended at or before a position: nothing up to there will be replayed any more.
func (s *Stays) Prune(through Offset, compare func(a, b Offset) int) {
	s.remove(func(i int) bool {
		until := s.list[i].Until
		return until != "" && compare(until, through) <= 0
	})
}

// Bound forgets those that ended first of the stays that ended, if these are too many. See Whole.
func (s *Stays) Bound(compare func(a, b Offset) int) {
	if s.ended <= max(s.limit, manyEnded) {
		return
	}
	ends := make([]Offset, 0, s.ended)
	for i := range s.list {
		if until := s.list[i].Until; until != "" {
			ends = append(ends, until)
		}
	}
	slices.SortFunc(ends, compare)
	// Who leaves many rooms at once is not forgotten for it: what ended at one place stays or goes together.
	through := Offset("")
	for i := len(ends) - manyEnded/2 - 1; i >= 0 && through == ""; i-- {
		if compare(ends[i], ends[len(ends)-manyEnded/2]) < 0 {
			through = ends[i]
		}
	}
	if through != "" {
		s.Prune(through, compare)
		if compare(through, s.whole) > 0 {
			s.whole = through
		}
	}
	s.limit = 2 * s.ended // looking through them is not free
}

// Whole is the position from which on the stays are complete; zero when they are from the beginning.
func (s *Stays) Whole() Offset { return s.whole }

// remove takes out the stays of which gone says so.
func (s *Stays) remove(gone func(i int) bool) {
	kept, ended := 0, 0
	for i := range s.list {
		if !gone(i) {
			s.list[kept] = s.list[i]
			if s.list[kept].Until != "" {
				ended++
			}
			kept++
		}
	}
	s.ended = ended
	if kept == len(s.list) {
		return
	}
	clear(s.list[kept:])
	s.list = s.list[:kept]
	if s.last = nil; kept > manyStays {
		s.index()
	}
}

// Restart puts the stays that go on behind a position of a log that began anew, and forgets the others.
func (s *Stays) Restart(at Offset) {
	s.remove(func(i int) bool { return s.list[i].Until != "" })
	s.whole = ""
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
