package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/roombus/roombus/domain"
)

func appendRoundTrip(t *testing.T, k *logKit) {
	writer, r := k.log(), newReader()
	k.tail(t, k.log(), "", r)
	samples := SampleMessages()
	for _, s := range samples {
		if _, err := writer.Append(deadline(t), s.Message); err != nil {
			t.Errorf("%s: Append: %v", s.Name, err)
			s.Message = nil
		}
	}
	if t.Failed() {
		return
	}
	// A namespace is in one stream; two of them may be in two, and come in any order.
	left := make(map[string][]Sample)
	for _, s := range samples {
		left[s.Message.Namespace] = append(left[s.Message.Namespace], s)
	}
	for _, e := range r.entries(t, len(samples)) {
		queue := left[e.Message.Namespace]
		if len(queue) == 0 {
			t.Errorf("an entry of the namespace %q too many: %s", e.Message.Namespace, label(&e.Message))
			continue
		}
		left[e.Message.Namespace] = queue[1:]
		if diff := Difference(queue[0].Message, &e.Message); diff != "" {
			t.Errorf("%s came back changed:\n%s", queue[0].Name, diff)
		}
	}
}

func appendOrder(t *testing.T, k *logKit) {
	const count = 50
	log, own, other := k.log(), newReader(), newReader()
	k.tail(t, log, "", own)
	k.tail(t, k.log(), "", other)
	var want []string
	var offsets []domain.Offset
	for i := range count {
		want = append(want, fmt.Sprint("m", i))
		offsets = append(offsets, k.append(t, log, labelled(want[i])))
	}
	for _, r := range []*reader{own, other} {
		entries := r.entries(t, count)
		if got := labels(entries); !slices.Equal(got, want) {
			t.Fatalf("a tail has the order %q, want %q", got, want)
		}
		for i, e := range entries {
			if e.Stream == "" || e.Offset == "" {
				t.Fatalf("entry %d has stream %q and offset %q, want both", i, e.Stream, e.Offset)
			}
			if k.TellsOffsets && e.Offset != offsets[i] {
				t.Errorf("entry %d is at %s, but Append returned %s", i, e.Offset, offsets[i])
			}
			if i > 0 && log.Compare(entries[i-1].Offset, e.Offset) >= 0 {
				t.Errorf("offset %s is not after %s", e.Offset, entries[i-1].Offset)
			}
		}
	}
}

