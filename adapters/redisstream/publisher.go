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
	trim    []string            // how an XADD trims
	local   *standings          // the readers of this process
	echoes  *echoBook
	waited  atomic.Int64 // for readers, in nanoseconds
	pool    sync.Pool    // of *outgoing

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
	id := watermill.NewPublisherID()
	return &Publisher{
		config: config, servers: s, id: id, echoes: newEchoBook(id),
		room: semaphore.NewWeighted(config.QueueBytes), writers: make(map[string]*writer),
		trim: config.trimming(), local: newStandings(),
	}
}

// ID is the id under which this instance numbers what it publishes.
func (p *Publisher) ID() domain.PublisherID { return p.id }

// Waited is how long this publisher has waited for readers so far (Config.NoFlowControl says when it does).
func (p *Publisher) Waited() time.Duration { return time.Duration(p.waited.Load()) }

// Publish appends messages in their order and returns when all are stored, each with its id in the metadata
// [MetadataOffset]. Each message's context counts. The errors are those of Append, joined. Many messages in one call
// cost far less than as many calls: only one goroutine waits for them.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	type begun struct {
		*outgoing
		err error
	}
	all := make([]begun, len(messages))
	var d watermill.Draft
	for i, m := range messages {
		draft(&d, m)
		all[i].outgoing, all[i].err = p.begin(m.Context(), topic, &d, watermill.Retried)
	}
	var errs error
	for i, m := range messages {
		offset, err := domain.Offset(""), all[i].err
		if err == nil {
			offset, err = all[i].wait(m.Context())
		}
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("append to %s: %w", topic, err))
			continue
		}
		if m.Metadata == nil {
			m.Metadata = make(message.Metadata, 1)
		}
		m.Metadata[MetadataOffset] = string(offset)
	}
	return errs
}

// Append stores a message and returns its entry's id; see watermill.Appender. The error is domain.ErrNotPublished or
// domain.ErrUnknown, wrapped with the reason.
func (p *Publisher) Append(
	ctx context.Context, topic string, d *watermill.Draft, attempts watermill.Attempts,
) (domain.Offset, error) {
	e, err := p.begin(ctx, topic, d, attempts)
	if err != nil {
		return "", fmt.Errorf("append to %s: %w", topic, err)
	}
	offset, err := e.wait(ctx)
	if err != nil {
		return "", fmt.Errorf("append to %s: %w", topic, err)
	}
	return offset, nil
}

// begin puts a message into its stream's queue; the caller waits for the outcome. It blocks while the queue is full.
func (p *Publisher) begin(
	ctx context.Context, topic string, d *watermill.Draft, attempts watermill.Attempts,
) (*outgoing, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", domain.ErrNotPublished, context.Cause(ctx))
	}
	e, err := p.outgoing(d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", domain.ErrNotPublished, err)
	}
	e.once = attempts == watermill.Once
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline, e.patience = time.Now().Add(p.config.PublishTimeout), true
	}
	e.deadline = deadline
	e.room = min(int64(len(e.words)), p.config.QueueBytes)
	err = p.acquire(ctx, e)
	if err == nil {
		if err = p.enqueue(topic, e); err == nil {
			return e, nil
		}
		p.room.Release(e.room)
	}
	e.release()
	e.release()
	return nil, fmt.Errorf("%w: %w", domain.ErrNotPublished, err)
}

// acquire waits for room in the queue.
func (p *Publisher) acquire(ctx context.Context, e *outgoing) error {
	if p.room.TryAcquire(e.room) {
		return nil
	}
	ctx, cancel := context.WithDeadline(ctx, e.deadline)
	defer cancel()
	if err := p.room.Acquire(ctx, e.room); err != nil {
		return fmt.Errorf("the queue of %d bytes stayed full: %w", p.config.QueueBytes, context.Cause(ctx))
	}
	return nil
}

// wait waits for the outcome, and lets go of e.
func (e *outgoing) wait(ctx context.Context) (domain.Offset, error) {
	select {
	case <-e.done:
	case <-ctx.Done():
		e.writer.abandon(e, context.Cause(ctx))
		<-e.done
	}
	offset, err := e.offset, e.err
	e.release()
	return offset, err
}

func (p *Publisher) enqueue(topic string, e *outgoing) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return fmt.Errorf("the publisher: %w", domain.ErrClosed)
	}
	w, ok := p.writers[topic]
	if !ok {
		w = newWriter(p, topic)
		p.writers[topic] = w
		p.running.Go(w.run)
	}
	w.add(e)
	return nil
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
