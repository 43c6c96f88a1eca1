package simulator

import (
	"context"
	"fmt"
	"slices"
	"testing/synctest"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// client is somebody who connects, again and again. What it last saw it never forgets, as the official client does
// not: not even when it has got a new session.
type client struct {
	number int
	conns  int
	seen   domain.Offset
	wire   *wire
	socket *socket
	on     *run
	life   *life // whose private id it knows; it may be over
	coming bool  // back: it has no socket yet
	stale  []*socket
}

// wire is the connection of a client. What is sent on one that is broken is lost, and the sender does not know it.
type wire struct {
	client *client
	open   bool
}

// life is a session, from the first connection to the last.
type life struct {
	id       domain.SessionID
	client   *client
	socketID domain.SocketID
	ns       string
	parts    []*part
	ended    []ending
}

// ending is what a node has said of a session's end.
type ending struct {
	by      *run
	deleted <-chan struct{}
}

// part is one connection's part of a life: from where it was in to where it was lost.
type part struct {
	number   int // of all
	life     *life
	run      *run
	socket   *socket
	from     *comeback // nil: the first
	rooms    []string  // in which it began
	began    domain.Offset
	begun    moment // when it was in; zero: it never was
	received []receipt
}

// receipt is a packet that a client has received.
type receipt struct {
	moment
	event    string
	offset   domain.Offset
	replayed bool
}

func (w *wire) cut() {
	if w.open {
		w.open = false
		c := w.client
		if c.wire == w {
			c.wire, c.socket, c.on = nil, nil, nil
		}
	}
}

// receive is a packet that arrives, if it does. The caller holds the lock.
func (w *wire) receive(now moment, p *part, d *domain.Delivery, replayed bool) {
	if !w.open || d.Target.Flags.Local && d.Ack != nil {
		return
	}
	p.received = append(p.received, receipt{now, d.Packet.Event(), d.Offset, replayed})
	switch {
	case d.Offset != "":
		w.client.seen = d.Offset
	case d.Ack == nil && d.Cursor != "":
		w.client.seen = d.Cursor // the edge appends it to a packet that ends in a text
	}
}

// lose ends the connection of a client, who notices it. The caller holds the lock.
func (c *client) lose() {
	if c.wire != nil {
		c.wire.cut()
	}
}

func (c *client) socketID() domain.SocketID {
	return domain.SocketID(fmt.Sprint("c", c.number, ".", c.conns))
}

// end takes note that the session was ended on one of its connections.
func (p *part) end(w *world, deleted <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p.isLatest() && !p.life.client.coming {
		p.life.ended = append(p.life.ended, ending{p.run, deleted})
	}
}

// over reports whether the session was ended by who had it, and the end was reported done. The caller holds the lock.
func (l *life) over() bool {
	return slices.ContainsFunc(l.ended, func(e ending) bool {
		select {
		case <-e.deleted:
			return !e.by.dead && e.by.closing.order == 0
		default:
			return false
		}
	})
}

// connect connects a client to a node, unless it is connected.
func (w *world) connect(ctx context.Context, a *action, r *run) {
	w.mu.Lock()
	c := w.clients[a.client]
	if c.wire != nil || c.coming {
		w.mu.Unlock()
		return
	}
	c.wire = &wire{client: c, open: true}
	c.on = r
	ns := w.plan.namespaces[c.number%len(w.plan.namespaces)]
	rooms := w.roomsOf(slices.DeleteFunc(slices.Clone(a.rooms), func(i int) bool { return i < 0 }))
	if c.life == nil || c.life.id == "" {
		w.enter(c, c.wire, r, ns, rooms)
	} else {
		w.comeBack(ctx, c, r, rooms, a.variant)
	}
	w.mu.Unlock()
	synctest.Wait()
}

// enter makes a client's new socket, with a new session. The caller holds the lock, which is released meanwhile.
func (w *world) enter(c *client, on *wire, r *run, ns string, rooms []string) {
	c.conns++
	l := &life{client: c, socketID: c.socketID(), ns: ns}
	s := &socket{id: l.socketID, run: r, ns: ns, wire: on}
	w.newPart(&part{life: l, run: r, socket: s, rooms: rooms})
	c.socket = s
	ch := w.newChange(&change{do: doConnect, run: r, ns: ns, socket: s, rooms: rooms})
	w.mu.Unlock()
	defer w.mu.Lock()
	r.inOrder(ns, func(at domain.Offset) {
		k := r.node.KeepSession(ns, s.id, rooms, domain.Value{}, at, s.lost)
		w.mu.Lock()
		defer w.mu.Unlock()
		if !ch.happens(at) {
			return
		}
		s.begin(rooms, k, at)
		if k == nil {
			return
		}
		l.id = k.ID()
		w.lives = append(w.lives, l)
		if on.open { // the client learns of its session with the packet that says that it is connected
			c.life = l
		}
	})
}

// newPart begins another part of a session's life. The caller holds the lock.
func (w *world) newPart(p *part) *part {
	w.parts++
	p.number = w.parts
	p.socket.part = p
	p.life.parts = append(p.life.parts, p)
	return p
}

// begin puts a socket into its edge. The caller holds the lock.
func (s *socket) begin(rooms []string, k ports.Session, at domain.Offset) {
	sp := s.run.spaces[s.ns]
	sp.rooms.Add(s)
	for _, room := range append([]string{string(s.id)}, rooms...) {
		sp.rooms.Join(s, room)
	}
	s.in, s.session = true, k
	s.part.began, s.part.begun = at, s.run.w.now()
}

// change asks for a local change of a socket, which is made in order. The caller holds the lock, which is released
// meanwhile.
func (s *socket) change(do deed, rooms []string, take func(sp *space, at domain.Offset)) {
	w := s.run.w
	ch := w.newChange(&change{do: do, run: s.run, ns: s.ns, socket: s, rooms: rooms})
	w.tellf(s.run.name, "is asked for change %d: %s %s %v", ch.number, do, s.name(), rooms)
	w.mu.Unlock()
	defer w.mu.Lock()
	s.run.inOrder(s.ns, func(at domain.Offset) {
		sp := s.run.spaces[s.ns]
		w.mu.Lock()
		if ch.happens(at) && s.in {
			ch.effective = true
			take(sp, at)
		}
		w.mu.Unlock()
		sp.tellSessions(w)
	})
}

// lost is called when somebody else has the socket's session.
func (s *socket) lost() {
	w := s.run.w
	w.calling.Go(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !s.run.dead {
			claimed := slices.ContainsFunc(w.returns, func(b *comeback) bool { return b.life == s.part.life && b != s.part.from })
			if !claimed && !s.run.hinderedIn(s.part.begun, w.now()) {
				w.violationf("%s: %s has lost its session, which nobody else has", s.run.name, s.id)
			}
			s.change(doLost, nil, func(sp *space, _ domain.Offset) { s.remove(sp) })
		}
	})
}

