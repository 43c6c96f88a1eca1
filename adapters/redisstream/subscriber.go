package redisstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Subscriber is Watermill's message.Subscriber on Redis Streams: every subscriber gets every message (fan-out). It
// reads in batches on a connection of its own, and hands over one message at a time, after the one before was
// acknowledged. Besides Watermill's interface it is a watermill.Tailer, which hands over batches, a Replayer and a
// Comparer.
type Subscriber struct {
	config  Config
	servers *servers
	owns    bool // whether servers is closed with it
	local   *standings
	echoes  *echoBook // of the publisher beside it; nil without one

	mu      sync.Mutex
	readers map[*reader]struct{}
	closed  bool
	// closing is closed when the subscriber is.
	closing chan struct{}
	running sync.WaitGroup
}

var (
	_ message.Subscriber = (*Subscriber)(nil)
	_ watermill.Tailer   = (*Subscriber)(nil)
	_ watermill.Replayer = (*Subscriber)(nil)
	_ watermill.Comparer = (*Subscriber)(nil)
	_ watermill.Lagger   = (*Subscriber)(nil)
)

// NewSubscriber makes a subscriber with connections of its own, made with the client's options; see [New].
func NewSubscriber(client redis.UniversalClient, config Config) (*Subscriber, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("make a subscriber on Redis Streams: %w", err)
	}
	servers, err := newServers(client)
	if err != nil {
		return nil, fmt.Errorf("make a subscriber on Redis Streams: %w", err)
	}
	s := newSubscriber(servers, config)
	s.owns = true
	return s, nil
}

func newSubscriber(servers *servers, config Config) *Subscriber {
	return &Subscriber{
		config: config, servers: servers, local: newStandings(),
		readers: make(map[*reader]struct{}), closing: make(chan struct{}),
	}
}

// Tail hands every entry after a position to h, in batches; see watermill.Tailer. The position is fixed when it
// returns.
func (s *Subscriber) Tail(
	ctx context.Context, stream string, after domain.Offset, h watermill.TailHandler,
) (ports.Subscription, error) {
	return s.tail(ctx, stream, after, h, s.config.paced(), !s.config.Spectator)
}

// tail is Tail; publishers wait for readers that are paced, and those that are named tell the stream's epoch.
func (s *Subscriber) tail(
	ctx context.Context, stream string, after domain.Offset, h watermill.TailHandler, paced, named bool,
) (ports.Subscription, error) {
	from, err := s.config.positionIn(after, stream)
	if err != nil {
		return nil, fmt.Errorf("read %s after a position: %w", stream, err)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.config.PublishTimeout)
		defer cancel()
	}
	if s.isClosed() {
		return nil, fmt.Errorf("read %s: the subscriber: %w", stream, domain.ErrClosed)
	}
	info, err := fetchInfo(ctx, s.servers.shared, stream)
	if err != nil {
		return nil, explain(err, "read "+stream)
	}
	at, gap := startPlace(stream, from.start(info), info)
	if named {
		if at.epoch, err = agree(ctx, s.servers.shared, stream, 0, epoch(0).next()); err != nil {
			return nil, explain(err, "read "+stream)
		}
	}
	r := newReader(s, at, h)
	r.gap, r.named = gap, named
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("read %s: the subscriber: %w", stream, domain.ErrClosed)
	}
	s.readers[r] = struct{}{}
	if paced {
		r.standing = s.local.enter(stream)
	}
	r.batch.echoes = s.echoesFor(stream, h)
	if r.batch.echoes == nil {
		s.running.Go(r.run)
		return r, nil
	}
	s.echoes.readers.Add(1)
	s.running.Go(func() {
		defer s.echoes.readers.Add(-1)
		r.run()
	})
	return r, nil
}

// echoesFor are the echoes of a stream, for a handler that can do with them; nil for another.
func (s *Subscriber) echoesFor(stream string, h watermill.TailHandler) *echoes {
	if _, ok := h.(watermill.EchoHandler); !ok || s.echoes == nil {
		return nil
	}
	return s.echoes.of(stream)
}

// Behind is how many entries the tail that is furthest behind has still to hand over; see watermill.Lagger.
// Subscriptions through Watermill's interface, which go at their handlers' pace, do not count.
func (s *Subscriber) Behind() (entries int64, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.readers {
		if r.named {
			entries, known = max(entries, r.behind.Load()), true
		}
	}
	return entries, known
}

func (s *Subscriber) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// fetchInfo asks for what a server says of a stream.
func fetchInfo(ctx context.Context, client redis.Cmdable, stream string) (streamInfo, error) {
	return readInfo(client.XInfoStream(ctx, stream))
}

func readInfo(command *redis.XInfoStreamCmd) (streamInfo, error) {
	raw, err := command.Result()
	switch {
	case err != nil && isReply(err) && strings.Contains(err.Error(), "no such key"):
		return streamInfo{}, nil
	case err != nil:
		return streamInfo{}, err
	}
	info := streamInfo{length: raw.Length, added: raw.EntriesAdded}
	info.last, _ = parseID(raw.LastGeneratedID)
	info.first, _ = parseID(raw.FirstEntry.ID) // none in an empty stream
	return info, nil
}

// Subscribe returns a channel of the messages of a stream, each with its entry's id in the metadata [MetadataOffset].
// It begins at Config.After, by default with what is published after Subscribe has returned. A message that is
// refused (Nack) comes again after a short pause. What cannot be read, and what is missing, goes to Config.Notice.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	a := newAcknowledged(ctx, topic, s.config.Notice)
	tail, err := s.tail(ctx, topic, s.config.After, a, false, false)
	if err != nil {
		a.end()
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed { // Close has ended the tail
		a.end()
		return nil, fmt.Errorf("read %s: the subscriber: %w", topic, domain.ErrClosed)
	}
	s.running.Go(func() {
		select {
		case <-ctx.Done():
		case <-s.closing:
		}
		a.end()
		tail.Close() //nolint:gosec // a reader's Close has no error
		close(a.messages)
	})
	return a.messages, nil
}

// Compare orders two entry ids by their numbers; see watermill.Comparer.
func (*Subscriber) Compare(a, b domain.Offset) int { return compareOffsets(a, b) }

// Close ends all subscriptions and returns when their handlers will not be called again and their channels are
// closed.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	readers := make([]*reader, 0, len(s.readers))
	for r := range s.readers {
		readers = append(readers, r)
	}
	if first {
		close(s.closing)
	}
	s.mu.Unlock()
	var all error
	for _, r := range readers {
		all = errors.Join(all, r.Close())
	}
	s.running.Wait()
	if first && s.owns {
		all = errors.Join(all, s.servers.Close())
	}
	return all
}
