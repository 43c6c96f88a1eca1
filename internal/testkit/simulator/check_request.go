package simulator

import (
	"errors"
	"slices"

	"github.com/roombus/roombus/domain"
)

// checkRequest: a request has the answers of everybody who was asked, or names who is missing.
func (w *world) checkRequest(c *call) {
	var partial *domain.PartialError
	if c.err != nil && !errors.As(c.err, &partial) {
		// It could not be sent, or nobody knows whether it was: there are no others to be named.
		if w.mustSucceed(c) {
			w.violationf("%s: nothing hindered it, and it ended with %v", c.name(), c.err)
		}
		return
	}
	if partial == nil {
		partial = &domain.PartialError{}
	}
	if c.err != nil && len(partial.Missing)+partial.Unnamed+partial.MissingAcks == 0 {
		w.violationf("%s: is partial, and nothing is missing", c.name())
	}
	sure, possible := w.asked(c)
	for _, id := range partial.Missing {
		if r := w.runOf(id); r == nil || !slices.Contains(possible, r) {
			w.violationf("%s: misses an answer of %s, which was not there", c.name(), w.nameOf(id))
		}
	}
	missing := func(r *run) bool { return slices.Contains(partial.Missing, r.node.ID()) }
	switch c.do {
	case doFetch:
		w.checkFetched(c, sure, possible, missing)
	case doAcked:
		w.checkAcked(c, sure, missing, partial.MissingAcks)
	default:
		w.checkAnswers(c, sure, missing)
	}
}

// asked are the nodes that had to be asked: members in the asker's view as long as the request went on. Possible are
// those that were members at some time of it.
func (w *world) asked(c *call) (sure, possible []*run) {
	in := make(map[*run]bool)
	for i := range c.run.views {
		v := &c.run.views[i]
		if v.namespace != c.namespace || !v.before(c.began) {
			continue
		}
		in[w.runOf(v.change.Member.ID)] = v.change.Event != domain.MemberLeft && v.change.Event != domain.MemberLost
	}
	for r, there := range in {
		if there {
			sure, possible = append(sure, r), append(possible, r)
		}
	}
	for i := range c.run.views {
		v := &c.run.views[i]
		if v.namespace != c.namespace || v.before(c.began) || !v.before(c.ended) {
			continue
		}
		other := w.runOf(v.change.Member.ID)
		switch v.change.Event {
		case domain.MemberJoined:
			possible = append(possible, other)
		case domain.MemberLeft:
			sure = slices.DeleteFunc(sure, func(r *run) bool { return r == other })
		default:
		}
	}
	return append(sure, c.run), append(possible, c.run)
}

// checkFetched: the answer has, of every node that is not missing, the sockets that were meant when it answered, which
// was after everything that the asker had published before.
func (w *world) checkFetched(c *call, sure, possible []*run, missing func(*run) bool) {
	var want []string
	for _, r := range w.runs {
		h := w.answerOf(r, c)
		if h == nil {
			if slices.Contains(sure, r) && !missing(r) {
				w.violationf("%s: %s was not asked, and is not missing", c.name(), r.name)
			}
			continue
		}
		theirs := fullNames(h.reached)
		came := slices.ContainsFunc(c.sockets, func(name string) bool { return slices.Contains(theirs, name) })
		if !missing(r) && slices.Contains(sure, r) || came && slices.Contains(possible, r) {
			want = append(want, theirs...)
			w.checkNotOvertaken(c, r, h)
		}
	}
	got := slices.Sorted(slices.Values(c.sockets))
	slices.Sort(want)
	if !slices.Equal(want, got) {
		w.violationf("%s: fetched %v, and should have fetched %v", c.name(), got, want)
	}
}

// answerOf is how a node has answered a question for its sockets.
func (w *world) answerOf(r *run, c *call) *happening {
	if r.spaces[c.namespace] == nil {
		return nil
	}
	for i := range r.spaces[c.namespace].events {
		h := &r.spaces[c.namespace].events[i]
		if h.fetched != nil && slices.Contains(h.fetched.Except, c.mark) {
			return h
		}
	}
	return nil
}

