package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

func tailFromNowOn(t *testing.T, k *logKit) {
	log, r := k.log(), newReader()
	k.fill(t, "old 1", "old 2")
	k.tail(t, log, "", r)
	k.append(t, log, labelled("new"))
	if got := labels(r.entries(t, 1)); got[0] != "new" {
		t.Errorf("the tail began with %q, want what was appended after it", got)
	}
}

func tailAfterReturn(t *testing.T, k *logKit) {
	writer, log := k.log(), k.log()
	for i := range 20 {
		r := newReader()
		s, err := log.Tail(deadline(t), "", r)
		if err != nil {
			t.Fatalf("round %d: Tail: %v", i, err)
		}
		name := fmt.Sprint("round ", i)
		k.append(t, writer, labelled(name))
		if got := labels(r.entries(t, 1)); got[0] != name {
			t.Errorf("round %d began with %q", i, got)
		}
		if err := s.Close(); err != nil {
			t.Fatalf("round %d: Close: %v", i, err)
		}
	}
}

func tailContext(t *testing.T, k *logKit) {
	log, r := k.log(), newReader()
	if s, err := log.Tail(cancelled(), "", newReader()); err == nil {
		closing(t, s)
		t.Error("Tail with a context that is over returned no error")
	}
	ctx, cancel := context.WithCancel(deadline(t))
	s, err := log.Tail(ctx, "", r)
	if err != nil {
		t.Fatalf("Tail: %v", err)
	}
	closing(t, s)
	cancel()
	k.append(t, log, labelled("after the cancel"))
	r.entries(t, 1)
	if p := r.contextErr.Load(); p != nil {
		t.Errorf("the handler's context was over: %v", *p)
	}
}

func tailClosing(t *testing.T, k *logKit) {
	log, watch := k.log(), newReader()
	k.tail(t, k.log(), "", watch)
	ctx, stop := context.WithCancel(deadline(t))
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if _, err := log.Append(ctx, labelled(fmt.Sprint("m", i))); err != nil && ctx.Err() == nil {
				t.Errorf("Append: %v", err)
				return
			}
		}
	})
	defer writer.Wait()
	defer stop()
	for range 5 {
		r := newReader()
		s, err := log.Tail(deadline(t), "", r)
		if err != nil {
			t.Fatalf("Tail: %v", err)
		}
		r.wait(t, "a first entry", func(all []read) bool { return len(entriesOf(all)) > 0 })
		var both sync.WaitGroup
		for range 2 { // also when two close at once, both find it closed
			both.Go(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
		both.Wait()
		closed := len(r.all())
		seen := len(watch.all())
		watch.wait(t, "five more entries elsewhere", func(all []read) bool { return len(all) >= seen+5 })
		if n := len(r.all()); n != closed {
			t.Errorf("the handler was called %d times after Close had returned", n-closed)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close once more: %v", err)
		}
	}
}

func tailPanic(t *testing.T, k *logKit) {
	log, r := k.log(), newReader()
	r.before = func(got read) {
		if got.entry != nil && label(&got.entry.Message) == "bad" {
			panic("the handler does not like it")
		}
	}
	k.tail(t, log, "", r)
	for _, name := range []string{"one", "bad", "two", "bad", "three"} {
		k.append(t, log, labelled(name))
	}
	if got := labels(r.entries(t, 3)); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("got %q", got)
	}
	var order []string
	for _, got := range r.all() {
		if got.entry != nil {
			order = append(order, "entry")
		}
		if bad, ok := got.notice.(*domain.BadEntry); ok {
			order = append(order, "bad")
			if bad.Err == nil || bad.Offset == "" || bad.Stream == "" {
				t.Errorf("the notice %+v lacks its error, its offset or its stream", bad)
			}
		}
	}
	if want := []string{"entry", "bad", "entry", "bad", "entry"}; !slices.Equal(order, want) {
		t.Errorf("entries and notices came as %q, want %q", order, want)
	}
}

// tailLag holds a tail up: a log that can tell says so, and says when it is over. One that says that it cannot, although
// it has the ability, is asked nothing.
func tailLag(t *testing.T, k *logKit) {
	log, r := k.log(), newReader()
	entered, release := make(chan struct{}), make(chan struct{})
	r.before = func(got read) {
		if got.entry != nil {
			close(entered)
			<-release
		}
	}
	k.tail(t, log, "", r)
	lag, ok := ports.As[ports.Lag](log)
	if !ok {
		return
	}
	if _, known := lag.Behind(); !known {
		return
	}
	k.append(t, log, labelled("one"))
	<-entered
	entries, _ := lag.Behind()
	close(release)
	if entries < 1 {
		t.Errorf("%d entries are to be handed over while one is", entries)
	}
	eventually(t, "nothing to be behind", func() bool { entries, _ := lag.Behind(); return entries == 0 })
}

