package domain

import "time"

// LogClock tells the time that a reader may hold against others: how long they could have been heard and were not.
// Wall time would not do. A reader that was stopped, or cut off from the log, has heard nobody, and nobody was silent;
// and what it reads late happened when it was stored, not when it is read.
//
// So the clock advances with the entries' own times, and with the reader's time while it stands at the log's tail. It
// leaves out every pause, and it counts no moment twice: what the entries have told of the time since the reader last
// stood at the tail is not counted again when it stands there next. It never goes back. The two times may come from
// clocks that disagree, and either may be set while the reader runs: only differences count, and a clock that jumps
// is a pause.
//
// A LogClock is not safe for concurrent use.
type LogClock struct {
	step time.Duration
	now  time.Duration

	last  time.Time     // the newest entry's time
	since time.Duration // from that entry to the tail after it, by the reader's time

	tail     time.Time     // the reader's time when it last stood at the tail
	told     time.Duration // what the entries since then have told of the time since then
	standing bool          // whether no entry has come since then
	paused   bool          // whether a pause was left out, and no two notices were within a step since
}

// NewLogClock returns a clock that stands at zero. The step is the longest silence of the log's reader that is not
// taken for a pause: longer than the time between two [AtTail] notices, or the clock is slow, and shorter than what
// remains of a node's timeout after one heartbeat interval.
func NewLogClock(step time.Duration) *LogClock { return &LogClock{step: step} }

// Entry advances the clock to an entry stored at the given time and returns the clock's reading for it. An entry
// without a time happens now.
func (c *LogClock) Entry(stored time.Time) time.Duration {
	if stored.IsZero() {
		return c.now
	}
	if !c.last.IsZero() {
		if gap := stored.Sub(c.last) - c.since; gap > 0 {
			c.now += c.audible(gap, c.standing)
			c.told += gap
		}
	}
	if stored.After(c.last) {
		c.last, c.since = stored, 0
	}
	c.standing = false
	return c.now
}

// audible is how much counts of a time that was not counted before: all of it up to a step. More than a step at the
// tail is a pause of the reader or of the log, in which nobody could be heard; it counts nothing. But pauses are
// exceptions: when one follows another, the notices are merely too rare for the step. Then one step counts, so that
// the clock goes on. And so it does between two entries that are read one after the other, when nobody may have had
// anything to say, so that a long backlog shows who has fallen silent in it.
func (c *LogClock) audible(gap time.Duration, atTail bool) time.Duration {
	if gap <= c.step {
		return gap
	}
	if atTail && !c.paused {
		c.paused = true
		return 0
	}
	return c.step
}

// Tail advances the clock while the reader stands at the tail, by the reader's own time, and returns its reading.
func (c *LogClock) Tail(at time.Time) time.Duration {
	if !c.tail.IsZero() {
		passed := at.Sub(c.tail)
		untold := max(passed-c.told, 0)
		c.now += c.audible(untold, true)
		if passed <= c.step {
			c.paused = false
		}
		c.since += untold
	}
	c.tail, c.told, c.standing = at, 0, true
	return c.now
}

// Now is the clock's reading.
func (c *LogClock) Now() time.Duration { return c.now }
