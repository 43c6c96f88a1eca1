package inmemory

import (
	"context"
	"fmt"
	"sync"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// memberChannel is the cluster's lane as a member sees it.
type memberChannel struct{ *Member }

// Send puts m into the queues of those who listen.
func (ch memberChannel) Send(ctx context.Context, to domain.NodeID, m *domain.Message) error {
	fault := ch.faults.nextSend(to, m)
	if fault != (SendFault{}) { // one deadline for all that it waits for
		var cancel context.CancelFunc
		ctx, cancel = ch.cluster.withDeadline(ctx)
		defer cancel()
	}
	if err := ch.delay(ctx, fault.Delay); err != nil {
		return fmt.Errorf("send in %s: %w", m.Namespace, err)
	}
	var receivers []*listener
	err := ch.connected(ctx, func() {
		if !fault.Lost {
			receivers = ch.receivers(to, m.Namespace)
		}
	})
	if err != nil {
		return fmt.Errorf("send in %s: %w", m.Namespace, err)
	}
	ctx, cancel := ch.cluster.withDeadline(ctx)
	defer cancel()
	for _, l := range receivers {
		if err := l.put(ctx, m); err != nil {
			return fmt.Errorf("send in %s: %w", m.Namespace, err)
		}
	}
	return nil
}

// receivers are the listeners that a message is for. The caller holds the lock.
func (m *Member) receivers(to domain.NodeID, namespace string) []*listener {
	var receivers []*listener
	for _, other := range m.cluster.members {
		if other == m || other.cut {
			continue
		}
		for _, l := range other.listeners {
			if l.namespace == namespace && (to == "" || to == l.node) {
				receivers = append(receivers, l)
			}
		}
	}
	return receivers
}

// Listen starts a listener.
func (ch memberChannel) Listen(
	ctx context.Context, namespace string, node domain.NodeID, h ports.ChannelHandler,
) (ports.Subscription, error) {
	m := ch.Member
	l := &listener{
		member:    m,
		namespace: namespace,
		node:      node,
		handler:   h,
		queue:     make(chan *domain.Message, m.cluster.config.QueueLength),
		quit:      make(chan struct{}),
		done:      make(chan struct{}),
	}
	//nolint:contextcheck // ctx bounds the start alone; handlers have a context of their own
	err := m.connected(ctx, func() {
		m.listeners = append(m.listeners, l)
		go l.run()
	})
	if err != nil {
		return nil, fmt.Errorf("listen in %s: %w", namespace, err)
	}
	return l, nil
}

// listener hands what is sent to a handler, on a goroutine of its own.
type listener struct {
	member    *Member
	namespace string
	node      domain.NodeID
	handler   ports.ChannelHandler

	queue chan *domain.Message
	quit  chan struct{}
	done  chan struct{}
	once  sync.Once
}

// put waits for a place in the queue. A listener that was closed meanwhile misses the message.
func (l *listener) put(ctx context.Context, m *domain.Message) error {
	select {
	case l.queue <- m:
		return nil
	default:
	}
	select {
	case l.queue <- m:
		return nil
	case <-l.quit:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the queue of node %s is full: %w", l.node, ctx.Err())
	}
}

func (l *listener) run() {
	defer close(l.done)
	for {
		select {
		case <-l.quit:
			return
		default:
		}
		select {
		case <-l.quit:
			return
		case m := <-l.queue:
			if l.member.thawed(l.quit) {
				l.hand(m)
			}
		}
	}
}

// hand hands over a message. A panic of the handler costs the message, as if it had been lost on the way.
func (l *listener) hand(m *domain.Message) {
	defer func() { _ = recover() }()
	l.handler.HandleMessage(context.Background(), m)
}

// stop ends the goroutine and waits for it.
func (l *listener) stop() {
	l.once.Do(func() { close(l.quit) })
	<-l.done
}

// Close ends the listener.
func (l *listener) Close() error {
	m := l.member
	m.cluster.mu.Lock()
	m.listeners = without(m.listeners, l)
	m.cluster.mu.Unlock()
	l.stop()
	return nil
}
