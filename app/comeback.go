package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// comeback is a client on its way back: a ports.Comeback.
type comeback struct {
	node    *Node
	ns      *namespace
	record  *record
	catchUp *domain.CatchUp
	reason  string
	// at is the position up to which everything was looked at.
	at domain.Offset

	missed   []*domain.Delivery // that were found and not handed over
	bytes    int                // of them
	replayed int
	over     bool
	// repeats knows what was missed so far. Pages are free of repeats, each for itself.
	repeats *domain.Sequences
}

func (c *comeback) Socket() domain.SocketID   { return c.record.socket }
func (c *comeback) Session() domain.SessionID { return c.record.id }

func (c *comeback) Data() domain.Value {
	c.record.mu.Lock()
	defer c.record.mu.Unlock()
	return c.record.data
}

// adopt makes the session this node's own, as away: if the node dies the client can come back once more.
func (c *comeback) adopt(ctx context.Context, a *arrival) error {
	n := c.node
	s := c.catchUp.Session(own(c.at))
	r := &record{
		keeper: n.keeper, ns: c.ns, id: s.ID, socket: s.Socket, state: recordReturning, claim: a.claim,
		data: s.Data, stays: domain.NewStays(s.Stays, s.Whole), began: own(s.Began), asOf: s.AsOf, lost: a.lost, tried: true,
	}
	c.record = r
	at := n.placesOf(c.ns)
	if !n.keeper.hold(r) {
		return domain.ErrSessionLost
	}
	r.mu.Lock()
	own := r.session(&at)
	r.mu.Unlock()
	err := errors.Join(n.sessions.Save(ctx, []*domain.Session{own})...)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		_ = r.gone()
		return fmt.Errorf("take the session: %w", err)
	case r.state == recordGone:
		return domain.ErrSessionLost
	}
	r.saved(own, 0)
	return nil
}

func (c *comeback) Next(ctx context.Context, maxBytes int) ([]*domain.Delivery, error) {
	if err := c.look(ctx); err != nil {
		return nil, err
	}
	n, bytes := 0, 0
	for n < len(c.missed) && (n == 0 || bytes+c.missed[n].Packet.Size() <= maxBytes) {
		bytes += c.missed[n].Packet.Size()
		n++
	}
	next := c.missed[:n:n]
	c.missed = c.missed[n:]
	c.bytes -= bytes
	c.replayed += n
	return next, nil
}

func (c *comeback) Enter(
	ctx context.Context, maxBytes int,
	enter func(rest []*domain.Delivery, rooms []string, s ports.Session, at domain.Offset),
) (bool, error) {
	// Most of it is looked at before the order is taken.
	if err := c.look(ctx); err != nil {
		return false, err
	}
	c.ns.mu.Lock()
	entered, err := c.enter(maxBytes, enter)
	c.ns.mu.Unlock()
	if err != nil {
		return false, c.fail(ctx, err)
	}
	if entered {
		c.over = true
		c.node.observe(ctx, &domain.RecoveryEnded{
			Namespace: c.ns.name, Socket: c.record.socket, Replayed: c.replayed,
			Recovery: domain.Recovery{Outcome: domain.Recovered, Reason: c.reason},
		})
	}
	return entered, nil
}

// enter makes the cut where the reader stands. The caller holds the namespace's order.
func (c *comeback) enter(
	maxBytes int, enter func(rest []*domain.Delivery, rooms []string, s ports.Session, at domain.Offset),
) (bool, error) {
	n := c.node
	cursor := c.ns.fence.Cursor()
	if n.log.Compare(c.at, cursor) < 0 {
		parts, ok := c.ns.history.since(c.at, n.log.Compare)
		if !ok {
			return false, nil // it has to be read again
		}
		if err := c.takeAll(parts); err != nil {
			return false, err
		}
		c.at = cursor
	}
	if c.bytes > maxBytes {
		return false, nil
	}
	r := c.record
	r.mu.Lock()
	if r.state != recordReturning {
		r.mu.Unlock()
		return false, domain.ErrSessionLost
	}
	c.advance()
	r.state = recordLive
	r.touch()
	rooms := r.stays.Rooms()
	r.mu.Unlock()
	rest := c.missed
	c.missed, c.bytes = nil, 0
	c.replayed += len(rest)
	enter(rest, rooms, r, cursor)
	return true, nil
}

