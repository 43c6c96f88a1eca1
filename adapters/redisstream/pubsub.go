package redisstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// PubSubMode says whether requests and answers have a lane of their own.
type PubSubMode string

// The modes. All Go nodes of a cluster should have the same one, and the 0.3 line of the Node.js adapter the one that
// its useShardedPubSub says; the 0.2 line works with each. A node that listens elsewhere is asked through the stream.
const (
	// PubSubOff sends everything through the stream, as the 0.2 line of the Node.js adapter does.
	PubSubOff PubSubMode = "off"
	// PubSubPlain uses PUBLISH and SUBSCRIBE, as the 0.3 line does.
	PubSubPlain PubSubMode = "plain"
	// PubSubSharded uses SPUBLISH and SSUBSCRIBE, as the 0.3 line does with useShardedPubSub. In a Redis Cluster it
	// does not go through all servers.
	PubSubSharded PubSubMode = "sharded"
)

func (m PubSubMode) check() error {
	switch m {
	case PubSubOff, PubSubPlain, PubSubSharded:
		return nil
	default:
		return fmt.Errorf("a PUB/SUB mode of %q: it must be off, plain or sharded", string(m))
	}
}

// pubSubLane is the ephemeral lane on Redis' PUB/SUB, with the channels and payloads of the 0.3 line of the Node.js
// adapter: one channel a namespace for all, and one a node.
type pubSubLane struct {
	config  Config
	servers *servers
	sharded bool

	mu        sync.Mutex
	listeners map[*listener]struct{}
	closed    bool
}

var (
	_ ports.Channel = (*pubSubLane)(nil)
	_ ports.Census  = (*pubSubLane)(nil)
)

func newPubSubLane(s *servers, config Config) *pubSubLane {
	return &pubSubLane{
		config: config, servers: s, sharded: config.PubSub == PubSubSharded, listeners: make(map[*listener]struct{}),
	}
}

// channelName is the channel of a namespace, or with a node the node's own there.
func (c *pubSubLane) channelName(namespace string, node domain.NodeID) string {
	name := c.config.ChannelPrefix + "#" + namespace + "#"
	if node != "" {
		name += string(node) + "#"
	}
	return name
}

// Send publishes m; see ports.Channel. A server that cannot be reached, or refuses for now, is tried again.
func (c *pubSubLane) Send(ctx context.Context, to domain.NodeID, m *domain.Message) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	channel := c.channelName(m.Namespace, to)
	payload, err := encodeChannel(m)
	if err != nil {
		return fmt.Errorf("send on %s: %w", channel, err)
	}
	for pause := minReadPause; ; pause = min(2*pause, maxReadPause) {
		err = c.publish(ctx, channel, payload)
		if err == nil || !isDialError(err) && !isPassing(err) {
			break
		}
		c.servers.refresh(ctx, "", nil)
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
			continue
		case <-ctx.Done():
		}
		err = errors.Join(context.Cause(ctx), err)
		break
	}
	if err != nil {
		return fmt.Errorf("send on %s: %w", channel, err)
	}
	return nil
}

// publish makes one attempt. The client must not repeat it: what may have been sent is never sent again.
func (c *pubSubLane) publish(ctx context.Context, channel string, payload []byte) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if c.isClosed() {
		return fmt.Errorf("the channel: %w", domain.ErrClosed)
	}
	command := "publish"
	if c.sharded {
		command = "spublish"
	}
	return c.servers.shared.Process(ctx, once{redis.NewIntCmd(ctx, command, channel, payload)})
}

// once is a command that the client does not repeat.
type once struct{ *redis.IntCmd }

// NoRetry reports that the command is sent once at the most.
func (once) NoRetry() bool { return true }

// Listening counts subscribers; see ports.Census. Somebody with a pattern (PSUBSCRIBE) is none. In a Redis Cluster the
// masters are asked.
func (c *pubSubLane) Listening(
	ctx context.Context, namespace string, nodes []domain.NodeID,
) (named []domain.NodeID, others int, err error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	public := c.channelName(namespace, "")
	channels := []string{public}
	for _, node := range nodes {
		channels = append(channels, c.channelName(namespace, node))
	}
	count, err := c.subscribers(ctx, channels)
	if err != nil {
		return nil, 0, fmt.Errorf("count who listens on %s: %w", public, err)
	}
	all := count[public]
	for i, node := range nodes {
		if n := count[channels[i+1]]; n > 0 {
			named = append(named, node)
			all -= n
		}
	}
	return named, int(max(all, 0)), nil
}

