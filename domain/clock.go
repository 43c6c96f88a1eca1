package domain

import "time"

// LogClock tells the time that a reader may hold against others: how long they could have been heard and were not.
// Wall time would not do. A reader that was stopped, or cut off from the log, has heard nobody, and nobody was silent;
// and what it reads late happened when it was stored, not when it is read.
//
// So the clock advances with the entries' own times, and with the reader's time while it stands at the log's tail. It
// advances by no more than one step at once: a longer leap is a pause, of the reader or of the log.
type LogClock struct {
	step    time.Duration
	entries time.Duration // what the entries' times add up to
	now     time.Duration // never behind entries
	last    time.Time     // the newest entry's time
	tail    time.Time     // when the reader last stood at the tail
}

// NewLogClock returns a clock that stands at zero. The step must not be shorter than the pause between two
// [AtTail] notices.
func NewLogClock(step time.Duration) *LogClock { return &LogClock{step: step} }

// Entry advances the clock to an entry stored at the given time and returns the clock's reading for it. An entry
// without a time happens now.
func (c *LogClock) Entry(stored time.Time) time.Duration {
	if stored.IsZero() {
		return c.now
	}
	if !c.last.IsZero() && stored.After(c.last) {
		c.entries += min(stored.Sub(c.last), c.step)
	}
	if stored.After(c.last) {
		c.last = stored
	}
	c.now = max(c.now, c.entries)
	return c.entries
}

// Tail advances the clock while the reader stands at the tail, by the reader's own time, and returns its reading.
func (c *LogClock) Tail(at time.Time) time.Duration {
	if !c.tail.IsZero() && at.After(c.tail) {
		c.now += min(at.Sub(c.tail), c.step)
	}
	c.tail = at
	// Entries that come next are counted from here: the time until now is already in.
	c.entries = max(c.entries, c.now-c.step)
	return c.now
}

// Now is the clock's reading.
func (c *LogClock) Now() time.Duration { return c.now }