// advance brings the record to where the client stands. The caller holds the record.
func (c *comeback) advance() {
	s := c.catchUp.Session(own(c.at))
	c.record.stays, c.record.asOf = domain.NewStays(s.Stays, s.Whole), s.AsOf
}

func (c *comeback) Abandon() {
	if c.over {
		return
	}
	c.over = true
	c.leave()
	c.node.observe(c.node.ctx, &domain.RecoveryEnded{
		Namespace: c.ns.name, Socket: c.record.socket, Replayed: c.replayed,
		Recovery: domain.Recovery{Reason: "the client was gone before it had everything"},
	})
}

// leave lets the client come back once more.
func (c *comeback) leave() {
	r := c.record
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == recordReturning {
		c.advance()
		r.leave(r.asOf)
	}
}

var errOver = errors.New("the comeback is over")

// look finds what the client has missed up to where the reader stands.
func (c *comeback) look(ctx context.Context) error {
	if c.over {
		return errOver
	}
	if c.node.ctx.Err() != nil {
		return domain.ErrClosed
	}
	c.record.mu.Lock()
	state := c.record.state
	c.record.mu.Unlock()
	if state != recordReturning {
		return c.fail(ctx, domain.ErrSessionLost)
	}
	if err := c.scan(ctx); err != nil {
		return c.fail(ctx, err)
	}
	return nil
}

// fail ends the comeback, unless it is ctx that has ended.
func (c *comeback) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, domain.ErrClosed) {
		return err
	}
	c.over = true
	if useless(err) {
		c.record.End()
	} else {
		c.leave()
	}
	c.node.observe(ctx, &domain.RecoveryEnded{
		Namespace: c.ns.name, Socket: c.record.socket, Replayed: c.replayed, Recovery: outcomeOf(err),
	})
	if r, ok := errors.AsType[*refusal](err); ok && r.outcome == domain.RecoveryGap {
		return fmt.Errorf("%w: %w", domain.ErrGap, err)
	}
	return err
}

// scan looks at everything up to where the reader stands: in what is in memory of it, and before that in what is read
// again.
func (c *comeback) scan(ctx context.Context) error {
	n := c.node
	for {
		c.ns.mu.Lock()
		cursor, from := c.ns.fence.Cursor(), c.ns.history.from
		if n.log.Compare(c.at, cursor) >= 0 {
			c.ns.mu.Unlock()
			return nil
		}
		parts, ok := c.ns.history.since(c.at, n.log.Compare)
		c.ns.mu.Unlock()
		if ok {
			err := c.takeAll(parts)
			c.at = cursor
			return err
		}
		if from == "" || n.log.Compare(from, cursor) > 0 {
			from = cursor
		}
		p, err := n.page(ctx, c.ns, c.at, from)
		if err != nil {
			return err
		}
		if err := c.take(p.items[firstAfter(p.items, c.at, n.log.Compare):]); err != nil {
			return err
		}
		c.at = p.through
	}
}

func (c *comeback) takeAll(parts [][]missable) error {
	for _, items := range parts {
		if err := c.take(items); err != nil {
			return err
		}
	}
	return nil
}

// take looks at entries in their order.
func (c *comeback) take(items []missable) error {
	for i := range items {
		e := items[i].entry
		// Each of a thousand clients looks at each entry, so only what matters to this one is remembered.
		if items[i].delivery == nil && c.repeats.Observe(&e.Message, e.Time).Repeat {
			continue
		}
		switch c.catchUp.Next(e) {
		case domain.MissedNothing:
		case domain.MissedDisconnect:
			return domain.ErrDisconnected
		case domain.MissedPacket:
			if c.repeats.Observe(&e.Message, e.Time).Repeat {
				continue
			}
			c.missed = append(c.missed, items[i].delivery)
			c.bytes += items[i].delivery.Packet.Size()
			if c.bytes > c.node.config.Recovery.ReplayBytes {
				return errTooMuch
			}
		}
	}
	return nil
}