// checkNotOvertaken: a question does not overtake what its asker had appended before.
func (w *world) checkNotOvertaken(c *call, r *run, answer *happening) {
	var newest domain.Offset
	for _, a := range c.run.appends {
		if a.done && a.err == nil && a.ended.before(c.began) && a.message.Namespace == c.namespace && isUsers(a.message) &&
			!isSuperseding(a.message) && w.compare(a.at, newest) > 0 {
			newest = a.at
		}
	}
	if newest == "" || r.resetBefore(answer.moment) || c.run.resetBefore(c.began) {
		return
	}
	for i := range r.reads {
		rd := &r.reads[i]
		if rd.reaches(w, newest) {
			if !rd.before(answer.moment) {
				w.violationf("%s: %s answered before it had read what the asker had published at %s", c.name(), r.name, newest)
			}
			return
		}
	}
	if r.running.order > 0 && w.place(newest) > w.placeAt(r.running) {
		w.violationf("%s: %s answered without having read what the asker had published at %s", c.name(), r.name, newest)
	}
}

// placeAt is how many entries the log had at a moment.
func (w *world) placeAt(m moment) int {
	n := 0
	for _, l := range w.log {
		if l.before(m) {
			n++
		}
	}
	return n
}

func (r *run) resetBefore(m moment) bool {
	return slices.ContainsFunc(r.reads, func(rd read) bool {
		_, reset := rd.notice.(*domain.Reset)
		return reset && rd.before(m)
	})
}

// checkAcked: there is one answer at the most of each socket that was reached, and what is missing is counted.
func (w *world) checkAcked(c *call, sure []*run, missing func(*run) bool, missingAcks int) {
	answered := make(map[string]int)
	for _, text := range c.answers {
		answered[text]++
		if answered[text] > 1 {
			w.violationf("%s: %s answered twice", c.name(), text)
		}
	}
	least, most := 0, 0 // how many answers are missing; of some nodes nobody knows whether they were counted
	for _, r := range w.runs {
		h := w.deliveryOf(r, c)
		if h == nil {
			if slices.Contains(sure, r) && !missing(r) {
				w.violationf("%s: %s did not deliver it, and is not missing", c.name(), r.name)
			}
			continue
		}
		got := 0
		for _, s := range h.reached {
			if answered[s.name()] > 0 {
				got++
				delete(answered, s.name())
			}
		}
		if !missing(r) || got > 0 {
			most += len(h.reached) - got
		}
		if slices.Contains(sure, r) && !missing(r) {
			least += len(h.reached) - got
		}
	}
	for text := range answered {
		w.violationf("%s: %s answered, which was not reached", c.name(), text)
	}
	if missingAcks < least || missingAcks > most {
		w.violationf("%s: misses %d answers; %d to %d are missing", c.name(), missingAcks, least, most)
	}
}

// deliveryOf is how a node has delivered a broadcast.
func (w *world) deliveryOf(r *run, c *call) *happening {
	if r.spaces[c.namespace] == nil {
		return nil
	}
	for i := range r.spaces[c.namespace].events {
		h := &r.spaces[c.namespace].events[i]
		if h.delivery != nil && h.delivery.Packet.Event() == c.event {
			return h
		}
	}
	return nil
}

// checkAnswers: there is one answer of every other node that is not missing.
func (w *world) checkAnswers(c *call, sure []*run, missing func(*run) bool) {
	answered := make(map[string]int)
	for _, text := range c.answers {
		answered[text]++
		if answered[text] > 1 {
			w.violationf("%s: %s answered twice", c.name(), text)
		}
	}
	for _, r := range sure {
		if r != c.run && answered[r.name] == 0 && !missing(r) {
			w.violationf("%s: %s did not answer, and is not missing", c.name(), r.name)
		}
		if answered[r.name] > 0 && missing(r) {
			w.violationf("%s: %s answered, and is missing", c.name(), r.name)
		}
	}
	for text := range answered {
		if !slices.ContainsFunc(w.runs, func(r *run) bool { return r.name == text && r != c.run }) {
			w.violationf("%s: somebody answered %q who was not asked", c.name(), text)
		}
	}
}
