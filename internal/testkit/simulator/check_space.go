package simulator

import (
	"slices"
	"strings"

	"github.com/roombus/roombus/domain"
)

// belief is who is in which rooms of a node's namespace, by the simplest means there is.
type belief map[*socket]map[string]bool

// meant are the sockets that a target means.
func (b belief) meant(t *domain.Target) []*socket {
	var meant []*socket
	for s, in := range b {
		if means(t, in) {
			meant = append(meant, s)
		}
	}
	return meant
}

// means decides whether somebody who is in rooms is meant.
func means(t *domain.Target, in map[string]bool) bool {
	wanted := len(t.Rooms) == 0
	for _, room := range t.Rooms {
		wanted = wanted || in[room]
	}
	for _, room := range t.Except {
		wanted = wanted && !in[room]
	}
	return wanted
}

// apply performs a room operation.
func (b belief) apply(op domain.RoomOperation) {
	for _, s := range b.meant(targetOf(op)) {
		switch op := op.(type) {
		case *domain.Join:
			for _, room := range op.Rooms {
				b[s][room] = true
			}
		case *domain.Leave:
			for _, room := range op.Rooms {
				delete(b[s], room)
			}
		case *domain.Disconnect:
			delete(b, s)
		}
	}
}

// change makes a local change.
func (b belief) change(ch *change) {
	in, there := b[ch.socket]
	switch ch.do {
	case doConnect:
		b[ch.socket] = map[string]bool{string(ch.socket.id): true}
		for _, room := range ch.rooms {
			b[ch.socket][room] = true
		}
	case doJoin:
		for _, room := range ch.rooms {
			if there {
				in[room] = true
			}
		}
	case doLeave:
		for _, room := range ch.rooms {
			delete(in, room)
		}
	default:
		delete(b, ch.socket)
	}
}

// checkSpace: what a node's reader was handed reaches its edge once, in order, and nothing else does; each socket that
// is in the rooms of a message at the message's place gets it, and no other.
func (w *world) checkSpace(r *run, ns string) {
	entries := r.handed(ns)
	b := make(belief)
	past := -1 // index in the log of the last entry that came
	for i := range r.spaces[ns].events {
		h := &r.spaces[ns].events[i]
		switch {
		case h.change != nil:
			w.checkPlace(r, h.change, past)
			b.change(h.change)
		case h.fetched != nil:
			w.checkReached(r, h, b, h.fetched, "a question")
		case h.event != "":
		case h.delivery != nil && !w.wentThroughLog(r, h.delivery):
			w.checkReached(r, h, b, &w.named[h.delivery.Packet.Event()].target, h.delivery.Packet.Event())
		default:
			if len(entries) == 0 {
				w.violationf("%s in %s: %s came to the edge, and the reader was handed nothing more", r.name, ns, h.what())
				return
			}
			l := entries[0]
			entries = entries[1:]
			if !w.matches(r, h, l) {
				w.violationf("%s in %s: %s came to the edge in the place of %s, %s", r.name, ns, h.what(), l.Offset, describe(&l.Message))
				return
			}
			past = l.index
			if h.op != nil {
				w.checkReached(r, h, b, targetOf(h.op), "a "+h.op.Kind().String())
				b.apply(h.op)
			} else {
				w.checkReached(r, h, b, &w.named[h.delivery.Packet.Event()].target, h.delivery.Packet.Event())
			}
		}
	}
	if len(entries) > 0 && !r.killed() {
		w.violationf("%s in %s: its reader was handed %s, %s, which did not come to the edge",
			r.name, ns, entries[0].Offset, describe(&entries[0].Message))
	}
	w.checkHandlers(r, ns)
}

// handed are the entries that have to reach the edge of a node.
func (r *run) handed(ns string) []*logged {
	var handed []*logged
	for i := range r.reads {
		rd := &r.reads[i]
		if rd.entry == nil || rd.again || rd.entry.Message.Namespace != ns {
			continue
		}
		switch b := rd.entry.Message.Body.(type) {
		case *domain.Broadcast:
			own := rd.entry.Message.Node == r.node.ID()
			if own && b.Target.Flags.Volatile && b.Request == "" {
				continue // it was delivered when it was sent
			}
		case *domain.Disconnect:
			if b.Superseded != "" {
				continue // which sockets it means the node knows
			}
		case domain.RoomOperation:
		default:
			continue
		}
		handed = append(handed, r.w.entryAt(rd.entry.Offset))
	}
	return handed
}

