package tracing

import (
	"context"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Channel returns a channel that traces what is sent and received over the given one. It keeps the contract of
// ports.Channel, and ports.As finds the inner channel's abilities through it.
func (t *Tracer) Channel(inner ports.Channel) ports.Channel {
	if t.off {
		return inner
	}
	return &tracedChannel{
		Channel: inner,
		tracer:  t,
		send:    t.spans(sending(), channelLane),
		process: t.spans(processing(), channelLane),
	}
}

type tracedChannel struct {
	ports.Channel
	tracer  *Tracer
	send    *spans
	process *spans
}

var _ ports.Decorator = (*tracedChannel)(nil)

// Unwrap returns the inner channel.
func (c *tracedChannel) Unwrap() any { return c.Channel }

// Send sends a copy of m that carries the trace's context, inside a span that ends with the outcome.
func (c *tracedChannel) Send(ctx context.Context, to domain.NodeID, m *domain.Message) error {
	if !isTraced(m.Kind()) {
		return c.Channel.Send(ctx, to, m)
	}
	above := spanIn(ctx)
	if c.send.leavesOut(above) {
		return c.Channel.Send(ctx, to, c.tracer.withContext(ctx, m, nil, above, false))
	}
	ctx, span := c.send.begin(ctx, m)
	err := c.Channel.Send(ctx, to, c.tracer.withContext(ctx, m, span, above, false))
	if err != nil {
		fail(span, err)
	}
	c.send.end(span, m)
	return err
}

// Listen hands every message to h inside a span.
func (c *tracedChannel) Listen(
	ctx context.Context, namespace string, node domain.NodeID, h ports.ChannelHandler,
) (ports.Subscription, error) {
	return c.Channel.Listen(ctx, namespace, node, &tracedListener{inner: h, process: c.process})
}

type tracedListener struct {
	inner   ports.ChannelHandler
	process *spans
}

// Unwrap returns the inner handler.
func (l *tracedListener) Unwrap() any { return l.inner }

// HandleMessage hands m to the inner handler inside a span.
func (l *tracedListener) HandleMessage(ctx context.Context, m *domain.Message) {
	switch kind := m.Kind(); {
	case !isTraced(kind):
		l.inner.HandleMessage(ctx, m)
	case kind.IsAnswer():
		l.inner.HandleMessage(l.process.answered(ctx, m, ""), m)
	default:
		ctx, span := l.process.received(ctx, m, time.Time{})
		defer l.process.end(span, m)
		l.inner.HandleMessage(ctx, m)
	}
}
