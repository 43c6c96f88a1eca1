package simulator

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/roombus/roombus/domain"
)

// checkSessions: a client has received every packet that was meant for its session, once, in order, over all its
// connections, or was told that its session is over.
func (w *world) checkSessions() {
	byLife := make(map[*life][]*change)
	for _, ch := range w.changes {
		if ch.isMade && ch.effective && ch.socket != nil {
			byLife[ch.socket.part.life] = append(byLife[ch.socket.part.life], ch)
		}
	}
	for _, l := range w.lives {
		w.checkLife(l, byLife[l])
	}
	for _, b := range w.returns {
		w.checkOutcome(b, byLife[b.life])
	}
}

// isLatest reports whether no later connection of the session has begun to be.
func (p *part) isLatest() bool { return p.life.parts[len(p.life.parts)-1] == p }

// truth is what may be true of a session: the local changes that it knows. There can be several truths: what was said of
// a session just before its node ended may be stored or not.
type truth struct {
	life  *life
	facts []*change
	sure  int // how many of the facts are settled, because a node has taken the session with them
}

// lived is what a session was like over a stretch of the log.
type lived struct {
	meant []int // the entries that were for it
	rooms map[string]bool
	ended int // the entry that ordered it to disconnect; negative: none
}

// live lets a session live over the log, and returns what was for it from one entry on, up to before another.
func (w *world) live(t truth, from, until int) lived {
	first := t.life.parts[0]
	rooms := map[string]bool{string(t.life.socketID): true}
	for _, room := range first.rooms {
		rooms[room] = true
	}
	out := lived{rooms: rooms, ended: -1}
	facts := t.facts
	apply := func(place int) {
		for len(facts) > 0 && w.place(facts[0].at) <= place {
			for _, room := range facts[0].rooms {
				if facts[0].do == doJoin {
					rooms[room] = true
				} else {
					delete(rooms, room)
				}
			}
			facts = facts[1:]
		}
	}
	for i := w.place(first.began); i < until; i++ {
		apply(i)
		l := w.log[i]
		if l.Message.Namespace != t.life.ns || l.again {
			continue
		}
		switch b := l.Message.Body.(type) {
		case *domain.Broadcast:
			if i >= from && !b.Target.Flags.Volatile && b.Request == "" && means(&b.Target, rooms) {
				out.meant = append(out.meant, i)
			}
		case *domain.Disconnect:
			if b.Superseded == "" && means(&b.Target, rooms) {
				out.ended = i
				return out
			}
		case domain.RoomOperation:
			if means(targetOf(b), rooms) {
				operate(rooms, b)
			}
		}
	}
	apply(until)
	return out
}

// operate performs a room operation on the rooms of one.
func operate(rooms map[string]bool, op domain.RoomOperation) {
	switch op := op.(type) {
	case *domain.Join:
		for _, room := range op.Rooms {
			rooms[room] = true
		}
	case *domain.Leave:
		for _, room := range op.Rooms {
			delete(rooms, room)
		}
	}
}

// checkLife follows a session through its connections.
func (w *world) checkLife(l *life, changes []*change) {
	truths := []truth{{life: l}}
	for i, p := range l.parts {
		if p.run.lostEntries() {
			return // what it missed it was told; what the session knows then is not in the log
		}
		if i > 0 {
			truths = w.checkReplay(truths, p)
		}
		if len(truths) == 0 {
			return
		}
		if p.begun.order > 0 {
			for j := range truths {
				truths[j].facts = slices.Clip(truths[j].facts)
				for _, ch := range changes {
					if ch.socket == p.socket && (ch.do == doJoin || ch.do == doLeave) {
						truths[j].facts = append(truths[j].facts, ch)
					}
				}
			}
			truths = w.checkLive(truths, p)
		}
		if len(truths) == 0 {
			return
		}
	}
}

// lostEntries reports whether the node's reader was told that it lost something.
func (r *run) lostEntries() bool {
	return slices.ContainsFunc(r.reads, func(rd read) bool {
		switch rd.notice.(type) {
		case *domain.Gap, *domain.Reset:
			return true
		default:
			return false
		}
	})
}

// checkLive: over one connection comes what is for the session, in order, without a hole.
func (w *world) checkLive(truths []truth, p *part) (possible []truth) {
	got := w.indices(p, false)
	until := 0
	switch {
	case p.socket.wire.open && p.socket.in:
		until = w.place(w.settled)
	case len(got) > 0:
		until = got[len(got)-1] + 1
	}
	var want lived
	for _, t := range truths {
		if want = w.live(t, w.place(p.began), until); slices.Equal(got, want.meant) {
			possible = append(possible, t)
		}
	}
	if len(possible) == 0 {
		w.violationf("%s: %s received %s, and should have received %s", p.run.name, p.socket.id, w.listed(got), w.listed(want.meant))
	}
	return possible
}

