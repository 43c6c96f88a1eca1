package simulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/roombus/roombus/domain"
)

// Tally counts what has happened, so that it can be seen that a simulation is worth its time.
type Tally map[string]int

// Add adds what happened elsewhere.
func (t Tally) Add(o Tally) {
	for what, n := range o {
		t[what] += n
	}
}

// String names everything, in order.
func (t Tally) String() string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(&b, "%s %d\n", what, t[what])
	}
	return b.String()
}

func (w *world) tally() Tally {
	t := Tally{"seeds": 1, "entries of the log": len(w.log), "runs of nodes": len(w.runs)}
	for _, c := range w.calls {
		how := "succeeded"
		switch {
		case c.died:
			how = "died with its node"
		case c.err != nil:
			how = "failed"
		}
		t[fmt.Sprintf("call: %s %s", c.do, how)]++
	}
	for _, b := range w.returns {
		switch {
		case b.recovery.Outcome != domain.Recovered:
			t["recovery: "+b.recovery.Outcome.String()+", "+b.recovery.Reason]++
		case b.err != nil:
			t["recovery: failed on the way, "+b.err.Error()]++
		case !b.entered:
			t["recovery: given up"]++
		default:
			t["recovery: in again"]++
		}
		if b.part != nil {
			t["packets replayed"] += len(b.part.received)
		}
	}
	for _, ch := range w.changes {
		if ch.isMade && ch.made.at > ch.called.at {
			t["local changes that waited"]++
		} else if ch.isMade {
			t["local changes made at once"]++
		}
	}
	for _, r := range w.runs {
		for what, n := range r.seen {
			t["observed: "+what] += n
		}
		for _, v := range r.views {
			t["member "+v.change.Event.String()]++
		}
		for _, sp := range r.spaces {
			for i := range sp.events {
				t["packets delivered"] += len(sp.events[i].reached)
			}
		}
	}
	return t
}