// wentThroughLog reports whether a delivery comes from the log.
func (w *world) wentThroughLog(r *run, d *domain.Delivery) bool {
	c := w.named[d.Packet.Event()]
	return c != nil && c.do != doLocal && (c.do != doVolatile || c.run != r)
}

func (h *happening) what() string {
	if h.op != nil {
		return h.op.Kind().String()
	}
	return h.delivery.Packet.Event()
}

// matches reports whether what came to the edge is what the log holds.
func (w *world) matches(r *run, h *happening, l *logged) bool {
	if h.op != nil {
		return domain.Body(h.op) == l.Message.Body
	}
	b, ok := l.Message.Body.(*domain.Broadcast)
	if !ok || b.Packet.Event() != h.delivery.Packet.Event() {
		return false
	}
	offset := l.Offset
	if b.Target.Flags.Volatile || b.Request != "" {
		offset = ""
	}
	if h.delivery.Offset != offset {
		w.violationf("%s: %s was delivered with the offset %q, not %q", r.name, h.what(), h.delivery.Offset, offset)
	}
	return true
}

// checkReached: those are reached who are in the rooms at that place.
func (w *world) checkReached(r *run, h *happening, b belief, t *domain.Target, what string) {
	want, got := fullNames(b.meant(t)), fullNames(h.reached)
	if !slices.Equal(want, got) {
		w.violationf("%s: %s at %s reached %v, and should have reached %v", r.name, what, h.at, got, want)
	}
}

// checkPlace: the position that a local change is told is that of the last entry that came before it.
func (w *world) checkPlace(r *run, ch *change, past int) {
	if r.closing.order > 0 && ch.at == "" {
		return
	}
	if place := w.place(ch.at); place <= past {
		w.violationf("%s: change %d was made behind entry %s, and told that it is at %q", r.name, ch.number, w.offsetOf(past), ch.at)
	} else if next := w.nextIn(ch.ns, past); next != nil && next.index < place && r.hasFreshly(next) {
		w.violationf("%s: change %d was made before entry %s, and told that it is at %q", r.name, ch.number, next.Offset, ch.at)
	}
}

// nextIn is the next entry of a namespace that an edge is handed.
func (w *world) nextIn(ns string, past int) *logged {
	for _, l := range w.log[past+1:] {
		if l.Message.Namespace != ns {
			continue
		}
		switch l.Message.Body.(type) {
		case *domain.Broadcast, domain.RoomOperation:
			return l
		}
	}
	return nil
}

// hasFreshly reports whether the node's edge was handed an entry.
func (r *run) hasFreshly(l *logged) bool {
	return slices.Contains(r.handed(l.Message.Namespace), l)
}

// checkHandlers: server-side emits reach the application of every other node once, those of the log in its order.
func (w *world) checkHandlers(r *run, ns string) {
	var want, got []string
	for i := range r.reads {
		rd := &r.reads[i]
		if rd.entry == nil || rd.again || rd.entry.Message.Namespace != ns || rd.entry.Message.Node == r.node.ID() {
			continue
		}
		if b, ok := rd.entry.Message.Body.(*domain.ServerSideEmit); ok {
			want = append(want, b.Packet.Event())
		}
	}
	times := make(map[string]int)
	for i := range r.spaces[ns].events {
		h := &r.spaces[ns].events[i]
		if h.event == "" {
			continue
		}
		times[h.event]++
		if times[h.event] > 1 {
			w.violationf("%s: %s came to the application twice", r.name, h.event)
		}
		if slices.Contains(want, h.event) {
			got = append(got, h.event)
		}
	}
	if r.ended.order > 0 { // what waited for its turn then is gone
		want = want[:min(len(got), len(want))]
	}
	if !slices.Equal(want, got) {
		w.violationf("%s in %s: handled %s, and should have handled %s", r.name, ns, strings.Join(got, " "), strings.Join(want, " "))
	}
}
