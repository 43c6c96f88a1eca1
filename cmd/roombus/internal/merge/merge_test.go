package merge_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/roombus/roombus/cmd/roombus/internal/merge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStreamsAreMergedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := merge.New(t.Context(), []string{"a", "b", "c"}, cmp.Compare[int])
		for _, item := range []int{1, 4, 9} {
			m.Put("a", item)
		}
		m.AtTail("a")
		m.Put("b", 2)
		m.Put("b", 3)
		m.AtTail("b")
		m.AtTail("c")
		var got []int
		for {
			item, done, err := m.Take(false)
			if err != nil {
				t.Fatal(err)
			}
			if done {
				break
			}
			got = append(got, item)
		}
		if want := []int{1, 2, 3, 4, 9}; !slices.Equal(got, want) {
			t.Errorf("took %v, want %v", got, want)
		}
	})
}

func TestAnItemWaitsForStreamsThatAreBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := merge.New(t.Context(), []string{"a", "b"}, cmp.Compare[int])
		take := func() (int, time.Duration) {
			began := time.Now()
			item, _, err := m.Take(true)
			if err != nil {
				t.Fatal(err)
			}
			return item, time.Since(began)
		}
		m.AtTail("b")
		m.Put("a", 5)
		go func() {
			time.Sleep(50 * time.Millisecond)
			m.Put("b", 3) // stored earlier, read later
		}()
		if item, _ := take(); item != 3 {
			t.Errorf("took %d first, want 3", item)
		}
		// b has said something and not yet that this was all.
		if item, waited := take(); item != 5 || waited < time.Second {
			t.Errorf("took %d after %s, want 5 when b has been silent for two seconds", item, waited)
		}
		m.AtTail("b")
		m.Put("a", 6)
		if item, waited := take(); item != 6 || waited > time.Second {
			t.Errorf("took %d after %s, want 6 soon: b holds nothing", item, waited)
		}
	})
}

func TestOneStreamIsNotHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := merge.New(t.Context(), []string{"a"}, cmp.Compare[int])
		m.Put("a", 1)
		began := time.Now()
		if item, _, err := m.Take(true); item != 1 || err != nil || time.Since(began) != 0 {
			t.Errorf("took %d, %v after %s", item, err, time.Since(began))
		}
	})
}

func TestWhoIsAheadWaitsAndEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		m := merge.New(ctx, []string{"a"}, cmp.Compare[int])
		ended := make(chan int)
		go func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				m.Put("a", n)
			}
			ended <- n
		}()
		synctest.Wait()
		for want := range 10 {
			if item, _, err := m.Take(true); item != want || err != nil {
				t.Errorf("took %d, %v; want %d", item, err, want)
			}
		}
		synctest.Wait()
		stop := errors.New("stop")
		cancel(stop)
		if n := <-ended; n > 2000 {
			t.Errorf("%d items were put while nobody took them", n)
		}
		for {
			if _, _, err := m.Take(true); err != nil {
				if !errors.Is(err, stop) {
					t.Errorf("it ended with %v, want the cause", err)
				}
				break
			}
		}
	})
}
