package watermill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Config are the choices of a Log. The zero Config works.
type Config struct {
	// Topic is the topic of a namespace. Default: the only one of Topics for every namespace.
	Topic func(namespace string) string
	// Topics are the topics that a tail reads: all that Topic can return. Default: "socket.io".
	Topics []string
	// OnePosition says that the Tailer knows what one position means in each of several topics, so that a tail can begin
	// at one.
	OnePosition bool
	// AppendTimeout bounds an Append whose context has no deadline, where the publisher is no Appender. Default 5 s.
	AppendTimeout time.Duration
	// Quiet is how often a tail without Tailer says that it stands at the tail while nothing comes. Default 1 s.
	Quiet time.Duration
}

// The defaults of a Config.
const (
	DefaultTopic         = "socket.io"
	defaultAppendTimeout = 5 * time.Second
	defaultQuiet         = time.Second
)

func (c Config) withDefaults() (Config, error) {
	if len(c.Topics) == 0 {
		c.Topics = []string{DefaultTopic}
	}
	if c.Topic == nil {
		if len(c.Topics) > 1 {
			return c, errors.New("several topics need a Topic function that chooses among them")
		}
		only := c.Topics[0]
		c.Topic = func(string) string { return only }
	}
	if c.AppendTimeout < 0 || c.Quiet < 0 {
		return c, errors.New("AppendTimeout and Quiet must not be negative")
	}
	if c.AppendTimeout == 0 {
		c.AppendTimeout = defaultAppendTimeout
	}
	if c.Quiet == 0 {
		c.Quiet = defaultQuiet
	}
	return c, nil
}

// Log is a ports.Log over a Watermill publisher and subscriber. See the package comment for what it promises with and
// without their abilities.
type Log struct {
	config Config
	// Either these two ...
	appender Appender
	tailer   Tailer
	// ... or this one.
	counted *counted

	replayer Replayer // nil when there is none
	holder   Holder   // nil when there is none
	lagger   Lagger   // nil when there is none
	comparer Comparer // never nil
}

var (
	_ ports.Log = (*Log)(nil)
	_ ports.Lag = (*Log)(nil)
)

// NewLog makes a Log of a publisher and a subscriber of the same Pub/Sub. It closes neither.
func NewLog(pub message.Publisher, sub message.Subscriber, config Config) (*Log, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("make a log over Watermill: %w", err)
	}
	l := &Log{config: config}
	appender, canAppend := ports.As[Appender](pub)
	tailer, canTail := ports.As[Tailer](sub)
	comparer, canCompare := ports.As[Comparer](sub)
	if !canAppend || !canTail || !canCompare {
		l.counted = newCounted(pub, sub, config)
		l.comparer = l.counted
		return l, nil
	}
	l.appender, l.tailer, l.comparer = appender, tailer, comparer
	l.replayer, _ = ports.As[Replayer](sub)
	l.holder, _ = ports.As[Holder](sub)
	l.lagger, _ = ports.As[Lagger](sub)
	return l, nil
}

// Append puts m at the end of its namespace's topic; see ports.Log. Without an Appender it waits, for the position,
// until this process has read m again, when a tail runs; the offset is zero when none does, or when it takes longer
// than ctx allows.
func (l *Log) Append(ctx context.Context, m *domain.Message) (domain.Offset, error) {
	if m.Namespace == "" || m.Body == nil {
		return "", fmt.Errorf("%w: a message needs a namespace and a body", domain.ErrNotPublished)
	}
	topic := l.config.Topic(m.Namespace)
	if l.counted != nil {
		encoded, err := Encode(m)
		if err != nil {
			return "", fmt.Errorf("%w: %w", domain.ErrNotPublished, err)
		}
		return l.counted.append(ctx, topic, encoded)
	}
	d, ok := drafts.Get().(*Draft)
	if !ok {
		d = &Draft{}
	}
	defer d.release()
	if err := d.encode(m); err != nil {
		return "", fmt.Errorf("%w: %w", domain.ErrNotPublished, err)
	}
	attempts := Retried
	if broadcast, ok := m.Body.(*domain.Broadcast); ok {
		d.Message = m
		if broadcast.Target.Flags.Volatile {
			attempts = Once
		}
	}
	return l.appender.Append(ctx, topic, d, attempts)
}

// drafts are used again, because of their memory: an Appender does not keep them.
var drafts sync.Pool // of *Draft

// maxDraft is how large a payload's memory may be that is kept.
const maxDraft = 16 << 10

func (d *Draft) release() {
	clear(d.Fields)
	d.Message = nil
	if cap(d.Payload) <= maxDraft {
		drafts.Put(d)
	}
}

// Tail hands every entry after a position to h; see ports.Log. With several topics only the zero Offset will do,
// a position being one of a single topic, unless the Config says that the Tailer knows better (OnePosition).
func (l *Log) Tail(ctx context.Context, after domain.Offset, h ports.LogHandler) (ports.Subscription, error) {
	if after != "" && len(l.config.Topics) > 1 && !l.config.OnePosition {
		return nil, fmt.Errorf("tail %d topics from one position: %w", len(l.config.Topics), domain.ErrUnsupported)
	}
	values := context.WithoutCancel(ctx)
	var tails subscriptions
	for _, topic := range l.config.Topics {
		tail, err := l.tail(ctx, topic, after, &decoder{ctx: values, topic: topic, handler: h})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("tail %s: %w", topic, err), tails.Close())
		}
		tails = append(tails, tail)
	}
	return tails, nil
}