func tailNoticePanic(t *testing.T, k *logKit) {
	log, r := k.log(), newReader()
	r.before = func(got read) {
		if got.notice != nil {
			panic("the handler does not like notices")
		}
	}
	k.tail(t, log, "", r)
	for i := range 5 {
		k.append(t, log, labelled(fmt.Sprint("m", i)))
		r.entries(t, i+1)
	}
}

func tailAtTail(t *testing.T, k *logKit) {
	log, r := k.log(), newReader()
	k.tail(t, log, "", r)
	// notices are those of the entries' stream; there may be more streams.
	notices := func(all []read) []*domain.AtTail {
		entries := entriesOf(all)
		return slices.DeleteFunc(noticesOf[*domain.AtTail](all), func(n *domain.AtTail) bool {
			return len(entries) > 0 && n.Stream != entries[0].Stream
		})
	}
	atLast := func(all []read) int { // how often it was said behind the last entry
		for i, got := range slices.Backward(all) {
			if got.entry != nil {
				return len(notices(all[i:]))
			}
		}
		return 0
	}
	for _, name := range []string{"a", "b", "c"} {
		k.append(t, log, labelled(name))
	}
	r.entries(t, 3)
	all := r.wait(t, "two notices at the tail", func(all []read) bool { return atLast(all) >= 2 })
	entries, told := entriesOf(all), notices(all)
	last := told[len(told)-1]
	if end := entries[2]; last.Stream != end.Stream || last.Cursor != end.Offset {
		t.Errorf("the last notice is %+v, want the stream and the offset of the last entry, %s %s",
			last, end.Stream, end.Offset)
	}
	for i, n := range told {
		if n.Time.IsZero() || (i > 0 && n.Time.Before(told[i-1].Time)) {
			t.Errorf("the times of the notices run backwards, or are missing: %v", n.Time)
		}
	}
}

func tailMany(t *testing.T, k *logKit) {
	const writers, each = 3, 20
	log, watch := k.log(), newReader()
	k.tail(t, log, "", watch)
	ctx := deadline(t)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := log.Append(ctx, labelled(fmt.Sprintf("%d-%d", w, i))); err != nil {
					t.Errorf("Append: %v", err)
				}
			}
		})
		wg.Go(func() {
			for range 3 {
				r := newReader()
				s, err := log.Tail(ctx, "", r)
				if err != nil {
					t.Errorf("Tail: %v", err)
					return
				}
				log.Compare("", "1")
				if _, err := log.Replay(ctx, "/", "", "", 0); err != nil && k.CanReplay {
					t.Errorf("Replay: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
		})
	}
	wg.Wait()
	watch.entries(t, writers*each)
}

func tailResume(t *testing.T, k *logKit) {
	names := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	entries := k.fill(t, names...)
	for _, from := range []int{0, 4, 8} {
		r := newReader()
		k.tail(t, k.log(), entries[from].Offset, r)
		got := r.entries(t, len(names)-from-1)
		if !slices.Equal(labels(got), names[from+1:]) {
			t.Errorf("after %q came %q", names[from], labels(got))
		}
		for i, e := range got {
			want := entries[from+1+i]
			if e.Offset != want.Offset || e.Stream != want.Stream || !e.Time.Equal(want.Time) {
				t.Errorf("entry %s %s %v was %s %s %v before",
					e.Stream, e.Offset, e.Time, want.Stream, want.Offset, want.Time)
			}
		}
	}
	r := newReader()
	k.tail(t, k.log(), entries[9].Offset, r)
	k.append(t, k.log(), labelled("new"))
	if got := labels(r.entries(t, 1)); got[0] != "new" {
		t.Errorf("after the last position came %q", got)
	}
}

func tailBadOffset(t *testing.T, k *logKit) {
	log := k.log()
	k.fill(t, "a")
	for _, foreign := range foreignOffsets {
		s, err := log.Tail(deadline(t), foreign, newReader())
		if err == nil {
			closing(t, s)
		}
		if !errors.Is(err, domain.ErrBadOffset) {
			t.Errorf("Tail after %q: %v, want ErrBadOffset", foreign, err)
		}
	}
}

func tailUnsupported(t *testing.T, k *logKit) {
	entries := k.fill(t, "a")
	s, err := k.log().Tail(deadline(t), entries[0].Offset, newReader())
	if err == nil {
		closing(t, s)
	}
	if !errors.Is(err, domain.ErrUnsupported) {
		t.Errorf("Tail after a position: %v, want ErrUnsupported", err)
	}
}
