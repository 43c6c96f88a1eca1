package socketio

import (
	"slices"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// selection says which sockets an operator means, and how what is sent to them is treated. It is a value: its methods
// return another one and share nothing with it that could be changed.
type selection struct {
	target domain.Target
	// noRooms says that rooms were asked for without naming one, and there are none so far.
	noRooms bool
}

func (s selection) to(rooms []string) selection {
	s.target.Rooms = slices.Concat(s.target.Rooms, rooms)
	s.noRooms = len(s.target.Rooms) == 0
	return s
}

func (s selection) except(rooms []string) selection {
	s.target.Except = slices.Concat(s.target.Except, rooms)
	return s
}

func (s selection) volatile() selection {
	s.target.Flags.Volatile = true
	return s
}

func (s selection) compress(on bool) selection {
	s.target.Flags.Compress = compression(on)
	return s
}

// check is ErrNoRooms where the sockets that are meant were not said.
func (s selection) check() error {
	if s.noRooms {
		return ErrNoRooms
	}
	return nil
}

// packet makes the packet of an event for the sockets that are meant.
func (s selection) packet(event string, args []any) (domain.Packet, error) {
	if s.noRooms {
		return domain.Packet{}, ErrNoRooms
	}
	return payload.MarshalEvent(event, args...)
}

func compression(on bool) domain.Compression {
	if on {
		return domain.CompressOn
	}
	return domain.CompressOff
}
