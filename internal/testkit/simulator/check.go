package simulator

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
)

// check holds what was remembered against what must hold. Everything is over by then.
func (w *world) check() {
	for _, r := range w.runs {
		if r.node == nil {
			continue
		}
		w.checkReading(r)
		for _, ns := range w.plan.namespaces {
			w.checkSpace(r, ns)
		}
		w.checkViews(r)
	}
	copies := w.copies()
	for _, c := range w.calls {
		w.checkCall(c, copies[c])
	}
	for _, ch := range w.changes {
		w.checkChange(ch)
	}
	w.checkSessions()
}

// place is how many entries of the log are at or before a position.
func (w *world) place(at domain.Offset) int {
	if i, ok := w.byOffset[at]; ok {
		return i + 1
	}
	i, _ := slices.BinarySearchFunc(w.log, at, func(l *logged, at domain.Offset) int {
		if w.compare(l.Offset, at) <= 0 {
			return -1
		}
		return 1
	})
	return i
}

// entryAt is the entry at a position; nil when there is none.
func (w *world) entryAt(at domain.Offset) *logged {
	if i, ok := w.byOffset[at]; ok {
		return w.log[i]
	}
	return nil
}

// checkReading: a reader is handed every entry of the log from its beginning on, in order, but for those of which it is
// told that they are lost; and what it is told, it makes seen.
func (w *world) checkReading(r *run) {
	highest := make(map[domain.PublisherID]uint64)
	next := w.upTo(w.firstOf(r)) // the index of the entry that must come; negative: any up to the node's first
	lateRepeat := false
	told := make(map[string]int)
	for i := range r.reads {
		rd := &r.reads[i]
		switch n := rd.notice.(type) {
		case *domain.Gap:
			told["gap"]++
			if next >= 0 {
				next += int(n.Lost)
			}
		case *domain.Reset:
			told["reset"]++
			next = w.place(n.Cursor)
		}
		if rd.entry == nil {
			continue
		}
		l := w.entryAt(rd.entry.Offset)
		if l == nil {
			w.violationf("%s: was handed %s, which is not in the log", r.name, rd.entry.Offset)
			return
		}
		if next >= 0 && l.index != next || l.index > -next-1 && next < 0 {
			w.violationf("%s: was handed %s, and should have been handed entry %d, %s", r.name, l.Offset, next, w.offsetOf(next))
			return
		}
		next = l.index + 1
		// A repeat whose first entry was lost to this reader is new to it, unless it would come behind later ones.
		m := &rd.entry.Message
		lateRepeat = lateRepeat || l.again && highest[m.Publisher] == 0
		if rd.again = l.again && highest[m.Publisher] >= m.Sequence; rd.again {
			told["repeat"]++
		}
		highest[m.Publisher] = max(highest[m.Publisher], m.Sequence)
	}
	if r.killed() {
		return
	}
	for _, what := range []string{"gap", "reset", "repeat"} {
		if r.seen[what] != told[what] {
			w.violationf("%s: observed %d times a %s, but its reader met %d", r.name, r.seen[what], what, told[what])
		}
	}
	// Who begins to read between an entry and its repeat takes what is between them for lost.
	if r.seen["hole"] > 0 && told["gap"]+told["reset"] == 0 && !lateRepeat {
		w.violationf("%s: found holes in publishers' numbers although its reader lost nothing", r.name)
	}
}

func (w *world) offsetOf(index int) domain.Offset {
	if index < len(w.log) {
		return w.log[index].Offset
	}
	return "the end"
}

// killed reports whether the node ended without a word, so that its last moments were not seen.
func (r *run) killed() bool { return r.ended.order > 0 && r.closing.order == 0 }

// firstOf is the node's first entry in the log.
func (w *world) firstOf(r *run) *logged {
	for _, l := range w.log {
		if l.Message.Node == r.node.ID() {
			return l
		}
	}
	return nil
}

// upTo is what an index that may be anything up to an entry's is written as.
func (w *world) upTo(l *logged) int {
	if l == nil {
		return -len(w.log) - 1
	}
	return -l.index - 1
}

// copies are the entries of the calls, without repeats.
func (w *world) copies() map[*call][]*logged {
	copies := make(map[*call][]*logged)
	for _, l := range w.log {
		if c := w.callOf(&l.Message); c != nil && !l.again {
			copies[c] = append(copies[c], l)
		}
	}
	return copies
}

// checkCall: a publish is in the log, or it is not, or it is not known which; and never twice. No call takes longer
// than its time, and what nothing hinders succeeds.
func (w *world) checkCall(c *call, copies []*logged) {
	name := c.name()
	if len(copies) > 1 {
		w.violationf("%s: is in the log %d times, at %s and %s", name, len(copies), copies[0].Offset, copies[1].Offset)
	}
	if !c.done || c.died {
		return
	}
	w.checkTime(c)
	switch c.do {
	case doLocal:
		if c.err != nil || c.local.twice || !c.local.isMade && !c.run.dead {
			w.violationf("%s: a local broadcast ended with %v; delivered %t, twice %t", name, c.err, c.local.isMade, c.local.twice)
		}
		return
	case doFetch, doServerAsk, doAcked:
		w.checkRequest(c)
		return
	default:
	}
	switch {
	case c.err == nil && len(copies) == 0:
		w.violationf("%s: succeeded at %q and is not in the log", name, c.offset)
	case c.err == nil && c.offset != "" && !w.isCopy(c, c.offset):
		w.violationf("%s: succeeded at %s, where the log holds something else", name, c.offset)
	case c.err != nil && !errors.Is(c.err, domain.ErrUnknown) && len(copies) > 0:
		w.violationf("%s: ended with %v and is in the log, at %s", name, c.err, copies[0].Offset)
	case c.err != nil && w.mustSucceed(c):
		w.violationf("%s: nothing hindered it, and it ended with %v", name, c.err)
	}
}

