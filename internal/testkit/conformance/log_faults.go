package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
)

// trimOvertakes stops a reader inside of its handler and trims what comes after. Whatever the reader had fetched
// before, each entry is handed over or is part of a gap.
func trimOvertakes(t *testing.T, k *logKit) {
	const count, keep = 60, 10
	log, r := k.log(), newReader()
	entered, release := make(chan struct{}), make(chan struct{})
	r.before = func(got read) {
		if got.entry != nil && label(&got.entry.Message) == "m0" {
			close(entered)
			<-release
		}
	}
	k.tail(t, k.log(), "", r)
	k.append(t, log, labelled("m0"))
	<-entered
	for i := 1; i < count; i++ {
		k.append(t, log, labelled(fmt.Sprint("m", i)))
	}
	k.Trim(keep)
	close(release)
	last := fmt.Sprint("m", count-1)
	all := r.wait(t, "the last entry", func(all []read) bool {
		return slices.Contains(labels(entriesOf(all)), last)
	})
	k.checkGaps(t, all)
	entries, gaps := entriesOf(all), noticesOf[*domain.Gap](all)
	if len(entries) < count && len(gaps) == 0 {
		t.Fatalf("%d of %d entries are missing, and no gap was told", count-len(entries), count)
	}
	lost := 0
	for _, g := range gaps {
		lost += int(g.Lost)
	}
	if k.CountsLoss && len(entries)+lost != count {
		t.Errorf("%d entries came and %d are told to be lost, together they should be %d", len(entries), lost, count)
	}
}

// checkGaps looks whether each gap is told in its place.
func (k *logKit) checkGaps(t *testing.T, all []read) {
	t.Helper()
	log := k.log()
	for i, got := range all {
		gap, ok := got.notice.(*domain.Gap)
		if !ok {
			continue
		}
		if before := entriesOf(all[:i]); len(before) > 0 && gap.After != before[len(before)-1].Offset {
			t.Errorf("the gap begins after %q, the last entry before it is %q", gap.After, before[len(before)-1].Offset)
		}
		if after := entriesOf(all[i:]); len(after) > 0 && log.Compare(gap.Next, after[0].Offset) > 0 {
			t.Errorf("the gap ends before %q, but the next entry is %q", gap.Next, after[0].Offset)
		}
		if gap.Stream == "" {
			t.Error("the gap does not name its stream")
		}
	}
}

// trimResume begins at a position that is gone. How many entries are lost not every log can know then.
func trimResume(t *testing.T, k *logKit) {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprint("m", i))
	}
	entries := k.fill(t, names...)
	k.Trim(5)
	r := newReader()
	k.tail(t, k.log(), entries[0].Offset, r)
	if got := labels(r.entries(t, 5)); !slices.Equal(got, names[15:]) {
		t.Errorf("what the log still holds came as %q", got)
	}
	k.checkGaps(t, r.all())
	gaps := noticesOf[*domain.Gap](r.all())
	if len(gaps) != 1 {
		t.Fatalf("%d gaps were told, want one", len(gaps))
	}
	if g := gaps[0]; g.After != entries[0].Offset || g.Next != entries[15].Offset || (g.Lost != 0 && g.Lost != 14) {
		t.Errorf("the gap is %+v, want it from %s to %s, with 14 lost or none counted",
			*g, entries[0].Offset, entries[15].Offset)
	}

	whole := newReader()
	k.tail(t, k.log(), entries[16].Offset, whole)
	whole.entries(t, 3)
	if gaps := noticesOf[*domain.Gap](whole.all()); len(gaps) != 0 {
		t.Errorf("after an entry that is still there, gaps were told: %+v", gaps)
	}
}

func trimReplay(t *testing.T, k *logKit) {
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprint("m", i))
	}
	entries, log := k.fill(t, names...), k.log()
	k.Trim(5)
	for _, through := range []domain.Offset{"", entries[10].Offset, entries[18].Offset} {
		_, err := log.Replay(deadline(t), "/", entries[3].Offset, through, 0)
		if !errors.Is(err, domain.ErrGap) {
			t.Errorf("Replay after a trimmed position, through %q: %v, want ErrGap", through, err)
		}
	}
	if got := labels(replayAll(t, log, "/", entries[15].Offset, "", 0)); !slices.Equal(got, names[16:]) {
		t.Errorf("after the first entry that is held came %q", got)
	}
}

func resetTold(t *testing.T, k *logKit) {
	log, r := k.log(), newReader()
	k.fill(t, "old 1", "old 2", "old 3")
	k.tail(t, k.log(), "", r)
	k.append(t, log, labelled("old 4"))
	r.entries(t, 1)
	k.Reset()
	k.append(t, log, labelled("new 0"))
	all := r.wait(t, "a reset", func(all []read) bool { return len(noticesOf[*domain.Reset](all)) > 0 })
	reset := noticesOf[*domain.Reset](all)[0]
	if reset.Was == reset.Is || reset.Reason == "" || reset.Stream == "" {
		t.Errorf("the reset %+v needs a stream, two epochs and a reason", reset)
	}
	k.append(t, log, labelled("new 1"))
	r.wait(t, "an entry of the new log", func(all []read) bool {
		return slices.Contains(labels(entriesOf(all)), "new 1")
	})
	if n := len(noticesOf[*domain.Reset](r.all())); n != 1 {
		t.Errorf("one reset was told %d times", n)
	}
}

