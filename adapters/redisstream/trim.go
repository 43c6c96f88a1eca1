package redisstream

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/roombus/roombus/domain"
)

// NoTrimLimit as Config.TrimLimit lets one append remove any number of entries.
const NoTrimLimit = -1

// thresholdAt is where the threshold stands among the arguments of trimming.
const thresholdAt = 2

// trimming are the arguments of XADD that say what an append leaves of the stream. With a retention its threshold is
// none yet; see [Config.oldest].
func (c Config) trimming() []string {
	operator, strategy, threshold := "~", "maxlen", strconv.FormatInt(c.MaxLength, 10)
	if c.TrimExactly {
		operator = "="
	}
	if c.Retention > 0 {
		strategy, threshold = "minid", "0"
	}
	args := []string{strategy, operator, threshold}
	switch {
	case c.TrimLimit > 0:
		args = append(args, "limit", strconv.FormatInt(c.TrimLimit, 10))
	case c.TrimLimit == NoTrimLimit:
		args = append(args, "limit", "0")
	}
	return args
}

// oldest is the first id that a retention keeps. Its clock is the log's: the time of the last entry that is known.
// This process' own clock could be ahead, and would then take away what readers have not seen.
func (c Config) oldest(last domain.Offset) string {
	id, _ := parseID(last)
	age := uint64(c.Retention.Milliseconds())
	if id.ms <= age {
		return "0"
	}
	return entryID{ms: id.ms - age}.String()
}

func (c Config) checkTrimming() error {
	switch {
	case c.Retention > 0 && c.MaxLength > 0:
		return errors.New("both a maximum length and a retention: Redis trims by one of them; choose")
	case c.Retention < 0, c.Retention > 0 && c.Retention < time.Millisecond:
		return fmt.Errorf("a retention of %s: it must be at least a millisecond", c.Retention)
	case c.TrimLimit < NoTrimLimit:
		return fmt.Errorf("a trim limit of %d: it must be positive, or NoTrimLimit", c.TrimLimit)
	case c.TrimExactly && c.TrimLimit != 0:
		return errors.New("a limit for exact trimming: Redis takes one for approximate trimming alone")
	}
	return nil
}
