package metrics

import (
	"context"
	"errors"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Observer returns an observer that counts what the core reports, and then tells the given one, which may be nil.
func (m *Meters) Observer(next ports.Observer) ports.Observer {
	return &observer{counts: &m.counts, next: next}
}

type observer struct {
	counts *counts
	next   ports.Observer
}

var _ ports.Decorator = (*observer)(nil)

// Unwrap returns the next observer; nil if there is none.
func (o *observer) Unwrap() any { return o.next }

// Observe counts e.
func (o *observer) Observe(ctx context.Context, e domain.Event) {
	o.count(e)
	if o.next != nil {
		o.next.Observe(ctx, e)
	}
}

func (o *observer) count(e domain.Event) {
	c := o.counts
	switch e := e.(type) {
	case *domain.Gap:
		if e.Publisher != "" {
			c.holes.Add(1)
			c.holesLost.Add(int64(e.Lost))
		} else {
			c.trimmed.Add(1)
			c.trimmedLost.Add(int64(e.Lost))
		}
	case *domain.Reset:
		c.resets.Add(1)
	case *domain.Repeated:
		c.repeats.Add(1)
	case *domain.BadEntry:
		c.bad.Add(1)
	case *domain.TransportLost:
		c.losses.Add(1)
		c.isLost(e.Stream, true)
	case *domain.TransportFound:
		c.isLost(e.Stream, false)
	case *domain.Dropped:
		c.dropped[at(e.Kind)].Add(1)
	case *domain.RequestDone:
		c.ended(e)
	case *domain.RecoveryEnded:
		if int(e.Recovery.Outcome) < len(c.recoveries) {
			c.recoveries[e.Recovery.Outcome].Add(1)
		}
		c.replayed.Add(int64(e.Replayed))
	case *domain.SessionsFailed:
		c.sessionFailures.Add(1)
	case *domain.MemberChanged:
		if int(e.Change.Event) < len(c.changes) {
			c.changes[e.Change.Event].Add(1)
		}
	}
}

func (c *counts) ended(e *domain.RequestDone) {
	_, partial := errors.AsType[*domain.PartialError](e.Err)
	switch {
	case e.Err == nil:
		c.complete[at(e.Kind)].Add(1)
	case partial:
		c.partial[at(e.Kind)].Add(1)
	default:
		c.failed[at(e.Kind)].Add(1)
	}
}