func appendSameOrder(t *testing.T, k *logKit) {
	const writers, each = 6, 25
	a, b := k.log(), k.log()
	readers := []*reader{newReader(), newReader(), newReader()}
	k.tail(t, a, "", readers[0])
	k.tail(t, b, "", readers[1])
	k.tail(t, k.log(), "", readers[2])
	ctx := deadline(t)
	var wg sync.WaitGroup
	for w := range writers {
		log := a
		if w%2 == 1 {
			log = b
		}
		wg.Go(func() {
			for i := range each {
				if _, err := log.Append(ctx, labelled(fmt.Sprintf("%d-%02d", w, i))); err != nil {
					t.Errorf("Append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	want := labels(readers[0].entries(t, writers*each))
	for i, r := range readers[1:] {
		if got := labels(r.entries(t, writers*each)); !slices.Equal(got, want) {
			t.Errorf("reader %d has another order than reader 0:\n%q\n%q", i+1, got, want)
		}
	}
	for w := range writers {
		prefix := fmt.Sprintf("%d-", w)
		got := slices.DeleteFunc(slices.Clone(want), func(l string) bool { return !strings.HasPrefix(l, prefix) })
		if len(got) != each || !slices.IsSorted(got) {
			t.Errorf("the messages of goroutine %d are not in its order: %q", w, got)
		}
	}
}

func appendNumbers(t *testing.T, k *logKit) {
	a, b, r := k.log(), k.log(), newReader()
	k.tail(t, a, "", r)
	for i := range 5 {
		k.append(t, a, labelled(fmt.Sprint("a", i)))
		k.append(t, b, labelled(fmt.Sprint("b", i)))
	}
	last := map[domain.PublisherID]uint64{}
	publishers := map[byte]domain.PublisherID{}
	for _, e := range r.entries(t, 10) {
		m := &e.Message
		who := label(m)[0]
		if known, ok := publishers[who]; ok && known != m.Publisher {
			t.Errorf("one publisher has the ids %q and %q", known, m.Publisher)
		}
		publishers[who] = m.Publisher
		if m.Publisher == "" || m.Sequence != last[m.Publisher]+1 || m.Skipped != 0 {
			t.Errorf("entry %s has publisher %q, number %d, skipped %d; want number %d, nothing skipped",
				label(m), m.Publisher, m.Sequence, m.Skipped, last[m.Publisher]+1)
		}
		last[m.Publisher] = m.Sequence
	}
	if publishers['a'] == publishers['b'] {
		t.Errorf("two publishers share the id %q", publishers['a'])
	}
}

func appendLeavesMessage(t *testing.T, k *logKit) {
	log := k.log()
	used, fresh := SampleMessages(), SampleMessages()
	for i, s := range used {
		k.append(t, log, s.Message)
		if diff := differ(*fresh[i].Message, *s.Message); diff != "" {
			t.Errorf("%s: Append has changed the message:\n%s", s.Name, diff)
		}
	}
}

func appendContext(t *testing.T, k *logKit) {
	log, r := k.log(), newReader()
	k.tail(t, log, "", r)
	_, err := log.Append(cancelled(), labelled("late"))
	notPublished := errors.Is(err, domain.ErrNotPublished)
	if !notPublished && !errors.Is(err, domain.ErrUnknown) {
		t.Fatalf("Append with a context that is over: %v, want ErrNotPublished or ErrUnknown", err)
	}
	if notPublished && errors.Is(err, domain.ErrUnknown) {
		t.Errorf("the error says both outcomes: %v", err)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error %v does not give the context's reason", err)
	}
	k.append(t, log, labelled("next"))
	r.wait(t, "the next message", func(all []read) bool {
		got := labels(entriesOf(all))
		if notPublished && slices.Contains(got, "late") {
			t.Fatal("a message that was not published is in the log")
		}
		return slices.Contains(got, "next")
	})
}

func appendClosed(t *testing.T, k *logKit) {
	m, other, r, watch := k.Member(), k.log(), newReader(), newReader()
	if m.Close == nil {
		t.Log("the harness has nothing to close")
		return
	}
	k.tail(t, other, "", watch)
	s, err := m.Log.Tail(deadline(t), "", r)
	if err != nil {
		t.Fatalf("Tail: %v", err)
	}
	k.append(t, m.Log, labelled("before"))
	r.entries(t, 1)
	for range 2 {
		if err := m.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	for i := range 5 {
		k.append(t, other, labelled(fmt.Sprint("after ", i)))
	}
	watch.entries(t, 6)
	if n := len(entriesOf(r.all())); n != 1 {
		t.Errorf("the tail of a closed member got %d entries more", n-1)
	}
	if _, err := m.Log.Append(deadline(t), labelled("late")); !errors.Is(err, domain.ErrNotPublished) {
		t.Errorf("Append after Close: %v, want ErrNotPublished", err)
	}
	if _, err := m.Log.Tail(deadline(t), "", newReader()); !errors.Is(err, domain.ErrClosed) {
		t.Errorf("Tail after Close: %v, want ErrClosed", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing a tail of a closed member: %v", err)
	}
}

func compareOrder(t *testing.T, k *logKit) {
	log := k.log()
	offsets := []domain.Offset{""}
	for _, e := range k.fill(t, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l") {
		offsets = append(offsets, e.Offset)
	}
	for i, a := range offsets {
		for j, b := range offsets {
			got := log.Compare(a, b)
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("Compare(%q, %q) = %d, but their places are %d and %d", a, b, got, i, j)
			}
		}
	}
	for _, foreign := range foreignOffsets {
		if got := log.Compare(foreign, offsets[1]); got >= 0 {
			t.Errorf("Compare(%q, %q) = %d, want it before every position of the log", foreign, offsets[1], got)
		}
		if got := log.Compare(offsets[1], foreign); got <= 0 {
			t.Errorf("Compare(%q, %q) = %d, want it after what is no position", offsets[1], foreign, got)
		}
		if got := log.Compare(foreign, foreign); got != 0 {
			t.Errorf("Compare(%q, itself) = %d", foreign, got)
		}
	}
}

// foreignOffsets are texts that no log gives out: what clients make up, and what they send by mistake.
var foreignOffsets = []domain.Offset{"hello", "-", "$", "+", "1 ", " 1", "0x1-1", "1-2-3-4-5-6-7-8-9", "é", "\x00",
	"99999999999999999999999999999999999999999999-1"}
