package inmemory

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/roombus/roombus/domain"
)

// position is a place in the log: the epoch, counted from 1, and the number of an entry in it, counted from 1 through
// all streams. Number 0 is the beginning of the epoch. The zero position is before everything.
type position struct {
	epoch, number uint64
}

func (p position) offset() domain.Offset {
	text := make([]byte, 0, 24)
	text = strconv.AppendUint(text, p.epoch, 10)
	text = append(text, ':')
	return domain.Offset(strconv.AppendUint(text, p.number, 10))
}

func (p position) compare(q position) int {
	if c := cmp.Compare(p.epoch, q.epoch); c != 0 {
		return c
	}
	return cmp.Compare(p.number, q.number)
}

// parseOffset reads what offset has written. It takes that one spelling alone, so that two offsets that are equal as
// positions are equal as texts.
func parseOffset(o domain.Offset) (position, bool) {
	epoch, number, ok := strings.Cut(string(o), ":")
	if !ok {
		return position{}, false
	}
	var p position
	if p.epoch, ok = parseNumber(epoch); !ok || p.epoch == 0 {
		return position{}, false
	}
	if p.number, ok = parseNumber(number); !ok {
		return position{}, false
	}
	return p, true
}

func parseNumber(text string) (uint64, bool) {
	if text == "" || (text[0] == '0' && len(text) > 1) || text[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}

func epochName(epoch uint64) domain.Epoch {
	return domain.Epoch(strconv.FormatUint(epoch, 10))
}