func (c *pubSubLane) subscribers(ctx context.Context, channels []string) (map[string]int64, error) {
	ask := func(ctx context.Context, server redis.Cmdable) (map[string]int64, error) {
		if c.sharded {
			return server.PubSubShardNumSub(ctx, channels...).Result()
		}
		return server.PubSubNumSub(ctx, channels...).Result()
	}
	if c.servers.cluster == nil {
		return ask(ctx, c.servers.shared)
	}
	var mu sync.Mutex
	sum := make(map[string]int64, len(channels))
	err := c.servers.cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		count, err := ask(ctx, master)
		mu.Lock()
		defer mu.Unlock()
		for channel, n := range count {
			sum[channel] += n
		}
		return err
	})
	return sum, err
}

// Listen subscribes to a namespace's channel and to the node's own there; see ports.Channel. In a Redis Cluster the two
// sharded channels may be at different servers, so each has its connection; plain ones share one.
func (c *pubSubLane) Listen(
	ctx context.Context, namespace string, node domain.NodeID, h ports.ChannelHandler,
) (ports.Subscription, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	public, private := c.channelName(namespace, ""), c.channelName(namespace, node)
	groups := [][]string{{private, public}}
	if c.sharded {
		// The private one first: who is counted in public must be able to hear answers.
		groups = [][]string{{private}, {public}}
	}
	return c.listen(ctx, namespace, h, groups)
}

// listen subscribes to channels of a namespace, each group with a connection of its own.
func (c *pubSubLane) listen(
	ctx context.Context, namespace string, h ports.ChannelHandler, groups [][]string,
) (ports.Subscription, error) {
	l, public := &listener{channel: c, handler: h}, c.channelName(namespace, "")
	for _, names := range groups {
		e, err := newEar(ctx, l, names)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen on %s: %w", public, err), l.Close())
		}
		l.ears = append(l.ears, e)
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.listeners[l] = struct{}{}
	}
	c.mu.Unlock()
	if closed {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", public, domain.ErrClosed), l.Close())
	}
	return l, nil
}

// ListenPrivately hears what is sent in a namespace to one node alone, and not what is sent to everybody: for a process
// that asks without being a node, as [domain.EmitterID], and is answered on the lane by Node.js servers of the 0.3 line.
// They count who hears everybody's channel, so nobody counts this one. Without Config.PubSub there is no lane, and
// nothing is heard. Else it is as Listen of ports.Channel.
func (t *Transport) ListenPrivately(
	ctx context.Context, namespace string, node domain.NodeID, h ports.ChannelHandler,
) (ports.Subscription, error) {
	if t.pubSub == nil {
		return &listener{}, nil
	}
	ctx, cancel := t.pubSub.bounded(ctx)
	defer cancel()
	return t.pubSub.listen(ctx, namespace, h, [][]string{{t.pubSub.channelName(namespace, node)}})
}

func (c *pubSubLane) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.config.PublishTimeout)
}

func (c *pubSubLane) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Close ends all subscriptions.
func (c *pubSubLane) Close() error {
	c.mu.Lock()
	c.closed = true
	open := make([]*listener, 0, len(c.listeners))
	for l := range c.listeners {
		open = append(open, l)
	}
	c.mu.Unlock()
	var all error
	for _, l := range open {
		all = errors.Join(all, l.Close())
	}
	return all
}

// listener is one node in one namespace.
type listener struct {
	channel *pubSubLane
	handler ports.ChannelHandler
	ears    []*ear

	mu sync.Mutex // one message at a time
}

// Close unsubscribes and returns when the handler will not be called again.
func (l *listener) Close() error {
	if l.channel == nil { // there is no lane
		return nil
	}
	// The public channel first: who is counted there must answer.
	for _, e := range slices.Backward(l.ears) {
		e.close()
	}
	l.channel.mu.Lock()
	delete(l.channel.listeners, l)
	l.channel.mu.Unlock()
	return nil
}

// tellBad reports what was skipped on a channel, or why it cannot be heard.
func (l *listener) tellBad(channel string, err error) {
	l.tell(&domain.BadEntry{Stream: channel, Err: err})
}

// tell reports to the handler, or else to Config.Notice. A panic costs the notice: there is nobody else to tell.
func (l *listener) tell(notice domain.Notice) {
	defer func() { _ = recover() }()
	if h, ok := ports.As[ports.NoticeHandler](l.handler); ok {
		h.HandleNotice(context.Background(), notice)
	} else if l.channel.config.Notice != nil {
		l.channel.config.Notice(notice)
	}
}

// hear hands a message over. What cannot be read, and a handler that panics, costs the message.
func (l *listener) hear(received *redis.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		if fault := recover(); fault != nil {
			l.tellBad(received.Channel, fmt.Errorf("the handler panicked: %v", fault))
		}
	}()
	m, err := decodeChannel([]byte(received.Payload))
	if err == nil && !strings.HasPrefix(received.Channel, l.channel.channelName(m.Namespace, "")) {
		err = fmt.Errorf("it says that it is of the namespace %q", m.Namespace)
	}
	if err != nil {
		l.tellBad(received.Channel, err)
		return
	}
	l.handler.HandleMessage(context.Background(), m)
}
