package watermill

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// NewPublisherID returns a random id for a publisher instance: 16 lower-case hexadecimal characters.
func NewPublisherID() domain.PublisherID {
	var id [8]byte
	rand.Read(id[:])
	return domain.PublisherID(hex.EncodeToString(id[:]))
}

// counted serves a log over a Pub/Sub without abilities. Positions count what this process has read of a topic.
type counted struct {
	pub    message.Publisher
	sub    message.Subscriber
	id     domain.PublisherID
	config Config

	mu     sync.Mutex
	topics map[string]*countedTopic
}

func newCounted(pub message.Publisher, sub message.Subscriber, config Config) *counted {
	return &counted{
		pub: pub, sub: sub, id: NewPublisherID(), config: config, topics: make(map[string]*countedTopic),
	}
}

func (c *counted) topic(name string) *countedTopic {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.topics[name]
	if !ok {
		t = &countedTopic{
			name: name, id: c.id,
			publishing: make(chan struct{}, 1), starting: make(chan struct{}, 1),
			echoes: make(map[uint64]chan domain.Offset), tails: make(map[*countedTail]struct{}),
		}
		c.topics[name] = t
	}
	return t
}

// countedTopic is what a process knows of one topic.
type countedTopic struct {
	name string
	id   domain.PublisherID

	// publishing holds a token while a message is published, so that numbers are in order. It guards the next two.
	publishing chan struct{}
	sequence   uint64
	skipped    uint64

	// starting holds a token while the reader is started or stopped. It guards reader.
	starting chan struct{}
	reader   *countedReader

	// mu guards the rest.
	mu       sync.Mutex
	position uint64
	reading  bool
	// echoes are the appends that wait until this process reads what they published, by their number.
	echoes map[uint64]chan domain.Offset
	tails  map[*countedTail]struct{}
}

// append publishes m under the next number and waits for its echo.
func (c *counted) append(ctx context.Context, topic string, m *message.Message) (domain.Offset, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.config.AppendTimeout)
		defer cancel()
	}
	t := c.topic(topic)
	select {
	case t.publishing <- struct{}{}:
	case <-ctx.Done():
		return "", fmt.Errorf("append to %s: %w: %w", topic, domain.ErrNotPublished, context.Cause(ctx))
	}
	sequence, echo, err := c.publish(ctx, t, m)
	<-t.publishing
	if err != nil {
		return "", fmt.Errorf("append to %s: %w", topic, err)
	}
	select {
	case at := <-echo:
		return at, nil
	case <-ctx.Done():
		t.forget(sequence)
		return "", nil // it is published; only its position is not known
	}
}

// publish returns the message's number, and where its position will come. The topic's token is held.
func (c *counted) publish(
	ctx context.Context, t *countedTopic, m *message.Message,
) (sequence uint64, echo <-chan domain.Offset, err error) {
	if ctx.Err() != nil {
		return 0, nil, fmt.Errorf("%w: %w", domain.ErrNotPublished, context.Cause(ctx))
	}
	t.sequence++
	numbered := message.NewMessageWithContext(ctx, string(t.id)+"-"+strconv.FormatUint(t.sequence, 10), m.Payload)
	numbered.Metadata = m.Metadata
	numbered.Metadata[FieldPublisher] = string(t.id)
	numbered.Metadata[FieldSequence] = strconv.FormatUint(t.sequence, 10)
	if t.skipped > 0 {
		numbered.Metadata[FieldSkipped] = strconv.FormatUint(t.skipped, 10)
	}
	echo = t.expect(t.sequence)
	if err := c.pub.Publish(t.name, numbered); err != nil {
		// A publisher without abilities does not say whether anything was sent.
		t.skipped++
		t.forget(t.sequence)
		return 0, nil, fmt.Errorf("%w: %w", domain.ErrUnknown, err)
	}
	t.skipped = 0
	return t.sequence, echo, nil
}

// expect returns the channel on which the position of a number comes; a closed one when nobody reads.
func (t *countedTopic) expect(sequence uint64) chan domain.Offset {
	echo := make(chan domain.Offset, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reading {
		t.echoes[sequence] = echo
	} else {
		close(echo)
	}
	return echo
}

func (t *countedTopic) forget(sequence uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.echoes, sequence)
}

// receive counts a message and returns it with its position, and the tails that get it.
func (t *countedTopic) receive(m *message.Message) (Received, []*countedTail) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.position++
	received := Received{
		Offset: countedOffset(t.position), Time: time.Now(),
		UUID: m.UUID, Fields: FieldsOf(m.Metadata), Payload: m.Payload,
	}
	if m.Metadata[FieldPublisher] == string(t.id) {
		sequence, _ := strconv.ParseUint(m.Metadata[FieldSequence], 10, 64) // 0, which nobody waits for, if it is none
		if echo, ok := t.echoes[sequence]; ok {
			delete(t.echoes, sequence)
			echo <- received.Offset
		}
	}
	return received, t.allTails()
}

func (t *countedTopic) allTails() []*countedTail {
	tails := make([]*countedTail, 0, len(t.tails))
	for tail := range t.tails {
		tails = append(tails, tail)
	}
	return tails
}

func (t *countedTopic) notify(notice func(at domain.Offset) domain.Notice) {
	t.mu.Lock()
	at, tails := countedOffset(t.position), t.allTails()
	t.mu.Unlock()
	for _, tail := range tails {
		tail.do(func(h TailHandler) { h.HandleNotice(notice(at)) })
	}
}

