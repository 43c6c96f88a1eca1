package simulator

import (
	"context"
	"fmt"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// run is one life of a node, from its start to its end, and what is remembered of it. Everything but the first fields
// is guarded by the world's lock.
type run struct {
	w      *world
	slot   int
	name   string
	node   *app.Node
	member *inmemory.Member

	reads   []read
	appends []*appending
	views   []view
	spaces  map[string]*space
	seen    map[string]int // how often the observer was told something, by what it was
	listens map[string]int // listeners on the channel, by namespace
	counts  map[string]int // of what was decided about, by what it was

	running moment // since when it runs
	closing moment // since when it closes; zero when it does not
	ended   moment
	dead    bool // nobody hears of it any more
	silent  bool // it closed without a goodbye

	cut, held, frozen moment // since when; zero: not
	troubles          []trouble
	beatFrom          time.Duration // when its last heartbeat by the clock was stored
}

// trouble is a time in which a node was cut off, held or frozen.
type trouble struct {
	frozen      bool
	from, until moment
}

// read is what a node's reader was handed.
type read struct {
	moment
	entry  *domain.Entry
	notice domain.Notice
	again  bool // this reader had it before
}

// appending is an append to the log by a node.
type appending struct {
	began, ended moment
	message      *domain.Message
	at           domain.Offset
	err          error
	done         bool
}

// view is a change of the members that a node sees.
type view struct {
	moment
	namespace string
	change    domain.MemberChange
}

// newRun makes the record of a node that is to start. The caller holds the lock.
func (w *world) newRun(slot int) *run {
	life := 1
	for _, r := range w.runs {
		if r.slot == slot {
			life++
		}
	}
	r := &run{
		w: w, slot: slot, name: fmt.Sprintf("n%d.%d", slot, life), member: w.memory.Member(),
		spaces: make(map[string]*space), seen: make(map[string]int), listens: make(map[string]int),
		counts: make(map[string]int), beatFrom: time.Since(w.began),
	}
	for _, ns := range w.plan.namespaces {
		r.spaces[ns] = newSpace()
	}
	w.runs = append(w.runs, r)
	r.member.Faults().OnAppend(r.onAppend)
	r.member.Faults().OnSend(r.onSend)
	r.member.Faults().OnRead(r.onRead)
	return r
}

// hindered reports whether something goes wrong for the node now. The caller holds the lock.
func (r *run) hindered() bool { return r.cut.order+r.held.order+r.frozen.order > 0 }

// hinderedIn reports whether something went wrong for the node between two moments. The caller holds the lock.
func (r *run) hinderedIn(from, until moment) bool {
	for _, t := range r.troubles {
		if t.from.before(until) && from.before(t.until) {
			return true
		}
	}
	for _, since := range []moment{r.cut, r.held, r.frozen} {
		if since.order > 0 && since.before(until) {
			return true
		}
	}
	return false
}

// trouble begins or ends something that goes wrong.
func (r *run) trouble(do deed) {
	w := r.w
	w.mu.Lock()
	since, begins := r.since(do)
	if begins == (since.order > 0) || r.dead {
		w.mu.Unlock()
		return
	}
	w.tellf(r.name, "%s", do)
	if begins {
		*since = w.now()
	} else {
		r.troubles = append(r.troubles, trouble{since == &r.frozen, *since, w.now()})
		*since = moment{}
	}
	w.mu.Unlock()
	faults := r.member.Faults()
	map[deed]func(){
		doCut: faults.Cut, doMend: faults.Mend, doHold: faults.Hold, doResume: faults.Resume,
		doFreeze: faults.Freeze, doThaw: faults.Thaw,
	}[do]()
}

func (r *run) since(do deed) (since *moment, begins bool) {
	switch do {
	case doCut, doMend:
		return &r.cut, do == doCut
	case doHold, doResume:
		return &r.held, do == doHold
	default:
		return &r.frozen, do == doFreeze
	}
}

// inOrder makes a local change in its place.
func (r *run) inOrder(ns string, change func(at domain.Offset)) {
	if r.w.mutant.inOrder != nil {
		r.w.mutant.inOrder(r, ns, change)
		return
	}
	r.node.InOrder(ns, change)
}

// Observe remembers what the node wants seen.
func (r *run) Observe(_ context.Context, e domain.Event) {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.dead {
		return
	}
	switch e := e.(type) {
	case *domain.Gap:
		if e.Publisher != "" {
			r.seen["hole"]++
			w.tellf(r.name, "observes that %s's %d to %d are missing", e.Publisher, e.First, e.Last)
			return
		}
		r.seen["gap"]++
	case *domain.Reset:
		r.seen["reset"]++
	case *domain.Repeated:
		r.seen["repeat"]++
	case *domain.BadEntry:
		w.violationf("%s: entry %s could not be handled: %v", r.name, e.Offset, e.Err)
	case *domain.Dropped:
		w.tellf(r.name, "gives up a %s: %v", e.Kind, e.Err)
	case *domain.MemberChanged:
		r.views = append(r.views, view{w.now(), e.Namespace, e.Change})
		w.tellf(r.name, "%s: %s is %s", e.Namespace, w.nameOf(e.Change.Member.ID), e.Change.Event)
	default:
	}
}

// nameOf is the name of a node in the story. The caller holds the lock.
func (w *world) nameOf(id domain.NodeID) string {
	if r := w.runOf(id); r != nil {
		return r.name
	}
	return string(id)
}

func (w *world) runOf(id domain.NodeID) *run {
	for _, r := range w.runs {
		if r.node != nil && r.node.ID() == id {
			return r
		}
	}
	return nil
}
