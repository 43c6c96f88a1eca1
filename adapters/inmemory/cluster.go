package inmemory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/roombus/roombus/domain"
)

// The defaults of Config.
const (
	// DefaultStream is the stream of all namespaces where Config.StreamOf is not set.
	DefaultStream = "memory"
	// DefaultMaxLength is the number of entries that a stream keeps.
	DefaultMaxLength = 10_000
	// DefaultClaimFor is how long a session stays claimed that is neither saved nor given back. It is shorter than a
	// node waits for a session that somebody else has claimed.
	DefaultClaimFor = 3 * time.Second
	// DefaultTimeout is how long a call waits whose context has no deadline.
	DefaultTimeout = 5 * time.Second
	// DefaultQueueLength is the number of messages that wait for a listener of the channel.
	DefaultQueueLength = 1024
)

// Config describes a cluster. The zero Config works.
type Config struct {
	// MaxLength is how many entries a stream keeps, exactly; the oldest go first. Default: DefaultMaxLength.
	// Negative: all are kept.
	MaxLength int
	// StreamOf names the stream of a namespace. It must always give the same answer.
	// Default: DefaultStream for all.
	StreamOf func(namespace string) string
	// ClaimFor is how long a claimed session waits to be saved or given back. Default: DefaultClaimFor.
	ClaimFor time.Duration
	// Timeout is how long a call waits whose context has no deadline. Default: DefaultTimeout.
	Timeout time.Duration
	// QueueLength is how many messages wait for a listener of the channel before its senders do. Default:
	// DefaultQueueLength.
	QueueLength int
}

func (c Config) withDefaults() Config {
	if c.MaxLength == 0 {
		c.MaxLength = DefaultMaxLength
	}
	if c.StreamOf == nil {
		c.StreamOf = func(string) string { return DefaultStream }
	}
	if c.ClaimFor <= 0 {
		c.ClaimFor = DefaultClaimFor
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.QueueLength <= 0 {
		c.QueueLength = DefaultQueueLength
	}
	return c
}

// Cluster is what the members share: the log, the channel, the sessions. It stands for the broker.
type Cluster struct {
	config Config

	mu      sync.Mutex // guards everything below, and what members share with it
	closed  bool
	members []*Member // that are open, in the order of their making
	made    uint64    // members ever made

	epoch   uint64
	number  uint64 // of the newest entry, through all streams
	streams map[string]*stream
	order   []*stream // in the order of their making

	sessions sessionStore
}

// New makes an empty cluster.
func New(config Config) *Cluster {
	c := &Cluster{
		config:   config.withDefaults(),
		epoch:    1,
		streams:  make(map[string]*stream),
		sessions: newSessionStore(),
	}
	if config.StreamOf == nil {
		c.stream(DefaultStream) // so that tails stand at its end before anybody has published
	}
	return c
}

// Member makes a connection to the cluster, for one node or one emitter: a publisher instance of its own, readers and
// listeners that are closed with it. The ids of publishers are counted, so that a simulation can be repeated.
func (c *Cluster) Member() *Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	m := &Member{
		cluster:   c,
		publisher: domain.PublisherID(fmt.Sprintf("%016x", c.made)),
		numbers:   make(map[string]numbering),
		changed:   make(chan struct{}),
		closed:    c.closed,
	}
	m.faults.member = m
	if !c.closed {
		c.members = append(c.members, m)
	}
	return m
}

// Trim removes the oldest entries of every stream until no more than keep are left.
func (c *Cluster) Trim(keep int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.order {
		s.trim(max(keep, 0))
	}
	c.wakeTails()
}

// Reset empties the log, as a FLUSHALL would: a new epoch begins, and every tail is told. Sessions stay.
func (c *Cluster) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	c.number = 0
	for _, s := range c.order {
		s.reset()
	}
	c.wakeTails()
}

// ForgetSessions empties the session store, as a broker does that comes back without what it had: of what has ended it
// knows nothing either.
func (c *Cluster) ForgetSessions() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions = newSessionStore()
}

// Close closes all members. It returns when none of their handlers will be called again.
func (c *Cluster) Close() error {
	c.mu.Lock()
	c.closed = true
	members := append([]*Member(nil), c.members...)
	c.mu.Unlock()
	for _, m := range members {
		if err := m.Close(); err != nil {
			return err
		}
	}
	return nil
}

// stream returns the stream of a name, made when it is not there. The caller holds the lock.
func (c *Cluster) stream(name string) *stream {
	s, ok := c.streams[name]
	if !ok {
		s = &stream{name: name, born: c.number}
		c.streams[name] = s
		c.order = append(c.order, s)
	}
	return s
}

// end is the position of the newest entry. The caller holds the lock.
func (c *Cluster) end() position { return position{c.epoch, c.number} }

// wakeTails lets all tails look again. The caller holds the lock.
func (c *Cluster) wakeTails() {
	for _, m := range c.members {
		m.wakeTails()
	}
}

// withDeadline is ctx with the default deadline where it has none.
func (c *Cluster) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.config.Timeout)
}