func (t *countedTopic) beginReading() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reading = true
}

// stopReading lets go of the appends that wait for an echo.
func (t *countedTopic) stopReading() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reading = false
	for sequence, echo := range t.echoes {
		delete(t.echoes, sequence)
		close(echo)
	}
}

// tail begins to hand over what comes from now on. The reader of a topic is shared by its tails.
func (c *counted) tail(
	ctx context.Context, topic string, after domain.Offset, h TailHandler,
) (ports.Subscription, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	t := c.topic(topic)
	select {
	case t.starting <- struct{}{}:
		defer func() { <-t.starting }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	tail := &countedTail{topic: t, handler: h}
	t.mu.Lock()
	// The position is the last of the topic only as long as somebody reads it.
	if after != "" && (!t.reading || after != countedOffset(t.position)) {
		t.mu.Unlock()
		return nil, fmt.Errorf("tail from an earlier position: %w", domain.ErrUnsupported)
	}
	t.tails[tail] = struct{}{}
	t.mu.Unlock()
	if t.reader != nil {
		return tail, nil
	}
	reader, err := c.startReader(t)
	if err != nil {
		t.mu.Lock()
		delete(t.tails, tail)
		t.mu.Unlock()
		return nil, err
	}
	t.reader = reader
	return tail, nil
}

// countedTail is one tail of a topic.
type countedTail struct {
	topic   *countedTopic
	handler TailHandler

	mu     sync.Mutex // held while the handler runs
	closed bool
}

func (s *countedTail) do(call func(TailHandler)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		call(s.handler)
	}
}

// Close ends the tail, and with the last one the topic's reader.
func (s *countedTail) Close() error {
	s.mu.Lock()
	wasClosed := s.closed
	s.closed = true
	s.mu.Unlock()
	if wasClosed {
		return nil
	}
	t := s.topic
	t.starting <- struct{}{}
	defer func() { <-t.starting }()
	t.mu.Lock()
	delete(t.tails, s)
	last := len(t.tails) == 0
	t.mu.Unlock()
	if last && t.reader != nil {
		t.reader.stop()
		t.reader = nil
	}
	return nil
}

// countedReader is the goroutine that reads a topic.
type countedReader struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (r *countedReader) stop() {
	r.cancel()
	<-r.done
}

func (c *counted) startReader(t *countedTopic) (*countedReader, error) {
	ctx, cancel := context.WithCancel(context.Background())
	messages, err := c.sub.Subscribe(ctx, t.name)
	if err != nil {
		cancel()
		return nil, err
	}
	t.beginReading()
	r := &countedReader{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		defer t.stopReading()
		c.read(ctx, t, messages)
	}()
	return r, nil
}

// settle is how long nothing must have come after a message before a reader takes itself to be at the tail.
const settle = 50 * time.Millisecond

// read hands over messages until ctx is done, and subscribes again when the subscriber ends the subscription.
func (c *counted) read(ctx context.Context, t *countedTopic, messages <-chan *message.Message) {
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				if messages = c.resubscribe(ctx, t); messages == nil {
					return
				}
				continue
			}
			received, tails := t.receive(m)
			for _, tail := range tails {
				tail.do(func(h TailHandler) { h.HandleBatch([]Received{received}) })
			}
			m.Ack()
			quiet.Reset(settle)
		case <-quiet.C:
			t.notify(func(at domain.Offset) domain.Notice {
				return &domain.AtTail{Stream: t.name, Cursor: at, Time: time.Now()}
			})
			quiet.Reset(c.config.Quiet)
		}
	}
}

// errEnded is why a subscriber without abilities is lost: it does not say more.
var errEnded = errors.New("the subscriber has ended the subscription")

// The pause between two attempts to subscribe again, before jitter.
const minPause, maxPause = 50 * time.Millisecond, 5 * time.Second

// resubscribe goes on until it has a subscription, or ctx is done: then it returns nil. What was missed in between
// cannot be known, and is said so; the echoes that were waited for may be among it.
func (c *counted) resubscribe(ctx context.Context, t *countedTopic) <-chan *message.Message {
	t.stopReading()
	lost := time.Now()
	t.notify(func(domain.Offset) domain.Notice {
		return &domain.TransportLost{Stream: t.name, Since: lost, Err: errEnded}
	})
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + mathrand.N(pause/2)):
		}
		messages, err := c.sub.Subscribe(ctx, t.name)
		if err == nil {
			t.beginReading()
			t.notify(func(domain.Offset) domain.Notice {
				return &domain.TransportFound{Stream: t.name, Away: time.Since(lost)}
			})
			t.notify(func(at domain.Offset) domain.Notice {
				return &domain.Gap{Stream: t.name, After: at}
			})
			return messages
		}
	}
}

func countedOffset(position uint64) domain.Offset {
	return domain.Offset(strconv.FormatUint(position, 10))
}

// Compare orders two counted positions; what is none is before everything.
func (*counted) Compare(a, b domain.Offset) int { return cmp.Compare(positionOf(a), positionOf(b)) }

func positionOf(offset domain.Offset) uint64 {
	position, err := strconv.ParseUint(string(offset), 10, 64)
	if err != nil {
		return 0
	}
	return position
}
