package inmemory_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/domain"
)

func want(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n  %s\nwant:\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestTrimmingIsExactAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, inmemory.Config{MaxLength: 100})
		writer, slow := c.Member(), c.Member()
		n := tail(t, slow, "")
		appendAll(t, writer, "first")
		synctest.Wait()
		slow.Faults().Hold()
		for i := range 50_000 {
			appendAll(t, writer, fmt.Sprint("m", i))
		}
		slow.Faults().Resume()
		synctest.Wait()
		got := n.take()
		want(t, "the tail", got[:3], []string{
			"1:1 first #1 skipped 0",
			"gap in memory of 49900 after 1:1 before 1:49902",
			"1:49902 m49900 #49902 skipped 0",
		})
		if len(got) != 102 {
			t.Errorf("the tail has %d lines, want an entry, a gap and the 100 entries that are held", len(got))
		}
	})
}

func TestDefaultLengthAndNoTrimming(t *testing.T) {
	for _, c := range []struct{ maxLength, want int }{{0, inmemory.DefaultMaxLength}, {-1, 10_005}, {3, 3}} {
		cluster := newCluster(t, inmemory.Config{MaxLength: c.maxLength})
		m := cluster.Member()
		for range 10_005 {
			appendAll(t, m, "x")
		}
		page, err := m.Log().Replay(t.Context(), "/", "", "", 20_000)
		if len(page.Entries) != c.want || !page.Done {
			t.Errorf("with a maximum of %d, %d entries are held, want %d", c.maxLength, len(page.Entries), c.want)
		}
		if whole := c.maxLength < 0; errors.Is(err, domain.ErrGap) == whole {
			t.Errorf("with a maximum of %d the replay from the beginning says %v", c.maxLength, err)
		}
	}
}

func TestTailStandsAtTheTailEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, inmemory.Config{})
		n, m := &notes{tails: true}, c.Member()
		if _, err := m.Log().Tail(t.Context(), "", n); err != nil {
			t.Fatalf("Tail: %v", err)
		}
		pass(2500 * time.Millisecond)
		synctest.Wait()
		want(t, "an empty log", n.take(), []string{"memory at tail 1:0", "memory at tail 1:0", "memory at tail 1:0"})
		appendAll(t, m, "a")
		synctest.Wait()
		want(t, "after an entry", n.take(), []string{"1:1 a #1 skipped 0", "memory at tail 1:1"})
		m.Faults().Hold()
		pass(time.Minute)
		synctest.Wait()
		want(t, "while it is held", n.take(), nil)
		m.Faults().Resume()
		synctest.Wait()
		want(t, "when it is released", n.take(), []string{"memory at tail 1:1"})
	})
}

func TestResetIsToldAtItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, inmemory.Config{})
		m := c.Member()
		n := tail(t, m, "")
		last := appendAll(t, m, "a", "b")
		synctest.Wait()
		c.Reset()
		appendAll(t, m, "c")
		synctest.Wait()
		want(t, "the tail", n.take(), []string{
			"1:1 a #1 skipped 0", "1:2 b #2 skipped 0",
			"reset of memory from 1 to 2 at 2:0",
			"2:1 c #3 skipped 0",
		})
		late := tail(t, m, last)
		synctest.Wait()
		want(t, "a tail from before", late.take(), []string{
			"reset of memory from 1 to 2 at 2:0", "2:1 c #3 skipped 0",
		})
		if m.Log().Compare(last, "2:1") >= 0 {
			t.Error("a position from before the reset is not before those after it")
		}
		for _, through := range []domain.Offset{"", "1:2", "2:1"} {
			_, err := m.Log().Replay(t.Context(), "/", "1:1", through, 0)
			if !errors.Is(err, domain.ErrGap) {
				t.Errorf("a replay from before the reset through %q: %v, want ErrGap", through, err)
			}
		}
		for _, never := range []domain.Offset{"1:3:", "2:2", "3:1"} {
			if _, err := m.Log().Replay(t.Context(), "/", never, "", 0); !errors.Is(err, domain.ErrBadOffset) {
				t.Errorf("a replay after %q: %v, want ErrBadOffset", never, err)
			}
		}
	})
}

func TestStreamsByNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, inmemory.Config{MaxLength: 3, StreamOf: func(namespace string) string { return "s" + namespace }})
		m := c.Member()
		n := tail(t, m, "")
		put := func(namespace string, names ...string) (at domain.Offset) {
			for _, name := range names {
				var err error
				if at, err = m.Log().Append(t.Context(), messageIn(namespace, name)); err != nil {
					t.Fatalf("Append: %v", err)
				}
			}
			return at
		}
		start := put("/a", "a1")
		put("/b", "b1", "b2")
		synctest.Wait()
		// Which of two streams comes first is not promised.
		got := n.take()
		slices.Sort(got)
		want(t, "both streams, each with its numbers", got, []string{
			"1:1 a1 #1 skipped 0", "1:2 b1 #1 skipped 0", "1:3 b2 #2 skipped 0",
		})
		put("/b", "b3", "b4")
		later := tail(t, m, start)
		synctest.Wait()
		want(t, "a position holds for all streams, and a stream that began behind it has lost an exact number",
			later.take(), []string{
				"gap in s/b of 1 after 1:1 before 1:3",
				"1:3 b2 #2 skipped 0", "1:4 b3 #3 skipped 0", "1:5 b4 #4 skipped 0",
			})
		put("/b", "b5")
		later = tail(t, m, "1:2")
		synctest.Wait()
		want(t, "inside of a stream among others the number is not known", later.take(), []string{
			"gap in s/b of 0 after 1:2 before 1:4",
			"1:4 b3 #3 skipped 0", "1:5 b4 #4 skipped 0", "1:6 b5 #5 skipped 0",
		})
	})
}

func TestClosedCluster(t *testing.T) {
	c := inmemory.New(inmemory.Config{})
	m := c.Member()
	tail(t, m, "")
	listen(t, m, "a", &notes{})
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	for _, m := range []*inmemory.Member{m, c.Member()} {
		_, err := m.Log().Append(t.Context(), message("late"))
		if !errors.Is(err, domain.ErrNotPublished) || !errors.Is(err, domain.ErrClosed) {
			t.Errorf("Append: %v", err)
		}
		if _, err = m.Log().Tail(t.Context(), "", &notes{}); !errors.Is(err, domain.ErrClosed) {
			t.Errorf("Tail: %v", err)
		}
		if _, err = m.Log().Replay(t.Context(), "/", "", "", 0); !errors.Is(err, domain.ErrClosed) {
			t.Errorf("Replay: %v", err)
		}
		if err = m.Channel().Send(t.Context(), "", message("late")); !errors.Is(err, domain.ErrClosed) {
			t.Errorf("Send: %v", err)
		}
		if _, err = m.Channel().Listen(t.Context(), "/", "a", &notes{}); !errors.Is(err, domain.ErrClosed) {
			t.Errorf("Listen: %v", err)
		}
		if _, err = m.Sessions().Claim(t.Context(), "id", "a"); !errors.Is(err, domain.ErrClosed) {
			t.Errorf("Claim: %v", err)
		}
	}
}

func TestMessageWithoutBody(t *testing.T) {
	m := newCluster(t, inmemory.Config{}).Member()
	if _, err := m.Log().Append(t.Context(), &domain.Message{Namespace: "/"}); !errors.Is(err, domain.ErrNotPublished) {
		t.Errorf("Append: %v, want ErrNotPublished", err)
	}
}

func BenchmarkAppend(b *testing.B) {
	m := inmemory.New(inmemory.Config{}).Member()
	msg := message("hello")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Log().Append(b.Context(), msg); err != nil {
			b.Fatal(err)
		}
	}
}
