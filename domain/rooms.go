package domain

import (
	"iter"
	"slices"
)

// Rooms is the index of a namespace on one node: which socket is in which rooms, and which room has which sockets. S
// is whatever stands for a socket, best a pointer. A socket has no room of its own unless it was added with one.
//
// What a selection costs grows with the sockets that it finds, not with those that are connected. The order of
// sockets in a room is the order of joining, but for the last one, which takes the place of one that leaves.
//
// A Rooms may be read by many goroutines at once, but not while it is changed.
type Rooms[S comparable] struct {
	sockets map[S][]*room[S]
	all     members[S]
	rooms   map[string]*room[S]
}

type room[S comparable] struct {
	name string
	in   members[S]
}

// NewRooms returns an empty index.
func NewRooms[S comparable]() *Rooms[S] {
	return &Rooms[S]{sockets: make(map[S][]*room[S]), rooms: make(map[string]*room[S])}
}

// Add puts a socket into the index; until then it is in no room and is not selected.
func (r *Rooms[S]) Add(s S) {
	if _, ok := r.sockets[s]; ok {
		return
	}
	r.sockets[s] = nil
	r.all.add(s)
}

// Join puts a socket that was added into a room. It reports whether that changed anything, and whether the room is
// new.
func (r *Rooms[S]) Join(s S, name string) (joined, created bool) {
	of, ok := r.sockets[s]
	to, exists := r.rooms[name]
	if !ok || exists && slices.Contains(of, to) {
		return false, false
	}
	if !exists {
		to = &room[S]{name: name}
		r.rooms[name] = to
	}
	to.in.add(s)
	r.sockets[s] = append(of, to)
	return true, !exists
}

// Leave takes a socket out of a room. It reports whether that changed anything, and whether the room was its last
// socket's and is gone.
func (r *Rooms[S]) Leave(s S, name string) (left, deleted bool) {
	from, exists := r.rooms[name]
	if !exists {
		return false, false
	}
	of := r.sockets[s]
	i := slices.Index(of, from)
	if i < 0 {
		return false, false
	}
	r.sockets[s] = slices.Delete(of, i, i+1)
	return true, r.takeOut(from, s)
}

func (r *Rooms[S]) takeOut(from *room[S], s S) (deleted bool) {
	from.in.remove(s)
	if len(from.in.list) > 0 {
		return false
	}
	delete(r.rooms, from.name)
	return true
}

// Remove takes a socket out of the index and returns the rooms that it was in, and those of them that are gone.
func (r *Rooms[S]) Remove(s S) (left, deleted []string) {
	of, ok := r.sockets[s]
	if !ok {
		return nil, nil
	}
	delete(r.sockets, s)
	r.all.remove(s)
	for _, in := range of {
		left = append(left, in.name)
		if r.takeOut(in, s) {
			deleted = append(deleted, in.name)
		}
	}
	return left, deleted
}

// Of returns the rooms of a socket in the order in which it joined them.
func (r *Rooms[S]) Of(s S) []string {
	of := r.sockets[s]
	names := make([]string, len(of))
	for i, in := range of {
		names[i] = in.name
	}
	return names
}

// Count is the number of rooms that have a socket.
func (r *Rooms[S]) Count() int { return len(r.rooms) }

// In reports whether a socket is in a room.
func (r *Rooms[S]) In(s S, name string) bool {
	in, ok := r.rooms[name]
	return ok && slices.Contains(r.sockets[s], in)
}

// Len is the number of sockets.
func (r *Rooms[S]) Len() int { return len(r.all.list) }

// Size is the number of sockets in a room.
func (r *Rooms[S]) Size(name string) int {
	if in, ok := r.rooms[name]; ok {
		return len(in.in.list)
	}
	return 0
}

// Names yields the rooms that have a socket, in no order.
func (r *Rooms[S]) Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range r.rooms {
			if !yield(name) {
				return
			}
		}
	}
}

// Select yields every socket that the target means, each once. The index must not be changed meanwhile; it may be
// read, by other selections too.
func (r *Rooms[S]) Select(t *Target) iter.Seq[S] {
	return func(yield func(S) bool) {
		var out roomSet[S] // whose sockets are not, or no longer, to be yielded
		for _, name := range t.Except {
			if in, ok := r.rooms[name]; ok {
				out.add(in)
			}
		}
		if len(t.Rooms) == 0 {
			r.yieldFrom(&r.all, &out, yield)
			return
		}
		for _, name := range t.Rooms {
			in, ok := r.rooms[name]
			if !ok || out.has(in) {
				continue
			}
			if !r.yieldFrom(&in.in, &out, yield) {
				return
			}
			out.add(in)
		}
	}
}

// yieldFrom yields the sockets of one set that are in none of the rooms that are out.
func (r *Rooms[S]) yieldFrom(from *members[S], out *roomSet[S], yield func(S) bool) bool {
	for _, s := range from.list {
		if out.n > 0 && slices.ContainsFunc(r.sockets[s], out.has) {
			continue
		}
		if !yield(s) {
			return false
		}
	}
	return true
}

// roomSet is a set of rooms that costs nothing while it is small, as it mostly is.
type roomSet[S comparable] struct {
	n    int
	few  [8]*room[S]
	many map[*room[S]]struct{}
}

func (s *roomSet[S]) add(in *room[S]) {
	if s.n < len(s.few) {
		s.few[s.n] = in
	} else {
		if s.many == nil {
			s.many = make(map[*room[S]]struct{})
		}
		s.many[in] = struct{}{}
	}
	s.n++
}

func (s *roomSet[S]) has(in *room[S]) bool {
	if slices.Contains(s.few[:min(s.n, len(s.few))], in) {
		return true
	}
	_, ok := s.many[in]
	return ok
}

// members is a set in a slice; it keeps an index only once it is too large to be searched.
type members[S comparable] struct {
	list []S
	at   map[S]int
}

const searchableMembers = 16

func (m *members[S]) add(s S) {
	m.list = append(m.list, s)
	switch {
	case m.at != nil:
		m.at[s] = len(m.list) - 1
	case len(m.list) > searchableMembers:
		m.at = make(map[S]int, len(m.list))
		for i, s := range m.list {
			m.at[s] = i
		}
	}
}

func (m *members[S]) remove(s S) {
	var i int
	if m.at != nil {
		i = m.at[s]
		delete(m.at, s)
	} else {
		i = slices.Index(m.list, s)
	}
	last := len(m.list) - 1
	if i != last {
		m.list[i] = m.list[last]
		if m.at != nil {
			m.at[m.list[i]] = i
		}
	}
	var none S
	m.list[last] = none
	m.list = m.list[:last]
}