// checkReplay: what comes before a returning client is in is what it has missed; it is in the rooms in which it would be.
// What was said of the session just before its node ended may be forgotten.
func (w *world) checkReplay(truths []truth, p *part) (possible []truth) {
	b := p.from
	got := w.indices(p, true)
	var problems []string
	for _, t := range truths {
		for _, try := range w.guesses(t, b) {
			from := max(w.place(b.seen), w.place(t.life.parts[0].began))
			until := 0
			switch {
			case b.entered:
				until = w.place(b.at)
			case len(got) > 0:
				until = got[len(got)-1] + 1
			}
			want := w.live(try, from, until)
			switch {
			case want.ended >= 0:
				problems = append(problems, fmt.Sprintf("came back although it was ordered to disconnect at %s", w.offsetOf(want.ended)))
			case b.entered && !sameRooms(want.rooms, b.rooms):
				problems = append(problems, fmt.Sprintf("came back in %v, and should be in %v", b.rooms, want.rooms))
			case !slices.Equal(got, want.meant) && (b.intact || !slices.Equal(got, want.meant[:min(len(got), len(want.meant))])):
				problems = append(problems, fmt.Sprintf("was replayed %s, and missed %s", w.listed(got), w.listed(want.meant)))
			default:
				possible = append(possible, try)
			}
		}
	}
	if len(possible) == 0 {
		w.violationf("%s: %s %s", p.run.name, p.socket.id, problems[0])
	}
	return possible
}

// guesses are what a node can have known of a session when its client came back.
func (w *world) guesses(t truth, b *comeback) []truth {
	sure, known := t.sure, t.sure
	for i, f := range t.facts[t.sure:] {
		if f.made.before(b.ended) {
			known = t.sure + i + 1
		}
		if w.saved(f, b) {
			sure = t.sure + i + 1
		}
	}
	var guesses []truth
	for n := known; n >= sure; n-- {
		guesses = append(guesses, truth{t.life, t.facts[:n:n], n})
	}
	return guesses
}

func sameRooms(want map[string]bool, got []string) bool {
	for _, room := range got {
		if !want[room] {
			return false
		}
	}
	for room := range want {
		if !slices.Contains(got, room) && !strings.HasPrefix(room, "c") {
			return false
		}
	}
	return true
}

// saved reports whether a change was stored surely when a client came back.
func (w *world) saved(f *change, b *comeback) bool {
	r := f.run
	closing := r.closing.order > 0 && r.closing.before(f.made)
	if closing && r.hinderedIn(f.called, r.ended) {
		return false // who closes tries once
	}
	// Whoever asks for the session first takes it from its owner, whatever comes of it.
	for _, o := range w.returns {
		if o.life == b.life && o.began.before(b.began) && f.socket != nil && f.socket.part.begun.before(o.began) {
			b = o
		}
	}
	if closing && r.dead && r.ended.before(b.began) {
		return true // it has stored everything in the end
	}
	ended := b.began.at
	if r.dead && r.ended.before(b.began) {
		ended = r.ended.at
	}
	at := f.made.at
	for _, t := range r.pauses() {
		if t.from.at-saveTime < at && at < t.until.at+retryTime {
			at = t.until.at + retryTime
		}
	}
	return at+saveTime < ended
}

const (
	// saveTime is within which a change is stored when nothing hinders it.
	saveTime = 60 * time.Millisecond
	// retryTime is within which it is when something has hindered it before.
	retryTime = 8 * time.Second
)

// indices are the entries whose packets were received, live or as a replay.
func (w *world) indices(p *part, replayed bool) []int {
	var indices []int
	for _, r := range p.received {
		if r.offset == "" || r.replayed != replayed {
			continue
		}
		l := w.entryAt(r.offset)
		switch {
		case l == nil:
			w.violationf("%s: %s received %s at %s, which is not in the log", p.run.name, p.socket.id, r.event, r.offset)
		case l.again && (replayed || p.run.tookForNew(l)): // who reads the log from between an entry and its repeat cannot know
		default:
			indices = append(indices, l.index)
		}
	}
	return indices
}

// tookForNew reports whether a repeat was the first that the node has read of its publisher, so that it delivered it.
func (r *run) tookForNew(l *logged) bool {
	return slices.ContainsFunc(r.reads, func(rd read) bool { return rd.entry != nil && rd.entry.Offset == l.Offset && !rd.again })
}

func (w *world) listed(indices []int) string {
	var b strings.Builder
	for _, i := range indices {
		fmt.Fprintf(&b, " %s", w.offsetOf(i))
	}
	return "[" + strings.TrimSpace(b.String()) + "]"
}
