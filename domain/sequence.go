package domain

import "time"

// Sequences watches the numbers of one stream's publishers: a number that was seen is a repeat and must be dropped, a
// number that was jumped over is a loss. What was written without numbers (by Node.js) is always fresh.
//
// The first number that is seen of a publisher is its base: what came before was before this reader's time.
type Sequences struct {
	publishers map[PublisherID]publisherState
	newest     time.Time
}

type publisherState struct {
	last uint64
	seen time.Time
}

// NewSequences returns a machine that has seen nothing.
func NewSequences() *Sequences {
	return &Sequences{publishers: make(map[PublisherID]publisherState)}
}

// Sighting is what a number says.
type Sighting struct {
	// Repeat says that the entry was seen before.
	Repeat bool
	// First and Last are the numbers that are missing before it; both zero when none is.
	First, Last uint64
}

// Lost is how many numbers are missing.
func (s Sighting) Lost() uint64 {
	if s.First == 0 {
		return 0
	}
	return s.Last - s.First + 1
}

// Observe takes the next entry's numbers and time. An entry without a time is as old as the newest before it.
func (s *Sequences) Observe(m *Message, at time.Time) Sighting {
	if at.After(s.newest) {
		s.newest = at
	}
	if m.Publisher == "" || m.Sequence == 0 {
		return Sighting{}
	}
	state, known := s.publishers[m.Publisher]
	// A repeat counts as a sign of life too: who retries once may retry again.
	s.publishers[m.Publisher] = publisherState{last: max(state.last, m.Sequence), seen: s.newest}
	if !known {
		return Sighting{}
	}
	if m.Sequence <= state.last {
		return Sighting{Repeat: true}
	}
	first, last := state.last+1, m.Sequence-1
	if m.Skipped >= m.Sequence-first {
		return Sighting{}
	}
	return Sighting{First: first, Last: last - m.Skipped}
}

// Forget drops the publishers whose last entry is older than the given time. It must lie so far back that no retry
// can still be under way: a publisher's deadline and more. Publishers whose entries had no time are kept.
func (s *Sequences) Forget(before time.Time) {
	for id, state := range s.publishers {
		if !state.seen.IsZero() && state.seen.Before(before) {
			delete(s.publishers, id)
		}
	}
}

// Len is the number of publishers that are watched.
func (s *Sequences) Len() int { return len(s.publishers) }
