package simulator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// Result is what came of a seed.
type Result struct {
	Seed uint64
	// Wrong is what the model has found wrong; empty when everything held.
	Wrong []string
	// Tally is how much has happened.
	Tally Tally

	plan  *plan
	story []line
}

// Run lets the cluster of a seed go through its plan, and holds what happened against the model.
func Run(t *testing.T, seed uint64) *Result {
	t.Helper()
	return simulate(t, newPlan(seed), mutant{})
}

func simulate(t *testing.T, p *plan, m mutant) (result *Result) {
	t.Helper()
	var w *world
	defer func() {
		if fault := recover(); fault != nil { // that of synctest when somebody waits for ever
			if w == nil {
				panic(fault)
			}
			result = w.result()
			result.Wrong = append(result.Wrong, fmt.Sprintf("it did not come to an end: %v", fault))
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(p, m)
		err := w.play(t.Context())
		w.mu.Lock()
		defer w.mu.Unlock()
		if err != nil {
			w.violationf("%v", err)
		}
		w.check()
	})
	return w.result()
}

func (w *world) result() *Result {
	return &Result{Seed: w.plan.seed, Wrong: w.wrong, Tally: w.tally(), plan: w.plan, story: w.story}
}

// Shorten leaves out of a plan that goes wrong what it goes wrong without, and returns what is left.
func Shorten(t *testing.T, r *Result) *Result {
	t.Helper()
	return shorten(t, r, mutant{})
}

func shorten(t *testing.T, r *Result, m mutant) *Result {
	t.Helper()
	const most = 300 // runs
	runs := 0
	for size := (len(r.plan.actions) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(r.plan.actions) && runs < most; runs++ {
			p := *r.plan
			p.actions = slices.Delete(slices.Clone(p.actions), from, min(from+size, len(p.actions)))
			if less := simulate(t, &p, m); len(less.Wrong) > 0 {
				r = less
			} else {
				from += size
			}
		}
	}
	return r
}

// Story is what has happened, for people: what was done, what the log got, and what came of it.
func (r *Result) Story() string {
	var b strings.Builder
	fmt.Fprintln(&b, r.plan.describe())
	for _, l := range r.story {
		fmt.Fprintf(&b, "%12.6fs %-8s ", l.at.Seconds(), l.who)
		fmt.Fprintf(&b, l.format, l.args...)
		fmt.Fprintln(&b)
	}
	for _, wrong := range r.Wrong {
		fmt.Fprintln(&b, "WRONG:", wrong)
	}
	return b.String()
}
