package domain_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
)

// tick is something that a clock is told: an entry or the tail, at a second after noon.
type tick struct {
	tail bool
	at   float64
	want float64 // the reading, in seconds
}

func entry(at, want float64) tick { return tick{at: at, want: want} }
func tail(at, want float64) tick  { return tick{tail: true, at: at, want: want} }

func TestLogClock(t *testing.T) {
	for _, c := range []struct {
		name  string
		ticks []tick
	}{
		{"the tail counts", []tick{tail(0, 0), tail(1, 1), tail(2.5, 2.5)}},
		{"the first notice and the first entry only begin", []tick{tail(100, 0), entry(500, 0), tail(101, 1)}},
		{"entries count", []tick{entry(0, 0), entry(1, 1), entry(1, 1), entry(2.5, 2.5)}},
		{"no moment counts twice", []tick{
			tail(0, 0), entry(0.5, 0), entry(0.9, 0.4), tail(1, 1), entry(1.5, 1), tail(2, 2), entry(2.7, 2.2), tail(3, 3),
		}},
		{"a pause at the tail counts nothing", []tick{tail(0, 0), tail(1, 1), tail(16, 1), tail(17, 2)}},
		{"a pause before an entry counts nothing", []tick{
			entry(0, 0), tail(0, 0), tail(1, 1), entry(16, 1), tail(16, 1), tail(17, 2),
		}},
		{"notices that are too rare make the clock slow, not stand", []tick{
			tail(0, 0), tail(5, 0), tail(10, 2), tail(15, 4), tail(16, 5), tail(26, 5),
		}},
		{"and so do entries", []tick{
			tail(0, 0), entry(0, 0), entry(5, 2), tail(5, 2), entry(10, 2), tail(10, 2), entry(15, 4), tail(15, 4),
		}},
		{"a backlog counts by its own times", []tick{
			tail(0, 0), entry(0, 0), entry(1, 1), entry(2.5, 2.5), entry(4, 4), tail(60, 4), tail(61, 5), tail(62, 6),
		}},
		{"a quiet backlog counts a step at once", []tick{entry(0, 0), entry(5, 2), entry(10, 4), tail(11, 4)}},
		{"entries that are older count nothing", []tick{entry(10, 0), entry(5, 0), entry(11, 1)}},
		{"a log's clock that is set back leaves the tail's time", []tick{
			tail(0, 0), entry(0, 0), tail(1, 1), entry(-3600, 1), tail(2, 2), entry(-3599, 2), tail(3, 3),
		}},
		{"a log's clock that is set forward is a pause", []tick{
			tail(0, 0), entry(0, 0), tail(1, 1), entry(3600, 1), tail(2, 1), entry(3600.5, 1.5), tail(3, 2),
		}},
		{"a reader's clock that is set back is begun anew", []tick{
			tail(0, 0), tail(1, 1), tail(-3600, 1), tail(-3599, 2),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := domain.NewLogClock(2 * time.Second)
			for i, tick := range c.ticks {
				tell := clock.Entry
				if tick.tail {
					tell = clock.Tail
				}
				got := tell(noon.Add(seconds(tick.at)))
				if want := seconds(tick.want); got != want {
					t.Fatalf("step %d, %+v: the clock reads %v, want %v", i, tick, got, want)
				}
				if clock.Now() != got {
					t.Fatalf("step %d, %+v: Now is %v, want %v", i, tick, clock.Now(), got)
				}
			}
		})
	}
}

func TestLogClockEntryWithoutTimeIsNow(t *testing.T) {
	clock := domain.NewLogClock(2 * time.Second)
	clock.Tail(noon)
	clock.Tail(noon.Add(time.Second))
	if got := clock.Entry(time.Time{}); got != time.Second {
		t.Fatalf("an entry without a time reads %v, want 1s", got)
	}
	if got := clock.Tail(noon.Add(2 * time.Second)); got != 2*time.Second {
		t.Fatalf("after it the clock reads %v, want 2s", got)
	}
}

// TestLogClockAgainstTrueTime reads a log at random moments. The clock may leave time out, never add any; at a tail
// that is never left for longer than a step it is exact.
func TestLogClockAgainstTrueTime(t *testing.T) {
	const step = 2 * time.Second
	forSeeds(t, 200, func(t *testing.T, rnd *rand.Rand) {
		pauses := chance(rnd, 50)
		skew := time.Duration(rnd.Int64N(int64(time.Hour)))
		clock := domain.NewLogClock(step)
		clock.Tail(noon)
		clock.Entry(noon.Add(skew))
		var now, read, began time.Duration // true time since noon; of the last entry; of the clock
		for range 200 {
			began = clock.Now()
			stood := now
			now += time.Duration(rnd.Int64N(int64(step)))
			if pauses && chance(rnd, 10) {
				now += time.Duration(rnd.Int64N(int64(30 * time.Second)))
			}
			for range rnd.IntN(4) {
				read = max(read, stood)
				read += time.Duration(rnd.Int64N(int64(now-read) + 1))
				clock.Entry(noon.Add(skew + read))
			}
			clock.Tail(noon.Add(now))
			advanced := clock.Now() - began
			if advanced < 0 || advanced > now-stood {
				t.Fatalf("the clock advanced by %v in %v", advanced, now-stood)
			}
			if !pauses && clock.Now() != now {
				t.Fatalf("the clock reads %v after %v without a pause", clock.Now(), now)
			}
		}
	})
}

// TestLogClockDoesNotDrift has a log whose clock is faster or slower than the reader's, for a day.
func TestLogClockDoesNotDrift(t *testing.T) {
	for _, ppm := range []int{-1000, -100, 100, 1000} {
		clock := domain.NewLogClock(2 * time.Second)
		for s := range 24*3600 + 1 {
			now := time.Duration(s) * time.Second
			reading := clock.Tail(noon.Add(now))
			if s%5 != 0 {
				continue
			}
			stored := now + now*time.Duration(ppm)/1_000_000
			// It may lie anywhere until the next time at the tail, in a second.
			if heard := clock.Entry(noon.Add(stored)); heard < reading || heard > reading+1100*time.Millisecond {
				t.Fatalf("%d ppm, second %d: an entry that was just stored reads %v, the tail before it %v", ppm, s, heard, reading)
			}
		}
		if got, day := clock.Now(), 24*time.Hour; got < day || got > day+2*time.Minute {
			t.Fatalf("%d ppm: the clock reads %v after a day", ppm, got)
		}
	}
}
