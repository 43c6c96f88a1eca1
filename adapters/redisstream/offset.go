package redisstream

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/roombus/roombus/domain"
)

// entryID is the id of a stream entry: milliseconds of the server's clock, and a number among those of the same
// millisecond. The zero entryID is before every entry.
type entryID struct{ ms, seq uint64 }

// parseID reads `digits-digits`; false for anything else.
func parseID[T ~string](text T) (entryID, bool) {
	ms, seq, ok := strings.Cut(string(text), "-")
	if !ok {
		return entryID{}, false
	}
	var id entryID
	var okMs, okSeq bool
	id.ms, okMs = parseDigits(ms)
	id.seq, okSeq = parseDigits(seq)
	if !okMs || !okSeq {
		return entryID{}, false
	}
	return id, true
}

// parseDigits is strconv.ParseUint without signs, underscores and the allocation of an error.
func parseDigits(text string) (uint64, bool) {
	const maxDigits = 20
	if text == "" || len(text) > maxDigits {
		return 0, false
	}
	var n uint64
	for i := range len(text) {
		d := uint64(text[i] - '0')
		if d > 9 || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
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
	x, _ := parseID(a)
	y, _ := parseID(b)
	return x.compare(y)
}
