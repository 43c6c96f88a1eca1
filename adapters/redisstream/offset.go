package redisstream

import (
	"cmp"
	"math"
	"strconv"
	"time"

	"github.com/roombus/roombus/domain"
)

// entryID is the id of a stream entry: milliseconds of the server's clock, and a number among those of the same
// millisecond. The zero entryID is before every entry.
type entryID struct{ ms, seq uint64 }

// parseID reads `digits-digits`; false for anything else.
func parseID[T ~string](text T) (entryID, bool) {
	ms, at, ok := leadingDigits(string(text), 0)
	if !ok || at == len(text) || text[at] != '-' {
		return entryID{}, false
	}
	seq, end, ok := leadingDigits(string(text), at+1)
	if !ok || end != len(text) {
		return entryID{}, false
	}
	return entryID{ms, seq}, true
}

// parseDigits is strconv.ParseUint without signs, underscores and the allocation of an error.
func parseDigits(text string) (uint64, bool) {
	n, end, ok := leadingDigits(text, 0)
	return n, ok && end == len(text)
}

// leadingDigits reads the number at a place, and where it ends; false where there is none, or one too large.
func leadingDigits(text string, at int) (n uint64, end int, ok bool) {
	const safe = 19 // so many digits are never too large
	for end = at; end < len(text) && end-at < safe; end++ {
		d := uint64(text[end] - '0')
		if d > 9 {
			return n, end, end > at
		}
		n = n*10 + d
	}
	if end == len(text) {
		return n, end, end > at
	}
	d := uint64(text[end] - '0')
	switch {
	case d > 9:
		return n, end, true
	case n > (math.MaxUint64-d)/10:
		return 0, end, false
	}
	n, end = n*10+d, end+1
	return n, end, end == len(text) || text[end] < '0' || text[end] > '9'
}

func (id entryID) compare(other entryID) int {
	if c := cmp.Compare(id.ms, other.ms); c != 0 {
		return c
	}
	return cmp.Compare(id.seq, other.seq)
}

// String is the id as Redis writes it.
func (id entryID) String() string {
	text := strconv.AppendUint(make([]byte, 0, 24), id.ms, 10)
	text = append(text, '-')
	return string(strconv.AppendUint(text, id.seq, 10))
}

// before is the greatest id that is less than id, which must not be the zero one.
func (id entryID) before() entryID {
	if id.seq > 0 {
		return entryID{id.ms, id.seq - 1}
	}
	return entryID{id.ms - 1, math.MaxUint64}
}

func (id entryID) offset() domain.Offset { return domain.Offset(id.String()) }

// time is when the server stored the entry.
func (id entryID) time() time.Time { return time.UnixMilli(int64(min(id.ms, 1<<53))).UTC() }

// compareOffsets orders two positions; what is none is before everything.
func compareOffsets(a, b domain.Offset) int {
	if a == b {
		return 0
	}
	x, _ := parseID(a)
	y, _ := parseID(b)
	return x.compare(y)
}
