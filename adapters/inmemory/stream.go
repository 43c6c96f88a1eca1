package inmemory

import (
	"sort"

	"github.com/roombus/roombus/domain"
)

// stream holds the newest entries of a stream. The cluster's lock guards it.
type stream struct {
	name string
	// born is the number of the cluster's newest entry when the stream was made: its own are all above.
	born uint64
	held []stored
	// trimmed counts the entries that are gone, in this epoch: the first held is the stream's entry of that index.
	trimmed uint64
	// lastTrimmed is the number of the newest entry that is gone.
	lastTrimmed uint64
}

// stored is an entry with its number in the cluster.
type stored struct {
	number uint64
	entry  *domain.Entry
}

func (s *stream) add(number uint64, e *domain.Entry, maxLength int) {
	s.held = append(s.held, stored{number, e})
	if maxLength > 0 {
		s.trim(maxLength)
	}
}

// trim removes the oldest entries until no more than keep are held.
func (s *stream) trim(keep int) {
	n := len(s.held) - keep
	if n <= 0 {
		return
	}
	s.lastTrimmed = s.held[n-1].number
	clear(s.held[:n]) // the array behind lives on
	s.held = s.held[n:]
	s.trimmed += uint64(n)
}

func (s *stream) reset() {
	s.held, s.born, s.trimmed, s.lastTrimmed = nil, 0, 0, 0
}

// length counts the entries ever stored in this epoch.
func (s *stream) length() uint64 { return s.trimmed + uint64(len(s.held)) }

// at is the entry of an index that is not trimmed.
func (s *stream) at(index uint64) stored { return s.held[index-s.trimmed] }

// after is the index of the first held entry whose number is above the given one.
func (s *stream) after(number uint64) uint64 {
	i := sort.Search(len(s.held), func(i int) bool { return s.held[i].number > number })
	return s.trimmed + uint64(i)
}

// gapAfter reports whether entries above a number are gone.
func (s *stream) gapAfter(number uint64) bool { return number < s.lastTrimmed }
