package app

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

func large(t *testing.T, at, bytes int) *domain.Entry {
	t.Helper()
	p, err := payload.MarshalEvent("x", strings.Repeat("x", bytes))
	if err != nil {
		t.Fatal(err)
	}
	return &domain.Entry{
		Offset:  domain.Offset(fmt.Sprintf("%06d", at)),
		Message: domain.Message{Namespace: "/", Body: &domain.Broadcast{Packet: p}},
	}
}

func byText(a, b domain.Offset) int { return strings.Compare(string(a), string(b)) }

// What is kept in memory is limited by its bytes, whatever the size of a packet.
func TestCase18_AHistoryIsBoundedInBytes(t *testing.T) {
	const limit = 16 << 20
	for _, bytes := range []int{0, 1000, 850_000, limit / 2, 2 * limit} {
		var h history
		now := time.Now()
		worst := 0
		const entries = 600
		e := large(t, 0, bytes)
		for i := range entries {
			next := *e
			next.Offset = domain.Offset(fmt.Sprintf("%06d", i))
			h.add(&next, nil, limit, now, now.Add(-time.Minute))
			worst = max(worst, h.bytes)
		}
		if worst > limit {
			t.Errorf("packets of %d bytes: the history takes %d, the limit is %d", bytes, worst, limit)
		}
		// All that it says to have is there.
		parts, ok := h.since(h.from, byText)
		kept := 0
		for _, items := range parts {
			kept += len(items)
		}
		from := 0
		_, _ = fmt.Sscanf(string(h.from), "%d", &from)
		if !ok || kept != entries-1-from {
			t.Errorf("packets of %d bytes: %d entries are kept after %s, %t", bytes, kept, h.from, ok)
		}
		if want := min(entries-1, limit/(bytes+fixedSize+100)*3/4); kept < want {
			t.Errorf("packets of %d bytes: %d entries are kept, want %d at least", bytes, kept, want)
		}
	}
}

// What is read again counts for all namespaces together, and is read in parts that are not too large.
func TestCase18_AnArchiveIsBoundedInBytes(t *testing.T) {
	var all atomic.Int64
	const limit = 1000
	one, two := newArchive(&all), newArchive(&all)
	for i := range 100 {
		for _, a := range []*archive{one, two} {
			a.keep(&page{after: domain.Offset(fmt.Sprint(i)), bytes: 300, used: time.Now()}, limit)
			if n := all.Load(); n > limit {
				t.Fatalf("%d bytes are kept", n)
			}
		}
	}
	one.keep(&page{bytes: limit + 1, used: time.Now()}, limit)
	if n := all.Load(); n > limit {
		t.Errorf("%d bytes are kept", n)
	}
	for _, a := range []*archive{one, two} {
		a.forget(time.Now().Add(time.Hour))
	}
	if n := all.Load(); n != 0 {
		t.Errorf("%d bytes are kept of nothing", n)
	}
	a := newArchive(&all)
	for _, c := range []struct{ looked, bytes, next int }{
		{0, 0, 200}, {200, 1000, 400}, {400, pageBytes, 400}, {400, 100 * pageBytes, 4}, {1, 100 * pageBytes, 1}, {1, 100, 2},
	} {
		a.learn(c.looked, c.bytes)
		if a.entries() != c.next {
			t.Errorf("after %d entries of %d bytes, %d are read, want %d", c.looked, c.bytes, a.entries(), c.next)
		}
	}
}
