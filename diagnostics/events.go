package diagnostics

import (
	"slices"
	"sync"
	"time"
)

// foldWithin is how long after an event the same one is folded into it.
const foldWithin = 10 * time.Second

// maxEventText bounds an event's sentence, which may quote an error.
const maxEventText = 300

// events are what happened, in the order in which it began. Each severity has a ring of its own, so that a flood of what
// does not matter takes the place of nothing that does.
type events struct {
	limit int

	mu   sync.Mutex
	seq  uint64
	kept map[Severity][]*folded
}

type folded struct {
	Event
	subject string
}

// note remembers an event that happens now. Those of one kind, about one subject, within a short time are one, with a
// count; those that are told again count once.
func (x *events) note(now time.Time, e Event, subject string, again bool) {
	e.Text = short(e.Text, maxEventText)
	e.Namespace, e.Stream, e.Offset = short(e.Namespace, maxEventText), short(e.Stream, maxEventText), short(e.Offset, maxEventText)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seq++
	ring := x.kept[e.Severity]
	for i := len(ring) - 1; i >= 0 && i >= len(ring)-20; i-- {
		old := ring[i]
		if old.Kind != e.Kind || old.subject != subject || now.Sub(old.Last.Time()) > foldWithin {
			continue
		}
		if again {
			return
		}
		old.Seq, old.Last, old.Text = x.seq, At(now), e.Text
		old.Count++
		return
	}
	e.ID, e.Seq, e.First, e.Last, e.Count = x.seq, x.seq, At(now), At(now), 1
	if x.kept == nil {
		x.kept = make(map[Severity][]*folded)
	}
	if len(ring) >= x.limit {
		ring = slices.Delete(ring, 0, 1)
	}
	x.kept[e.Severity] = append(ring, &folded{e, subject})
}

// since returns what has changed after a number, in the order of the changes: the newest ones if there are more than the
// limit.
func (x *events) since(seq uint64, limit int) (found []Event, truncated bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if seq > x.seq { // it has seen another life of this node's
		seq = 0
	}
	for _, ring := range x.kept {
		for _, e := range ring {
			if e.Seq > seq {
				found = append(found, e.Event)
			}
		}
	}
	slices.SortFunc(found, func(a, b Event) int { return int(a.Seq) - int(b.Seq) })
	if len(found) > limit {
		return found[len(found)-limit:], true
	}
	return found, false
}
