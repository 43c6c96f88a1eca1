package simulator

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// census is a channel that knows who listens.
type census struct {
	ports.Channel
	run *run
}

// Unwrap is the channel.
func (c census) Unwrap() any { return c.Channel }

// Listen counts the listener while it is there.
func (c census) Listen(
	ctx context.Context, namespace string, node domain.NodeID, h ports.ChannelHandler,
) (ports.Subscription, error) {
	s, err := c.Channel.Listen(ctx, namespace, node, h)
	if err != nil {
		return nil, err
	}
	c.run.listen(namespace, 1)
	return &counted{Subscription: s, run: c.run, namespace: namespace}, nil
}

func (r *run) listen(namespace string, n int) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.listens[namespace] += n
}

// counted is a listener that is counted until it is closed.
type counted struct {
	ports.Subscription
	run       *run
	namespace string
	closed    atomic.Bool
}

// Close ends the listener.
func (c *counted) Close() error {
	if !c.closed.Swap(true) {
		c.run.listen(c.namespace, -1)
	}
	return c.Subscription.Close()
}

// Listening counts who listens: nobody who is cut off or dead.
func (c census) Listening(
	ctx context.Context, namespace string, nodes []domain.NodeID,
) (named []domain.NodeID, others int, err error) {
	w := c.run.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	if c.run.cut.order > 0 {
		return nil, 0, fmt.Errorf("count the listeners of %s: the connection is cut", namespace)
	}
	for _, r := range w.runs {
		if r.dead || r.cut.order > 0 || r.listens[namespace] == 0 || r.node == nil {
			continue
		}
		if !slices.Contains(nodes, r.node.ID()) {
			others++
		}
	}
	for _, id := range nodes {
		if r := w.runOf(id); r != nil && !r.dead && r.cut.order == 0 && r.listens[namespace] > 0 {
			named = append(named, id)
		}
	}
	return named, others, nil
}