func (c *call) name() string {
	who := "emitter"
	if c.run != nil {
		who = c.run.name
	}
	return who + ": call " + c.event[1:] + " (" + c.do.String() + ")"
}

func (w *world) isCopy(c *call, at domain.Offset) bool {
	l := w.entryAt(at)
	return l != nil && w.callOf(&l.Message) == c
}

// limit is the time that a call has.
func (c *call) limit() time.Duration { return cmp.Or(c.timeout, requestTimeout) }

// checkTime: no call takes longer than its time. Who is stopped returns when he goes on.
func (w *world) checkTime(c *call) {
	until := c.began.at + c.limit()
	if c.run != nil {
		for _, t := range c.run.troubles {
			if t.frozen && t.from.at <= until && t.until.at > until {
				until = t.until.at
			}
		}
	}
	if c.ended.at > until {
		w.violationf("%s: began at %s and ended at %s, with a time of %s", c.name(), c.began.at, c.ended.at, c.limit())
	}
}

// mustSucceed reports whether nothing kept a publish from its success.
func (w *world) mustSucceed(c *call) bool {
	if c.run == nil {
		return true
	}
	if c.run.hinderedIn(c.began, c.ended) || (c.run.closing.order > 0 && c.run.closing.before(c.ended)) {
		return false
	}
	return c.fault.Outcome.Succeeds() && c.fault.Delay+c.fault.AnswerDelay < c.limit()
}

// checkChange: a local change is made once, at the first moment at which everything that its node had appended before
// is answered and has come back.
func (w *world) checkChange(ch *change) {
	if ch.inside || ch.run.node == nil {
		return
	}
	earliest, latest, waits := w.due(ch)
	who := "the sockets"
	if ch.socket != nil {
		who = string(ch.socket.id)
	}
	switch {
	case ch.twice:
		w.violationf("%s: change %d (%s of %s) was made twice", ch.run.name, ch.number, ch.do, who)
	case !ch.isMade && ch.run.killed():
	case !ch.isMade && ch.run.closing.order > 0 && (ch.closingBefore() || ch.run.dead):
	case !ch.isMade:
		w.violationf("%s: change %d (%s of %s) was never made", ch.run.name, ch.number, ch.do, who)
	case ch.run.closing.order > 0 && (ch.closingBefore() || ch.made.at >= ch.run.closing.at+goodbyeTime):
		// What still waits is made as things are.
	case ch.made.at < earliest, ch.made.at > latest && !waits:
		w.violationf("%s: change %d (%s of %s) was asked for at %s and made at %s, and was due from %s to %s", ch.run.name,
			ch.number, ch.do, who, ch.called.at, ch.made.at, earliest, latest)
	}
}

// goodbyeTime is how long a node that closes waits for what it has appended to come back.
const goodbyeTime = time.Second

func (c *change) closingBefore() bool { return c.run.closing.before(c.called) }

// due is the first and the last moment at which a change may be made; waits says that it need not be made yet.
func (w *world) due(ch *change) (earliest, latest time.Duration, waits bool) {
	earliest, latest = ch.called.at, ch.called.at
	for _, a := range ch.run.appends {
		user := isUsers(a.message) && !isSuperseding(a.message)
		if a.message.Namespace != ch.ns || !a.began.before(ch.called) || !user && a.message.Kind() != domain.KindInitialHeartbeat {
			continue
		}
		if !a.done {
			return earliest, latest, true
		}
		from, until := a.ended.at, a.ended.at
		if a.err == nil {
			passed, reset, ok := ch.run.passed(a)
			if !ok {
				return earliest, latest, true
			}
			until = max(until, passed)
			if !reset {
				from = until
			}
		}
		latest = max(latest, until)
		if user {
			earliest = max(earliest, from)
		}
	}
	return earliest, latest, false
}

// isSuperseding reports whether a message tells other nodes to drop what is left of a socket, which holds up nothing.
func isSuperseding(m *domain.Message) bool {
	d, ok := m.Body.(*domain.Disconnect)
	return ok && d.Superseded != ""
}

// passed is when a node's reader has passed what it appended, and whether the log began anew since.
func (r *run) passed(a *appending) (at time.Duration, reset, ok bool) {
	for i := range r.reads {
		rd := &r.reads[i]
		switch rd.notice.(type) {
		case *domain.Reset, *domain.Gap:
			if !r.hasReadOf(a.message.Namespace, rd.moment) {
				return 0, true, false // it does not know yet that the namespace is in this stream
			}
		default:
		}
		if _, is := rd.notice.(*domain.Reset); is {
			reset = reset || a.began.before(rd.moment)
		}
		if rd.reaches(r.w, a.at) {
			return rd.at, reset, true
		}
	}
	return 0, reset, false
}

// hasReadOf reports whether the node had read anything of a namespace before a moment.
func (r *run) hasReadOf(ns string, m moment) bool {
	return slices.ContainsFunc(r.reads, func(rd read) bool {
		return rd.entry != nil && rd.entry.Message.Namespace == ns && rd.before(m)
	})
}

// reaches reports whether the reader has passed a position by what it was handed.
func (rd *read) reaches(w *world, at domain.Offset) bool {
	var here domain.Offset
	switch n := rd.notice.(type) {
	case nil:
		here = rd.entry.Offset
	case *domain.AtTail:
		here = n.Cursor
	case *domain.Reset:
		here = n.Cursor
	default:
		return false
	}
	return w.compare(here, at) >= 0
}
