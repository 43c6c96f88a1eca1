package inmemory_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/domain"
)

func TestAppendOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCluster(t, inmemory.Config{}).Member()
		n := tail(t, m, "")
		m.Faults().NextAppends(
			inmemory.AppendFault{},
			inmemory.AppendFault{Outcome: inmemory.AppendRefused},
			inmemory.AppendFault{Outcome: inmemory.AppendLost},
			inmemory.AppendFault{},
			inmemory.AppendFault{Outcome: inmemory.AppendAnswerLost},
			inmemory.AppendFault{Outcome: inmemory.AppendRepeated},
		)
		for i, wanted := range []error{nil, domain.ErrNotPublished, domain.ErrUnknown, nil, domain.ErrUnknown, nil, nil} {
			at, err := m.Log().Append(t.Context(), message(fmt.Sprint("m", i)))
			if !errors.Is(err, wanted) || (wanted == nil) != (at != "") {
				t.Errorf("Append %d: %q, %v; want %v", i, at, err, wanted)
			}
		}
		synctest.Wait()
		want(t, "the tail", n.take(), []string{
			"1:1 m0 #1 skipped 0",
			"1:2 m3 #4 skipped 2",
			"1:3 m4 #5 skipped 0",
			"1:4 m5 #6 skipped 1", "1:5 m5 #6 skipped 1",
			"1:6 m6 #7 skipped 0",
		})
	})
}

// TestOutcomesExplainThemselves lets a receiver judge what publishers with faults leave in the log: it must see every
// repeat, and must see no loss where every missing message was answered with an error.
func TestOutcomesExplainThemselves(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(seed, 0))
		c := newCluster(t, inmemory.Config{MaxLength: -1})
		m := c.Member()
		m.Faults().OnAppend(func(*domain.Message) inmemory.AppendFault {
			return inmemory.AppendFault{
				Outcome: inmemory.AppendOutcome(random.IntN(int(inmemory.AppendRepeated) + 1)),
				Delay:   time.Duration(random.IntN(3)) * time.Millisecond,
			}
		})
		var stored []string
		for i := range 1000 {
			name := fmt.Sprint("m", i)
			if _, err := m.Log().Append(t.Context(), message(name)); err == nil {
				stored = append(stored, name)
			}
		}
		page, err := m.Log().Replay(t.Context(), "/", "", "", 10_000)
		if err != nil {
			t.Fatalf("Replay: %v", err)
		}
		sequences := domain.NewSequences()
		var seen []string
		repeats := 0
		for _, e := range page.Entries {
			sighting := sequences.Observe(&e.Message, e.Time)
			if sighting.Lost() > 0 {
				t.Errorf("at %s: %d messages seem lost, but every hole is an error", e.Offset, sighting.Lost())
			}
			if sighting.Repeat {
				repeats++
				continue
			}
			seen = append(seen, event(&e.Message))
		}
		for _, name := range stored {
			if !slices.Contains(seen, name) {
				t.Errorf("%s was published and is not there", name)
			}
		}
		slices.Sort(seen)
		if len(slices.Compact(seen)) != len(page.Entries)-repeats || repeats == 0 {
			t.Errorf("%d entries, %d repeats found, and not as many messages as are left", len(page.Entries), repeats)
		}
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCluster(t, inmemory.Config{}).Member()
		m.Faults().NextAppends(inmemory.AppendFault{Delay: 3 * time.Second}, inmemory.AppendFault{Delay: time.Minute})
		start := time.Now()
		appendAll(t, m, "late")
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("a delay of 3 s took %v", d)
		}
		start = time.Now()
		_, err := m.Log().Append(t.Context(), message("too late"))
		if d := time.Since(start); d != inmemory.DefaultTimeout || !errors.Is(err, domain.ErrNotPublished) ||
			!errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a delay past the deadline ended after %v with %v", d, err)
		}
	})
}

func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, inmemory.Config{})
		m, other := c.Member(), c.Member()
		n, heard := tail(t, m, ""), &notes{}
		listen(t, m, "a", heard)
		m.Faults().Cut()
		appendAll(t, other, "one", "two")
		if err := other.Channel().Send(t.Context(), "", message("lost")); err != nil {
			t.Errorf("Send to a member that is cut off: %v", err)
		}

		start := time.Now()
		_, err := m.Log().Append(t.Context(), message("never"))
		if d := time.Since(start); d != inmemory.DefaultTimeout || !errors.Is(err, domain.ErrNotPublished) {
			t.Errorf("Append ended after %v with %v, want ErrNotPublished at the default deadline", d, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start = time.Now()
		if err := m.Channel().Send(ctx, "", message("never")); err == nil || time.Since(start) != time.Minute {
			t.Errorf("Send ended after %v with %v, want an error after its own minute", time.Since(start), err)
		}
		if _, err := m.Sessions().Claim(t.Context(), "id", "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Claim: %v, want the deadline", err)
		}
		want(t, "while it is cut off the tail", n.take(), nil)

		published := make(chan error)
		go func() {
			_, err := m.Log().Append(t.Context(), message("waited"))
			published <- err
		}()
		pass(4 * time.Second)
		m.Faults().Mend()
		if err := <-published; err != nil {
			t.Errorf("an append that could wait for the connection: %v", err)
		}
		synctest.Wait()
		want(t, "when it is mended the tail", n.take(), []string{
			"1:1 one #1 skipped 0", "1:2 two #2 skipped 0", "1:3 waited #1 skipped 0",
		})
		want(t, "the listener", heard.take(), nil)
	})
}

func TestClosingEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCluster(t, inmemory.Config{}).Member()
		m.Faults().Cut()
		published := make(chan error)
		go func() {
			_, err := m.Log().Append(t.Context(), message("never"))
			published <- err
		}()
		synctest.Wait()
		if err := m.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		if err := <-published; !errors.Is(err, domain.ErrClosed) || !errors.Is(err, domain.ErrNotPublished) {
			t.Errorf("Append: %v, want ErrNotPublished and ErrClosed", err)
		}
	})
}

func TestSendFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, inmemory.Config{})
		a, heard := c.Member(), &notes{}
		listen(t, c.Member(), "b", heard)
		a.Faults().OnSend(func(_ domain.NodeID, m *domain.Message) inmemory.SendFault {
			return inmemory.SendFault{Lost: event(m) == "lost", Delay: time.Second}
		})
		start := time.Now()
		for _, name := range []string{"one", "lost", "two"} {
			if err := a.Channel().Send(t.Context(), "b", message(name)); err != nil {
				t.Errorf("Send: %v", err)
			}
		}
		synctest.Wait()
		want(t, "the listener", heard.take(), []string{"one", "two"})
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("three delays of a second took %v", d)
		}
		a.Faults().OnSend(nil)
	})
}
