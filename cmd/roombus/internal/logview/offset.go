package logview

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/roombus/roombus/domain"
)

// id is what an offset in a Redis stream is: milliseconds of the server's clock, and a number among those of the same
// millisecond.
func id(o domain.Offset) (ms, seq uint64, ok bool) {
	left, right, found := strings.Cut(string(o), "-")
	ms, err := strconv.ParseUint(left, 10, 64)
	if err != nil || !found {
		return 0, 0, false
	}
	seq, err = strconv.ParseUint(right, 10, 64)
	return ms, seq, err == nil
}

// IsOffset reports whether a text is an offset.
func IsOffset(s string) bool {
	_, _, ok := id(domain.Offset(s))
	return ok
}

// TimeOf is when the log stored the entry at an offset; zero where the offset is none.
func TimeOf(o domain.Offset) time.Time {
	ms, _, ok := id(o)
	if !ok {
		return time.Time{}
	}
	return time.UnixMilli(int64(min(ms, 1<<53))).UTC()
}

// OffsetAt is the first offset that an entry stored at a time, or later, can have.
func OffsetAt(t time.Time) domain.Offset {
	return domain.Offset(strconv.FormatInt(max(0, t.UnixMilli()), 10) + "-0")
}

// Before is the greatest offset before another one.
func Before(o domain.Offset) domain.Offset {
	ms, seq, ok := id(o)
	switch {
	case !ok || ms == 0 && seq == 0:
		return "0-0"
	case seq > 0:
		seq--
	default:
		ms, seq = ms-1, math.MaxUint64
	}
	return domain.Offset(strconv.FormatUint(ms, 10) + "-" + strconv.FormatUint(seq, 10))
}

// After is the least offset after another one.
func After(o domain.Offset) domain.Offset {
	ms, seq, _ := id(o)
	if seq == math.MaxUint64 {
		return domain.Offset(strconv.FormatUint(ms+1, 10) + "-0")
	}
	return domain.Offset(strconv.FormatUint(ms, 10) + "-" + strconv.FormatUint(seq+1, 10))
}

// Earlier is the first offset of so long before another one.
func Earlier(o domain.Offset, d time.Duration) domain.Offset {
	ms, _, _ := id(o)
	less := uint64(max(0, d.Milliseconds()))
	return domain.Offset(strconv.FormatUint(ms-min(ms, less), 10) + "-0")
}

// Compare orders two offsets, by the server's clock where they are of two streams; what is none comes first.
func Compare(a, b domain.Offset) int {
	aMs, aSeq, _ := id(a)
	bMs, bSeq, _ := id(b)
	return cmp.Or(cmp.Compare(aMs, bMs), cmp.Compare(aSeq, bSeq))
}
