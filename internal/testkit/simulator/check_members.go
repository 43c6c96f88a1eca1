package simulator

import (
	"cmp"
	"slices"
	"time"

	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// checkMembers: every node that runs sees all others that run, and nobody else. The caller holds the lock.
func (w *world) checkMembers(when string) {
	for _, r := range w.slots {
		if r == nil {
			continue
		}
		for _, ns := range w.plan.namespaces {
			var want, got []string
			for _, other := range w.slots {
				if other != nil && other != r {
					want = append(want, other.name)
				}
			}
			for _, m := range r.node.Nodes(ns) {
				if other := w.runOf(m.ID); other == nil || other != r && !other.silent {
					got = append(got, w.nameOf(m.ID))
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				w.violationf("%s in %s: %s it sees %v, and should see %v", r.name, ns, when, got, want)
			}
		}
	}
}

// checkRest: when nothing goes wrong any more, nodes have read everything, agree about who is there, and keep nothing
// of what is over. The caller holds the lock.
func (w *world) checkRest() {
	w.checkMembers("in the end")
	w.settled = w.settledEnd()
	for _, r := range w.slots {
		if r == nil {
			continue
		}
		if end := w.settled; !r.reachedEnd(end) {
			w.violationf("%s: has not read the log up to %s", r.name, end)
		}
		if rest := r.node.Backlog(); rest != (app.Backlog{}) {
			w.violationf("%s: has work left when all is over: %+v", r.name, rest)
		}
	}
	for _, c := range w.calls {
		if !c.done && !c.died {
			w.violationf("%s: has not ended", c.name())
		}
	}
}

// settledEnd is the end of the log, without what was stored just now.
func (w *world) settledEnd() domain.Offset {
	var end domain.Offset
	for _, l := range w.log {
		if time.Since(l.Time) > time.Second {
			end = l.Offset
		}
	}
	return end
}

func (r *run) reachedEnd(end domain.Offset) bool {
	for i := len(r.reads) - 1; i >= 0; i-- {
		if r.reads[i].reaches(r.w, end) {
			return true
		}
	}
	return false
}

// checkViews: a member is real, and is lost only after a silence that could have been heard.
func (w *world) checkViews(r *run) {
	for i := range r.views {
		v := &r.views[i]
		other := w.runOf(v.change.Member.ID)
		switch {
		case other == nil:
			w.violationf("%s: sees a node %s, which never was", r.name, v.change.Member.ID)
		case v.change.Event == domain.MemberLost:
			if silence := r.silenceOf(other, v); silence < beatTimeout-r.w.slack() {
				w.violationf("%s: gave %s up at %s after a silence of %s that it could hear", r.name, other.name, v.at, silence)
			}
		case v.change.Event == domain.MemberLeft && other.closing.order == 0:
			w.violationf("%s: heard a goodbye of %s, which did not close", r.name, other.name)
		default:
		}
	}
}

// silenceOf is for how long a node could have heard that another says nothing, when it gave it up: since the other's last
// entry that it has read (a repeat, which is somebody's retry and may have been under way for long, says nothing new), but
// for its own pauses. Of a pause it knows what the entries tell that were stored meanwhile.
func (r *run) silenceOf(other *run, v *view) time.Duration {
	var stored time.Duration
	for i := range r.reads {
		rd := &r.reads[i]
		if !rd.before(v.moment) {
			break
		}
		if rd.entry != nil && !rd.again && rd.entry.Message.Node == other.node.ID() && rd.entry.Message.Namespace == v.namespace {
			stored = rd.entry.Time.Sub(r.w.began)
		}
	}
	silence := v.at - stored
	for _, p := range r.pauses() {
		from, until := max(p.from.at, stored), min(p.until.at, v.at)
		if until > from {
			silence -= max(0, until-from-pauseTime-r.w.told(from, until))
		}
	}
	return silence
}

// pauses are the times in which a node's reader could not hear anything, those that overlap as one.
func (r *run) pauses() []trouble {
	all := slices.Clone(r.troubles)
	for _, since := range []moment{r.cut, r.held, r.frozen} {
		if since.order > 0 { // until its end
			all = append(all, trouble{from: since, until: moment{at: time.Hour}})
		}
	}
	slices.SortFunc(all, func(a, b trouble) int { return cmp.Compare(a.from.at, b.from.at) })
	var pauses []trouble
	for _, t := range all {
		if n := len(pauses); n > 0 && t.from.at <= pauses[n-1].until.at {
			if t.until.at > pauses[n-1].until.at {
				pauses[n-1].until = t.until
			}
			continue
		}
		pauses = append(pauses, t)
	}
	return pauses
}

// told is how much of a time the entries tell that were stored in it.
func (w *world) told(from, until time.Duration) time.Duration {
	var told time.Duration
	last := from
	for _, l := range w.log {
		if at := l.Time.Sub(w.began); at > from && at <= until {
			told += min(at-last, pauseTime)
			last = at
		}
	}
	return told
}

// slack is by how much a reader may be wrong, because entries are on their way to it for different times.
func (w *world) slack() time.Duration {
	if w.plan.network.slow > 0 {
		return w.plan.network.slowBy
	}
	return 100 * time.Millisecond
}

// pauseTime is how long a reader may hear nothing before it takes it for a pause of its own.
const pauseTime = 2 * time.Second
