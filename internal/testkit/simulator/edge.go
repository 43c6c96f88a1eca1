package simulator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// space is a namespace of a node's edge: its sockets, and what has happened to them, in order.
type space struct {
	rooms  *domain.Rooms[*socket]
	events []happening
	// toTell is what sessions are told once the world's lock is free, still in the namespace's order.
	toTell []func()
}

func newSpace() *space { return &space{rooms: domain.NewRooms[*socket]()} }

// happening is a step of an edge's namespace: a delivery, a room operation, a local change, or a question. One of its
// fields says which.
type happening struct {
	moment
	delivery *domain.Delivery
	op       domain.RoomOperation
	change   *change
	fetched  *domain.Target
	event    string // handed to a handler

	reached []*socket // whom a delivery, an operation or a question meant, as the edge found
}

// socket is a client's connection to a namespace of a node.
type socket struct {
	id      domain.SocketID
	run     *run
	ns      string
	wire    *wire
	part    *part
	session ports.Session
	in      bool // the edge's index
}

// name tells the socket from others of the same session.
func (s *socket) name() string { return fmt.Sprint(s.run.name, "/", s.id, "#", s.part.number) }

// Deliver hands a packet to the sockets that are meant. Their answers come at once, later, or never.
func (r *run) Deliver(_ context.Context, d *domain.Delivery) int {
	w := r.w
	w.mu.Lock()
	sp := r.spaces[d.Namespace]
	if r.dead || sp == nil {
		w.mu.Unlock()
		return 0
	}
	reached := slices.Collect(sp.rooms.Select(&d.Target))
	sp.events = append(sp.events, happening{moment: w.now(), delivery: d, reached: reached})
	if c := w.named[d.Packet.Event()]; c != nil && c.local != nil {
		c.local.twice = c.local.isMade
		c.local.isMade, c.local.made = true, w.now()
	}
	w.tellf(r.name, "delivers %s (%s) to %s", d.Packet.Event(), d.Offset, names(reached))
	for _, s := range reached {
		s.wire.receive(w.now(), s.part, d, false)
	}
	var now []string
	if d.Ack != nil {
		now = w.answers(d, reached)
	}
	w.mu.Unlock()
	for _, text := range now {
		d.Ack(domain.TextValue(text))
	}
	return len(reached)
}

// answers decides how sockets answer, starts the late answers, and returns those that come at once.
func (w *world) answers(d *domain.Delivery, reached []*socket) (now []string) {
	for _, s := range reached {
		chance := w.chance(d.Packet.Event() + " " + string(s.id))
		text := s.name()
		wait, silent := w.reaction(chance)
		switch {
		case silent:
		case wait == 0:
			now = append(now, text)
		default:
			time.AfterFunc(wait, func() { d.Ack(domain.TextValue(text)) })
		}
	}
	return now
}

// reaction is how long somebody takes to answer, who may not answer at all.
func (w *world) reaction(chance interface{ IntN(n int) int }) (wait time.Duration, silent bool) {
	switch {
	case w.calm:
		return 0, false
	case chance.IntN(1000) < w.plan.network.silent:
		return 0, true
	case chance.IntN(2) == 0:
		return 0, false
	case chance.IntN(10) == 0:
		return time.Duration(1 + chance.IntN(int(8*time.Second))), false
	default:
		return time.Duration(1 + chance.IntN(int(50*time.Millisecond))), false
	}
}

// Apply performs a room operation on the sockets that are meant.
func (r *run) Apply(_ context.Context, namespace string, op domain.RoomOperation, at domain.Offset) int {
	w := r.w
	w.mu.Lock()
	sp := r.spaces[namespace]
	if r.dead || sp == nil {
		w.mu.Unlock()
		return 0
	}
	reached := slices.Collect(sp.rooms.Select(targetOf(op)))
	sp.events = append(sp.events, happening{moment: w.now(), op: op, reached: reached})
	w.tellf(r.name, "applies a %s to %s", op.Kind(), names(reached))
	for _, s := range reached {
		s.apply(sp, op, at)
	}
	w.mu.Unlock()
	sp.tellSessions(w)
	return len(reached)
}

