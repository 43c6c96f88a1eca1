package watermill

import (
	"context"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// LogChannel is a ports.Channel for a transport that has no ephemeral lane: requests and answers go through the log,
// and arrive at everybody's tail. That is how the 0.2 line of the Node.js adapter works.
type LogChannel struct{ log ports.Log }

var _ ports.Channel = (*LogChannel)(nil)

// NewLogChannel returns the lane over a log.
func NewLogChannel(log ports.Log) *LogChannel { return &LogChannel{log: log} }

// Send appends m to the log, where everybody reads it; who is not meant does not know the request. The errors are
// those of ports.Log.Append.
func (c *LogChannel) Send(ctx context.Context, _ domain.NodeID, m *domain.Message) error {
	sent := *m
	sent.After = "" // its place in the log says it
	_, err := c.log.Append(ctx, &sent)
	return err
}

// Listen hands over nothing: what is sent arrives at the log's tail.
func (*LogChannel) Listen(
	ctx context.Context, _ string, _ domain.NodeID, _ ports.ChannelHandler,
) (ports.Subscription, error) {
	return subscriptions(nil), context.Cause(ctx)
}
