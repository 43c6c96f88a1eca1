package simulator

import (
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
)

// checkOutcome: a client that was away for less than the window, whose session was stored and whose log is whole, has its
// session again; one whose session has ended does not; and whoever does not have it is told why.
func (w *world) checkOutcome(b *comeback, changes []*change) {
	who := b.run.name + ": " + string(b.life.socketID)
	switch {
	case b.ended.order == 0 || b.run.dead && b.run.ended.before(b.ended):
	case b.over && b.part != nil && !w.wasOrderedOut(b):
		w.violationf("%s came back although its end had been reported done", who)
	case b.part == nil && b.recovery.Reason == "":
		w.violationf("%s did not come back, and there is no reason, but %s", who, b.recovery.Outcome)
	case (b.part == nil || b.err != nil) && w.mustComeBack(b, changes):
		w.violationf("%s did not come back, and nothing was in its way: %s, %s, %v", who, b.recovery.Outcome, b.recovery.Reason, b.err)
	}
}

// wasOrderedOut reports whether the log has an order for this very socket to disconnect. A node that has ended a session
// which another had taken by then gives it; a client that comes in before the order's place is put out by it there.
func (w *world) wasOrderedOut(b *comeback) bool {
	return slices.ContainsFunc(w.log, func(l *logged) bool {
		d, ok := l.Message.Body.(*domain.Disconnect)
		return ok && d.Superseded == "" && slices.Equal(d.Target.Rooms, []string{string(b.life.socketID)})
	})
}

// mustComeBack reports whether nothing was in a client's way.
func (w *world) mustComeBack(b *comeback, changes []*change) bool {
	return w.keepsLog() && !w.slowNetwork() && !b.run.hinderedAround(b.began, b.ended) && b.run.closing.order == 0 &&
		!w.hasEnded(b, changes) && !w.alsoElsewhere(b) && w.isKept(b, changes)
}

// keepsLog reports whether the log holds everything from the beginning to the end.
func (w *world) keepsLog() bool {
	losing := slices.ContainsFunc(w.plan.actions, func(a action) bool { return a.do == doTrim || a.do == doReset })
	return !losing && (w.plan.maxLength < 0 || len(w.log) < w.plan.maxLength)
}

func (w *world) slowNetwork() bool {
	return w.plan.network.slow > 0 && w.plan.network.slowBy > time.Second
}

// aroundTime is so long that what was in the way before has no effect any more.
const aroundTime = 15 * time.Second

// hinderedAround reports whether anything was in the node's way from some time before a moment on, up to another.
func (r *run) hinderedAround(from, until moment) bool {
	for _, p := range r.pauses() {
		if p.from.at <= until.at && from.at-aroundTime <= p.until.at {
			return true
		}
	}
	return false
}

// hasEnded reports whether somebody has ended the session, or may have.
func (w *world) hasEnded(b *comeback, changes []*change) bool {
	if len(b.life.ended) > 0 || slices.ContainsFunc(changes, func(ch *change) bool { return ch.do == doDisconnect }) {
		return true
	}
	// Whatever rooms it was in: an order to disconnect may have meant it.
	return slices.ContainsFunc(w.log, func(l *logged) bool {
		d, ok := l.Message.Body.(*domain.Disconnect)
		return ok && d.Superseded == ""
	})
}

// alsoElsewhere reports whether the client has tried to come back shortly before, and has not been in.
func (w *world) alsoElsewhere(b *comeback) bool {
	return slices.ContainsFunc(w.returns, func(o *comeback) bool {
		return o != b && o.life == b.life && o.began.before(b.began) && !o.entered && b.began.at-o.began.at < aroundTime
	})
}

// isKept reports whether the session was stored, and is not too old.
func (w *world) isKept(b *comeback, changes []*change) bool {
	var last *part
	for _, p := range b.life.parts {
		if p.begun.order > 0 && p.begun.before(b.began) {
			last = p
		}
	}
	if last == nil || !w.saved(&change{run: last.run, made: last.begun}, b) {
		return false
	}
	r, since := last.run, b.began // when its node knew of it last
	switch {
	case r.closing.order > 0 && r.closing.before(b.began):
		since = r.closing
	case r.ended.order > 0 && r.ended.before(b.began):
		since = r.ended
	}
	for _, ch := range changes {
		if ch.socket == last.socket && (ch.do == doNotice || ch.do == doLost) && ch.made.before(since) {
			since = ch.made
		}
	}
	return b.began.at-since.at < window-3*time.Second && !r.hinderedAround(since, since)
}