// tellSessions tells sessions what has happened. The caller has the namespace's order.
func (sp *space) tellSessions(w *world) {
	w.mu.Lock()
	tell := sp.toTell
	sp.toTell = nil
	w.mu.Unlock()
	for _, f := range tell {
		f()
	}
}

// apply performs an operation on a socket. The caller holds the lock.
func (s *socket) apply(sp *space, op domain.RoomOperation, at domain.Offset) {
	switch op := op.(type) {
	case *domain.Join:
		for _, room := range op.Rooms {
			sp.rooms.Join(s, room)
		}
		s.keep(sp, func(k ports.Session) { k.Join(op.Rooms, at) })
	case *domain.Leave:
		for _, room := range op.Rooms {
			sp.rooms.Leave(s, room)
		}
		s.keep(sp, func(k ports.Session) { k.Leave(op.Rooms, at) })
	case *domain.Disconnect:
		s.remove(sp)
		s.keep(sp, func(k ports.Session) { s.part.end(s.run.w, k.End()) })
	}
}

// keep tells the socket's session something, if it has one. The caller holds the lock.
func (s *socket) keep(sp *space, tell func(ports.Session)) {
	if k := s.session; k != nil {
		sp.toTell = append(sp.toTell, func() { tell(k) })
	}
}

// remove takes the socket out of the edge, and its connection from the client.
func (s *socket) remove(sp *space) {
	sp.rooms.Remove(s)
	s.in = false
	s.wire.cut()
}

// Sockets lists the sockets that are meant.
func (r *run) Sockets(_ context.Context, namespace string, t *domain.Target) []domain.SocketDetails {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	sp := r.spaces[namespace]
	if r.dead || sp == nil {
		return nil
	}
	reached := slices.Collect(sp.rooms.Select(t))
	sp.events = append(sp.events, happening{moment: w.now(), fetched: t, reached: reached})
	w.tellf(r.name, "lists %v for %v", names(reached), t.Except)
	details := make([]domain.SocketDetails, len(reached))
	for i, s := range reached {
		details[i] = domain.SocketDetails{ID: s.id, Rooms: sp.rooms.Of(s), Data: domain.TextValue(s.name())}
	}
	return details
}

// ServerSideEmit is the application of the node. It answers at once, later, or never, and may take its time.
func (r *run) ServerSideEmit(ctx context.Context, namespace string, p domain.Packet, reply func(domain.Value)) {
	w := r.w
	w.mu.Lock()
	sp := r.spaces[namespace]
	if r.dead || sp == nil {
		w.mu.Unlock()
		return
	}
	sp.events = append(sp.events, happening{moment: w.now(), event: p.Event()})
	w.tellf(r.name, "handles %s", p.Event())
	chance := w.chance(p.Event() + " " + r.name)
	wait, silent := w.reaction(chance)
	works := chance.IntN(3) == 0
	w.mu.Unlock()
	answer := func() {
		if reply != nil {
			reply(domain.TextValue(r.name))
		}
	}
	switch {
	case silent:
	case wait == 0:
		answer()
	case works:
		timer := time.NewTimer(min(wait, 100*time.Millisecond))
		defer timer.Stop()
		select {
		case <-timer.C:
			answer()
		case <-ctx.Done():
		}
	default:
		time.AfterFunc(wait, answer)
	}
}

func targetOf(op domain.RoomOperation) *domain.Target {
	switch op := op.(type) {
	case *domain.Join:
		return &op.Target
	case *domain.Leave:
		return &op.Target
	case *domain.Disconnect:
		return &op.Target
	default:
		return &domain.Target{}
	}
}

// fullNames are the names of sockets, in order.
func fullNames(sockets []*socket) []string {
	all := make([]string, len(sockets))
	for i, s := range sockets {
		all[i] = s.name()
	}
	slices.Sort(all)
	return all
}

func names(sockets []*socket) []domain.SocketID {
	ids := make([]domain.SocketID, len(sockets))
	for i, s := range sockets {
		ids[i] = s.id
	}
	return ids
}