// epochAgreed has readers on connections of their own, one of which has read nothing before the reset and one of which
// begins after it: they have one name for the log's life, before and after.
func epochAgreed(t *testing.T, k *logKit) {
	log, first := k.log(), newReader()
	k.tail(t, k.log(), "", first)
	k.append(t, log, labelled("old"))
	stream := first.entries(t, 1)[0].Stream
	second := newReader()
	k.tail(t, k.log(), "", second)
	old := epochOf(t, first, stream, "")
	if other := epochOf(t, second, stream, ""); old != other || old == "" {
		t.Fatalf("two readers call the log %q and %q", old, other)
	}
	k.Reset()
	k.append(t, log, labelled("new"))
	late := newReader()
	k.tail(t, k.log(), "", late)
	is := epochOf(t, late, stream, old)
	for name, r := range map[string]*reader{"which had read": first, "which had read nothing": second} {
		if other := epochOf(t, r, stream, old); other != is {
			t.Errorf("the reader %s calls the new log %q, one that came later %q", name, other, is)
		}
		if reset := resetOf(r, stream); reset == nil || reset.Was != old || reset.Is != is {
			t.Errorf("the reader %s was told of the reset %+v, want one from %q to %q", name, reset, old, is)
		}
	}
}

// resetOf is the first reset of a stream that a reader was told.
func resetOf(r *reader, stream string) *domain.Reset {
	for _, reset := range noticesOf[*domain.Reset](r.all()) {
		if reset.Stream == stream {
			return reset
		}
	}
	return nil
}

// epochOf is the newest epoch of a stream that a reader has told, once it is not the given one.
func epochOf(t *testing.T, r *reader, stream string, not domain.Epoch) (is domain.Epoch) {
	t.Helper()
	r.wait(t, "another epoch than "+string(not), func(all []read) bool {
		is = not
		for _, told := range noticesOf[*domain.AtTail](all) {
			if told.Stream == stream {
				is = told.Epoch
			}
		}
		return is != not
	})
	return is
}

// stalled stops the broker under two publishers: one that does not wait for it, and one that does.
func stalled(t *testing.T, k *logKit) {
	impatient, patient, r := k.log(), k.log(), newReader()
	k.tail(t, k.log(), "", r)
	k.append(t, impatient, labelled("before"))
	k.append(t, patient, labelled("before, too"))
	resume := k.Stall()

	waited := make(chan error, 1)
	ctx := deadline(t)
	go func() {
		_, err := patient.Append(ctx, labelled("waits"))
		waited <- err
	}()
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := impatient.Append(short, labelled("late"))
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("an append with a deadline of 300 ms took %v", d)
	}
	unknown := errors.Is(err, domain.ErrUnknown)
	if unknown == errors.Is(err, domain.ErrNotPublished) {
		t.Errorf("an append past its deadline: %v, want either ErrNotPublished or ErrUnknown", err)
	}
	resume()
	if err := <-waited; err != nil {
		t.Errorf("an append that could wait: %v", err)
	}
	k.append(t, patient, labelled("after"))

	all := labels(entriesOf(r.wait(t, "what came after", func(all []read) bool {
		return slices.Contains(labels(entriesOf(all)), "after")
	})))
	for name, want := range map[string]int{"before": 1, "before, too": 1, "waits": 1, "after": 1} {
		if n := count(all, name); n != want {
			t.Errorf("%q came %d times, want once: %q", name, n, all)
		}
	}
	if n := count(all, "late"); n > 1 || (n == 1 && !unknown) {
		t.Errorf("a message that was answered with %v came %d times", err, n)
	}
}

// severedTold breaks the connections: a reader tells that once, and once that they are back, before it goes on.
func severedTold(t *testing.T, k *logKit) {
	log, r := k.log(), newReader()
	k.tail(t, k.log(), "", r)
	k.append(t, log, labelled("before"))
	stream := r.entries(t, 1)[0].Stream
	mend := k.Sever()
	told := func(all []read) (lost, found int) {
		for i, got := range all {
			switch n := got.notice.(type) {
			case *domain.TransportLost:
				if n.Stream == stream {
					lost = i + 1
				}
			case *domain.TransportFound:
				if n.Stream == stream {
					found = i + 1
				}
			}
		}
		return lost, found
	}
	all := r.wait(t, "the word that the transport is lost", func(all []read) bool { lost, _ := told(all); return lost > 0 })
	at, _ := told(all)
	if n, ok := all[at-1].notice.(*domain.TransportLost); !ok || n.Err == nil || n.Since.IsZero() || n.Since.After(time.Now()) {
		t.Errorf("what was told is %+v, want an error and a time that has passed", all[at-1])
	}
	mend()
	k.append(t, log, labelled("after"))
	all = r.wait(t, "what came after", func(all []read) bool { return len(entriesOf(all)) >= 2 })
	lost, found := told(all)
	if found < lost {
		t.Fatalf("an entry came before the word that the transport is found: %v", all)
	}
	if n, ok := all[found-1].notice.(*domain.TransportFound); !ok || n.Away < 0 {
		t.Errorf("what was told is %+v, want for how long nothing was read", all[found-1])
	}
	if got := labels(entriesOf(all)); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("got %q", got)
	}
	if gaps := noticesOf[*domain.Gap](all); len(gaps) > 0 {
		t.Errorf("nothing was lost, and a gap was told: %+v", gaps)
	}
}

func brokenEntry(t *testing.T, k *logKit) {
	log, r := k.log(), newReader()
	k.tail(t, k.log(), "", r)
	k.append(t, log, labelled("before"))
	k.AppendBroken()
	k.append(t, log, labelled("after"))
	if got := labels(r.entries(t, 2)); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("got %q", got)
	}
	bad := noticesOf[*domain.BadEntry](r.all())
	if len(bad) != 1 || bad[0].Err == nil || bad[0].Offset == "" {
		t.Errorf("the broken entry was told as %+v, want one notice with its offset and an error", bad)
	}
}
