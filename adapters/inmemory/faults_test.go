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

func TestAnswerDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, inmemory.Config{})
		m, other := c.Member(), c.Member()
		n := tail(t, m, "")
		m.Faults().NextAppends(
			inmemory.AppendFault{AnswerDelay: time.Second},
			inmemory.AppendFault{AnswerDelay: time.Minute},
			inmemory.AppendFault{AnswerDelay: time.Second, Outcome: inmemory.AppendRepeated},
		)
		start := time.Now()
		if at := appendAll(t, m, "read before its answer"); at != "1:1" || time.Since(start) != time.Second {
			t.Errorf("the append was answered with %q after %v", at, time.Since(start))
		}
		_, err := m.Log().Append(t.Context(), message("no answer"))
		if !errors.Is(err, domain.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an answer later than the deadline: %v", err)
		}
		go func() {
			pass(500 * time.Millisecond)
			appendAll(t, other, "between")
		}()
		if at := appendAll(t, m, "twice"); at != "1:5" {
			t.Errorf("a repeated append was answered with %q", at)
		}
		synctest.Wait()
		want(t, "the tail", n.take(), []string{
			"1:1 read before its answer #1 skipped 0", "1:2 no answer #2 skipped 0",
			"1:3 twice #3 skipped 0", "1:4 between #1 skipped 0", "1:5 twice #3 skipped 0",
		})

		m.Faults().NextAppends(inmemory.AppendFault{AnswerDelay: time.Second})
		published := make(chan error)
		go func() {
			_, err := m.Log().Append(t.Context(), message("closed"))
			published <- err
		}()
		synctest.Wait()
		_ = m.Close()
		if err := <-published; !errors.Is(err, domain.ErrUnknown) || !errors.Is(err, domain.ErrClosed) {
			t.Errorf("the answer came to a closed member: %v", err)
		}
	})
}

func TestOnRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := newCluster(t, inmemory.Config{}).Member(), &notes{}
		m.Faults().OnRead(func(*domain.Entry) time.Duration { return time.Second })
		if _, err := m.Log().Tail(t.Context(), "", n); err != nil {
			t.Fatal(err)
		}
		appendAll(t, m, "one", "two", "three")
		pass(2500 * time.Millisecond)
		synctest.Wait()
		want(t, "the tail", n.take(), []string{"1:1 one #1 skipped 0", "1:2 two #2 skipped 0"})
		_ = m.Close() // does not wait for what is on its way
		want(t, "the tail", n.take(), nil)
	})
}

func TestFreeze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, inmemory.Config{})
		m, other := c.Member(), c.Member()
		n, heard := tail(t, m, ""), &notes{}
		listen(t, m, "a", heard)
		m.Faults().Freeze()
		appendAll(t, other, "one")
		if err := other.Channel().Send(t.Context(), "a", message("waits")); err != nil {
			t.Errorf("Send to a member that is frozen: %v", err)
		}
		errs := make(chan error)
		for _, timeout := range []time.Duration{time.Second, time.Minute} {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), timeout)
				defer cancel()
				_, err := m.Log().Append(ctx, message("mine"))
				errs <- err
			}()
		}
		pass(30 * time.Second)
		synctest.Wait()
		want(t, "the frozen tail", n.take(), nil)
		want(t, "the frozen listener", heard.take(), nil)
		select {
		case err := <-errs:
			t.Errorf("a call returned to a process that is stopped: %v", err)
		default:
		}
		m.Faults().Thaw()
		if err := errors.Join(<-errs, <-errs); !errors.Is(err, domain.ErrNotPublished) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("of two appends: %v; want that the time of one was over", err)
		}
		synctest.Wait()
		want(t, "the tail", n.take(), []string{"1:1 one #1 skipped 0", "1:2 mine #1 skipped 0"})
		want(t, "the listener", heard.take(), []string{"waits"})

		m.Faults().OnRead(func(*domain.Entry) time.Duration { return time.Second })
		appendAll(t, other, "on its way")
		synctest.Wait()
		m.Faults().Freeze()
		pass(time.Minute)
		want(t, "the tail that was frozen meanwhile", n.take(), nil)
		m.Faults().Thaw()
		synctest.Wait()
		want(t, "the tail", n.take(), []string{"1:3 on its way #2 skipped 0"})
	})
}
