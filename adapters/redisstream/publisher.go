package redisstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/semaphore"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// Publisher is Watermill's message.Publisher on Redis Streams, a topic a stream. What waits while a flush is under way
// goes out with the next one, in one transaction: whole and in order, or not at all. A flush whose outcome is not
// known is looked for before it is sent again, and nothing overtakes it. Besides Watermill's interface it is a
// watermill.Appender.
type Publisher struct {
	config  Config
	servers *servers
	owns    bool // whether servers is closed with it
	id      domain.PublisherID
	room    *semaphore.Weighted // for what waits, in bytes
	trim    []any               // how an XADD trims
	local   *standings          // the readers of this process
	waited  atomic.Int64        // for readers, in nanoseconds

	mu      sync.Mutex
	writers map[string]*writer
	closed  bool
	running sync.WaitGroup
}

var (
	_ message.Publisher  = (*Publisher)(nil)
	_ watermill.Appender = (*Publisher)(nil)
)

// NewPublisher makes a publisher with connections of its own, made with the client's options; see [New].
func NewPublisher(client redis.UniversalClient, config Config) (*Publisher, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("make a publisher on Redis Streams: %w", err)
	}
	s, err := newServers(client)
	if err != nil {
		return nil, fmt.Errorf("make a publisher on Redis Streams: %w", err)
	}
	p := newPublisher(s, config)
	p.owns = true
	return p, nil
}

func newPublisher(s *servers, config Config) *Publisher {
	return &Publisher{
		config: config, servers: s, id: watermill.NewPublisherID(),
		room: semaphore.NewWeighted(config.QueueBytes), writers: make(map[string]*writer),
		trim: config.trimming(), local: newStandings(),
	}
}

// ID is the id under which this instance numbers what it publishes.
func (p *Publisher) ID() domain.PublisherID { return p.id }

// Waited is how long this publisher has waited for readers so far (Config.NoFlowControl says when it does).
func (p *Publisher) Waited() time.Duration { return time.Duration(p.waited.Load()) }

// Publish appends messages in their order and returns when all are stored, each with its id in the metadata
// [MetadataOffset]. Each message's context counts. The errors are those of Append, joined.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	waits := make([]func() (domain.Offset, error), 0, len(messages))
	for _, m := range messages {
		waits = append(waits, p.begin(m.Context(), topic, m, watermill.Retried))
	}
	var all error
	for i, m := range messages {
		offset, err := waits[i]()
		if err != nil {
			all = errors.Join(all, err)
			continue
		}
		if m.Metadata == nil {
			m.Metadata = make(message.Metadata, 1)
		}
		m.Metadata.Set(MetadataOffset, string(offset))
	}
	return all
}

// Append stores a message and returns its entry's id; see watermill.Appender. The error is domain.ErrNotPublished or
// domain.ErrUnknown, wrapped with the reason.
func (p *Publisher) Append(
	ctx context.Context, topic string, m *message.Message, attempts watermill.Attempts,
) (domain.Offset, error) {
	return p.begin(ctx, topic, m, attempts)()
}

// begin puts m into its stream's queue and returns how to wait for its outcome. It blocks while the queue is full.
func (p *Publisher) begin(
	ctx context.Context, topic string, m *message.Message, attempts watermill.Attempts,
) func() (domain.Offset, error) {
	fail := func(err error) func() (domain.Offset, error) {
		return func() (domain.Offset, error) {
			return "", fmt.Errorf("append to %s: %w: %w", topic, domain.ErrNotPublished, err)
		}
	}
	e, err := newOutgoing(topic, m, p.trim)
	if err != nil {
		return fail(err)
	}
	deadline, ok := ctx.Deadline()
	cancel := func() {}
	if !ok {
		deadline = time.Now().Add(p.config.PublishTimeout)
		ctx, cancel = context.WithDeadline(ctx, deadline)
	}
	e.deadline, e.once = deadline, attempts == watermill.Once
	size := min(e.size, p.config.QueueBytes)
	if err := p.room.Acquire(ctx, size); err != nil {
		cancel()
		return fail(fmt.Errorf("the queue of %d bytes stayed full: %w", p.config.QueueBytes, context.Cause(ctx)))
	}
	e.room = func() { p.room.Release(size) }
	w, err := p.enqueue(topic, e)
	if err != nil {
		p.room.Release(size)
		cancel()
		return fail(err)
	}
	return func() (domain.Offset, error) {
		defer cancel()
		select {
		case <-e.done:
		case <-ctx.Done():
			w.abandon(e, context.Cause(ctx))
		}
		if e.err != nil {
			return "", fmt.Errorf("append to %s: %w", topic, e.err)
		}
		return e.offset, nil
	}
}

func (p *Publisher) enqueue(topic string, e *outgoing) (*writer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("the publisher: %w", domain.ErrClosed)
	}
	w, ok := p.writers[topic]
	if !ok {
		w = newWriter(p, topic)
		p.writers[topic] = w
		p.running.Go(w.run)
	}
	w.add(e)
	return w, nil
}

// Close waits until everything that was handed over has its outcome, and closes the publisher's connections. What is
// published afterwards fails with domain.ErrNotPublished.
func (p *Publisher) Close() error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	for _, w := range p.writers {
		w.finish()
	}
	p.mu.Unlock()
	p.running.Wait()
	if first && p.owns {
		return p.servers.Close()
	}
	return nil
}
