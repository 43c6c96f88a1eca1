package conformance

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// replayAll reads page after page until it is done.
func replayAll(
	t *testing.T, log ports.Log, namespace string, after, through domain.Offset, limit int,
) []*domain.Entry {
	t.Helper()
	var entries []*domain.Entry
	for range 1000 {
		page, err := log.Replay(deadline(t), namespace, after, through, limit)
		if err != nil {
			t.Fatalf("Replay of (%q, %q] in pages of %d: %v", after, through, limit, err)
		}
		if limit > 0 && len(page.Entries) > limit {
			t.Errorf("a page of %d entries, at most %d were asked for", len(page.Entries), limit)
		}
		entries = append(entries, page.Entries...)
		if page.Done {
			return entries
		}
		if page.Next == after {
			t.Fatalf("a page after %q ended where it began, and is not done", after)
		}
		after = page.Next
	}
	t.Fatal("a replay does not end")
	return nil
}

func replayRanges(t *testing.T, k *logKit) {
	names := []string{"0", "1", "2", "3", "4", "5"}
	entries, log := k.fill(t, names...), k.log()
	at := func(i int) domain.Offset {
		if i < 0 {
			return ""
		}
		return entries[i].Offset
	}
	for _, c := range []struct {
		after, through int // index of the entry; -1 for the zero offset
		want           []string
	}{
		{-1, -1, names},
		{0, -1, names[1:]},
		{5, -1, nil},
		{-1, 0, names[:1]},
		{1, 4, names[2:5]},
		{1, 5, names[2:]},
		{3, 3, nil},
		{4, 2, nil},
	} {
		got := replayAll(t, log, "/", at(c.after), at(c.through), 0)
		if !slices.Equal(labels(got), c.want) {
			t.Errorf("after entry %d up to entry %d: %q, want %q", c.after, c.through, labels(got), c.want)
		}
		for _, e := range got {
			want := entries[slices.Index(names, label(&e.Message))]
			if e.Stream != want.Stream || e.Offset != want.Offset || !e.Time.Equal(want.Time) ||
				differ(want.Message, e.Message) != "" {
				t.Errorf("entry %+v was tailed as %+v", *e, *want)
			}
		}
	}
}

func replayPages(t *testing.T, k *logKit) {
	var names []string
	for i := range 23 {
		names = append(names, fmt.Sprint("m", i))
	}
	entries, log := k.fill(t, names...), k.log()
	for _, limit := range []int{1, 2, 5, 22, 23, 24, 0} {
		if got := labels(replayAll(t, log, "/", "", "", limit)); !slices.Equal(got, names) {
			t.Errorf("in pages of %d: %q", limit, got)
		}
		if got := labels(replayAll(t, log, "/", entries[2].Offset, entries[12].Offset, limit)); !slices.Equal(got, names[3:13]) {
			t.Errorf("a part in pages of %d: %q", limit, got)
		}
	}
	end, err := log.Replay(deadline(t), "/", entries[20].Offset, "", 0)
	if err != nil || !end.Done || end.Next != entries[22].Offset {
		t.Errorf("the last page is done %t and goes on at %q (%v), want done at %q",
			end.Done, end.Next, err, entries[22].Offset)
	}
}

func replayNamespaces(t *testing.T, k *logKit) {
	log := k.log()
	var want []string
	for i := range 12 {
		name := fmt.Sprint("m", i)
		k.append(t, log, labelledIn("/other", name))
		if i%3 == 0 {
			k.append(t, log, labelledIn("/räume", name))
			want = append(want, name)
		}
	}
	for _, limit := range []int{1, 4, 0} {
		if got := labels(replayAll(t, log, "/räume", "", "", limit)); !slices.Equal(got, want) {
			t.Errorf("of the namespace, looking at %d entries at once: %q, want %q", limit, got, want)
		}
	}
	if got := replayAll(t, log, "/nobody", "", "", 0); len(got) != 0 {
		t.Errorf("a namespace without messages has %q", labels(got))
	}
}

func replayBadOffset(t *testing.T, k *logKit) {
	entries, log := k.fill(t, "a", "b"), k.log()
	for _, foreign := range foreignOffsets {
		if _, err := log.Replay(deadline(t), "/", foreign, "", 0); !errors.Is(err, domain.ErrBadOffset) {
			t.Errorf("Replay after %q: %v, want ErrBadOffset", foreign, err)
		}
		_, err := log.Replay(deadline(t), "/", entries[0].Offset, foreign, 0)
		if !errors.Is(err, domain.ErrBadOffset) {
			t.Errorf("Replay through %q: %v, want ErrBadOffset", foreign, err)
		}
	}
}

func replayContext(t *testing.T, k *logKit) {
	if _, err := k.log().Replay(cancelled(), "/", "", "", 0); err == nil {
		t.Error("Replay with a context that is over returned no error")
	}
}

func replayUnsupported(t *testing.T, k *logKit) {
	k.fill(t, "a")
	if _, err := k.log().Replay(deadline(t), "/", "", "", 0); !errors.Is(err, domain.ErrUnsupported) {
		t.Errorf("Replay: %v, want ErrUnsupported", err)
	}
}
