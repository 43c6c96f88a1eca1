package simulator

import (
	"context"
	"slices"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// comeback is a client that has asked a node for its session, and what came of it.
type comeback struct {
	client       *client
	life         *life
	run          *run
	seen         domain.Offset // what the client said
	began, ended moment
	over         bool // the session's end had been reported done before
	recovery     domain.Recovery
	part         *part // nil unless it was recovered
	entered      bool
	intact       bool          // the connection, when it entered
	rooms        []string      // in which it was when it entered
	at           domain.Offset // as of which
	err          error         // of the way from recovered to entered
}

// comeBack lets a client ask for its session. The caller holds the lock.
func (w *world) comeBack(ctx context.Context, c *client, r *run, rooms []string, variant int) {
	b := &comeback{client: c, life: c.life, run: r, seen: c.seen, began: w.now(), over: c.life.over()}
	w.returns = append(w.returns, b)
	c.coming = true
	on := c.wire
	w.tellf(r.name, "client %d comes back as %s with %q", c.number, b.life.socketID, b.seen)
	w.calling.Go(func() { w.recover(ctx, b, on, rooms, variant) })
}

// recover asks a node for a session, and takes what comes with it.
func (w *world) recover(ctx context.Context, b *comeback, on *wire, rooms []string, variant int) {
	c, r := b.client, b.run
	s := &socket{id: b.life.socketID, run: r, ns: b.life.ns, wire: on}
	coming, recovery := r.node.Recover(ctx, s.ns, b.life.id, b.seen, s.lost)
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { c.coming = false }()
	b.recovery, b.ended = recovery, w.now()
	w.tellf(r.name, "client %d: %s %s", c.number, recovery.Outcome, recovery.Reason)
	switch {
	case r.dead:
		on.cut()
	case coming == nil:
		if on.open {
			w.enter(c, on, r, s.ns, rooms)
		}
	default:
		b.part = w.newPart(&part{life: b.life, run: r, socket: s, from: b})
		w.mu.Unlock()
		err := w.catchUp(ctx, b, coming, variant)
		w.mu.Lock()
		if b.err = err; !b.entered {
			on.cut()
		}
		w.tellf(r.name, "client %d: entered %t in %v at %q, %v", c.number, b.entered, b.rooms, b.at, err)
	}
}

// catchUp takes what the client has missed, until it is in, or its connection breaks.
func (w *world) catchUp(ctx context.Context, b *comeback, coming ports.Comeback, variant int) error {
	defer coming.Abandon()
	s := b.part.socket
	budget := 20 + variant%10*30
	for round := 0; ; round++ {
		w.mu.Lock()
		if variant%7 == 0 && round == 1 {
			s.wire.cut()
		}
		open := s.wire.open && !b.run.dead
		w.mu.Unlock()
		if !open {
			return nil
		}
		missed, err := coming.Next(ctx, budget)
		if err != nil {
			return err
		}
		w.take(s, missed)
		if len(missed) > 0 && variant%2 == 0 {
			continue
		}
		entered, err := coming.Enter(ctx, budget, func(rest []*domain.Delivery, rooms []string, k ports.Session, at domain.Offset) {
			w.take(s, rest)
			w.mu.Lock()
			defer w.mu.Unlock()
			ch := w.newChange(&change{do: doConnect, run: s.run, ns: s.ns, socket: s, rooms: rooms})
			ch.inside = true
			if !ch.happens(at) {
				return
			}
			s.begin(rooms, k, at)
			b.entered, b.rooms, b.at = true, slices.Clone(rooms), at
			if b.intact = s.wire.open; b.intact {
				b.client.socket = s
			}
		})
		if err != nil || entered {
			return err
		}
	}
}

// take hands missed packets to the client.
func (w *world) take(s *socket, missed []*domain.Delivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range missed {
		w.tellf(s.run.name, "replays %s (%s) to %s", d.Packet.Event(), d.Offset, s.id)
		s.wire.receive(w.now(), s.part, d, true)
	}
}
