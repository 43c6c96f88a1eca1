package metrics

import (
	"context"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Channel returns a channel that measures what is sent and received over the given one. It keeps the contract of
// ports.Channel, and ports.As finds the inner channel's abilities through it.
func (m *Meters) Channel(inner ports.Channel) ports.Channel {
	return &measuredChannel{Channel: inner, meters: m}
}

type measuredChannel struct {
	ports.Channel
	meters *Meters
}

var _ ports.Decorator = (*measuredChannel)(nil)

// Unwrap returns the inner channel.
func (c *measuredChannel) Unwrap() any { return c.Channel }

// Send counts m and how long it takes.
func (c *measuredChannel) Send(ctx context.Context, to domain.NodeID, m *domain.Message) error {
	began := time.Now()
	err := c.Channel.Send(ctx, to, m)
	c.meters.sent(ctx, channelLane, m, time.Since(began), err)
	return err
}

// Listen counts what is heard.
func (c *measuredChannel) Listen(
	ctx context.Context, namespace string, node domain.NodeID, h ports.ChannelHandler,
) (ports.Subscription, error) {
	return c.Channel.Listen(ctx, namespace, node, &measuredListener{inner: h, meters: c.meters})
}

type measuredListener struct {
	inner  ports.ChannelHandler
	meters *Meters
}

// Unwrap returns the inner handler.
func (l *measuredListener) Unwrap() any { return l.inner }

// HandleMessage counts m and hands it on.
func (l *measuredListener) HandleMessage(ctx context.Context, m *domain.Message) {
	l.meters.received(channelLane, m)
	l.inner.HandleMessage(ctx, m)
}