// gone takes the socket of a connection that was lost out of its edge: its client may come back.
func (s *socket) gone() {
	s.change(doNotice, nil, func(sp *space, at domain.Offset) {
		s.remove(sp)
		s.keep(sp, func(k ports.Session) { k.Away(at) })
	})
}

// changeSocket makes a client's socket join or leave rooms, or disconnect.
func (w *world) changeSocket(a *action) {
	w.mu.Lock()
	s := w.clients[a.client].socket
	if s == nil || s.run.dead || s.run.frozen.order > 0 || s.run.closing.order > 0 {
		w.mu.Unlock()
		return
	}
	rooms := w.roomsOf(slices.DeleteFunc(slices.Clone(a.rooms), func(i int) bool { return i < 0 }))
	if len(rooms) == 0 {
		rooms = []string{"r0"}
	}
	switch a.do {
	case doJoin:
		s.change(a.do, rooms, func(sp *space, at domain.Offset) { s.apply(sp, &domain.Join{Rooms: rooms}, at) })
	case doLeave:
		s.change(a.do, rooms, func(sp *space, at domain.Offset) { s.apply(sp, &domain.Leave{Rooms: rooms}, at) })
	default:
		s.change(a.do, nil, func(sp *space, at domain.Offset) { s.apply(sp, &domain.Disconnect{}, at) })
	}
	w.mu.Unlock()
	synctest.Wait()
}

func (w *world) setData(a *action) {
	w.mu.Lock()
	var k ports.Session
	if s := w.clients[a.client].socket; s != nil {
		k = s.session
	}
	w.mu.Unlock()
	if k != nil {
		k.SetData(domain.TextValue(fmt.Sprint("data ", a.variant)))
	}
}

// lose breaks a client's connection, or lets the node notice it.
func (w *world) lose(a *action) {
	w.mu.Lock()
	c := w.clients[a.client]
	if a.do == doHalfOpen {
		if s := c.socket; s != nil {
			c.stale = append(c.stale, s)
		}
		if c.wire != nil {
			w.tellf("client", "%d: its connection is broken", c.number)
			c.lose()
		}
		w.mu.Unlock()
		return
	}
	stale := c.stale
	c.stale = nil
	for _, s := range stale {
		if !s.run.dead && s.run.frozen.order == 0 {
			s.gone()
		}
	}
	w.mu.Unlock()
	synctest.Wait()
}

// loseSockets ends the connections of a node that closes. The caller does not hold the lock.
func (w *world) loseSockets(r *run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ns := range w.plan.namespaces {
		for _, s := range slices.Collect(r.spaces[ns].rooms.Select(&domain.Target{})) {
			s.gone()
		}
	}
}