func (l *Log) tail(ctx context.Context, topic string, after domain.Offset, h TailHandler) (ports.Subscription, error) {
	if l.counted != nil {
		return l.counted.tail(ctx, topic, after, h)
	}
	return l.tailer.Tail(ctx, topic, after, h)
}

// Replay returns a part of what the namespace's topic holds; see ports.Log. An entry that cannot be decoded is left
// out: the tail has reported it.
func (l *Log) Replay(
	ctx context.Context, namespace string, after, through domain.Offset, limit int,
) (domain.Page, error) {
	if l.replayer == nil {
		return domain.Page{}, fmt.Errorf("replay %s: %w", namespace, domain.ErrUnsupported)
	}
	topic := l.config.Topic(namespace)
	part, err := l.replayer.Replay(ctx, topic, after, through, limit)
	if err != nil {
		return domain.Page{}, fmt.Errorf("replay %s: %w", topic, err)
	}
	page := domain.Page{Next: part.Next, Done: part.Done}
	for i := range part.Entries {
		received := &part.Entries[i]
		if received.Err != nil || namespaceOf(received) != namespace {
			continue
		}
		if entry, err := decodeEntry(topic, received, nil); err == nil {
			page.Entries = append(page.Entries, entry)
		}
	}
	return page, nil
}

// Held says how much of a namespace's topic is there; see ports.Retention. Without a Holder it is
// domain.ErrUnsupported.
func (l *Log) Held(ctx context.Context, namespace string) (domain.Held, error) {
	if l.holder == nil {
		return domain.Held{}, fmt.Errorf("look how much of %s is held: %w", namespace, domain.ErrUnsupported)
	}
	return l.holder.Held(ctx, l.config.Topic(namespace))
}

// Behind is how far the tails are behind; see ports.Lag. Without a Lagger it is not known.
func (l *Log) Behind() (entries int64, known bool) {
	if l.lagger == nil {
		return 0, false
	}
	return l.lagger.Behind()
}

// Compare orders two positions of one topic; see ports.Log.
func (l *Log) Compare(a, b domain.Offset) int { return l.comparer.Compare(a, b) }

// subscriptions are closed together.
type subscriptions []ports.Subscription

func (s subscriptions) Close() error {
	var all error
	for _, one := range s {
		all = errors.Join(all, one.Close())
	}
	return all
}

// decodeEntry makes an entry of what was received.
func decodeEntry(topic string, received *Received, names *nameCache) (*domain.Entry, error) {
	if received.Err != nil {
		return nil, received.Err
	}
	var fields envelopeFields
	for i := range received.Fields {
		fields.set(received.Fields[i].Name, received.Fields[i].Value)
	}
	if received.Echo != nil {
		return fields.echo(topic, received)
	}
	memory := &entryMemory{}
	memory.entry = domain.Entry{Stream: topic, Offset: received.Offset, Time: received.Time}
	if err := fields.decode(&memory.entry.Message, received.Payload, &memory.room, names); err != nil {
		return nil, err
	}
	return &memory.entry, nil
}

func namespaceOf(received *Received) (namespace string) {
	for i := range received.Fields {
		if received.Fields[i].Name == FieldNamespace {
			namespace = received.Fields[i].Value
		}
	}
	return namespace
}

// decoder hands what a topic's tail reads to a log's handler.
type decoder struct {
	ctx     context.Context //nolint:containedctx // values alone, for the handler's calls
	topic   string
	handler ports.LogHandler
	names   nameCache
}

// TakesEchoes says that the decoder is an EchoHandler.
func (d *decoder) TakesEchoes() {}

// HandleBatch decodes the entries and hands them over, one by one.
func (d *decoder) HandleBatch(batch []Received) {
	for i := range batch {
		if err := d.handleOne(&batch[i]); err != nil {
			d.HandleNotice(&domain.BadEntry{Stream: d.topic, Offset: batch[i].Offset, Err: err})
		}
	}
}

func (d *decoder) handleOne(received *Received) (err error) {
	entry, err := decodeEntry(d.topic, received, &d.names)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v", p)
		}
	}()
	d.handler.HandleEntry(d.ctx, entry)
	return nil
}

// HandleNotice hands a notice over. A handler that panics on one is told so once, and is left alone if it panics
// again: there is nobody else to tell.
func (d *decoder) HandleNotice(n domain.Notice) {
	if p := d.notify(n); p != nil {
		d.notify(&domain.BadEntry{Stream: d.topic, Err: fmt.Errorf("the handler panicked on a notice: %v", p)})
	}
}

func (d *decoder) notify(n domain.Notice) (panicked any) {
	defer func() { panicked = recover() }()
	d.handler.HandleNotice(d.ctx, n)
	return nil
}
