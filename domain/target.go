package domain

import (
	"slices"
	"time"
)

// Target says which sockets of a namespace are meant.
type Target struct {
	// Rooms are joined by "or": a socket in any of them is meant. Empty means every socket.
	Rooms []string
	// Except takes out every socket that is in one of these rooms.
	Except []string
	// Flags are the modifiers of the operation.
	Flags Flags
}

// Flags are the modifiers of an operation, as Socket.IO names them. The zero Flags has none set.
type Flags struct {
	// Volatile lets a packet be dropped where it cannot be sent at once. It is never replayed.
	Volatile bool
	// Local keeps the operation on the node where it was called; it is never published.
	Local bool
	// Compress asks for or forbids the compression of the packet.
	Compress Compression
	// Timeout is how long acks are waited for; zero where none was given. On the wire it counts milliseconds.
	Timeout time.Duration
	// ExpectSingleResponse marks an operation on one remote socket.
	ExpectSingleResponse bool
}

// Compression is a choice that can be left open.
type Compression uint8

// The three choices.
const (
	CompressByDefault Compression = iota
	CompressOn
	CompressOff
)

// Includes decides whether a socket that is in the given rooms is meant. A socket is always in the room of its own
// id.
func (t *Target) Includes(in func(room string) bool) bool {
	if len(t.Rooms) > 0 && !slices.ContainsFunc(t.Rooms, in) {
		return false
	}
	return !slices.ContainsFunc(t.Except, in)
}

// Everyone reports whether the target means every socket of the namespace.
func (t *Target) Everyone() bool { return len(t.Rooms) == 0 && len(t.Except) == 0 }
