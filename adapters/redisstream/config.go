package redisstream

import (
	"errors"
	"fmt"
	"time"

	"github.com/roombus/roombus/domain"
)

// Config are the choices of the transport. The zero Config works, and is what the Node.js adapter uses.
type Config struct {
	// Stream is the key of the stream. Default "socket.io".
	Stream string
	// Streams is among how many streams the namespaces are divided, as with streamCount in the 0.3 line of the Node.js
	// adapter; all nodes must agree. With more than one, their names are Stream, a hyphen and a number. A tail has a
	// connection for each, also for those with negative numbers, which Node.js writes and does not read. Default 1.
	Streams int
	// NonNegativeStreams gives a namespace whose number Node.js computes to be negative, which no Node.js server reads,
	// a number that is not. It is for clusters without Node.js servers; all nodes must agree.
	NonNegativeStreams bool
	// MaxLength is how many entries an append leaves in the stream, about: Redis trims whole nodes of it
	// (MAXLEN ~). Default 10,000; none with a Retention.
	MaxLength int64
	// Retention, if set, trims by age instead of length (MINID ~): an append removes what is this much older than the
	// last entry before it. Memory is then bounded by nothing but the rate, and flow control has no length to go by.
	Retention time.Duration
	// TrimExactly trims to the very entry (MAXLEN =), which costs Redis more with each append.
	TrimExactly bool
	// TrimLimit is how many entries one append removes at most (LIMIT); NoTrimLimit for any number. Default: what
	// Redis chooses, 100 nodes of the stream.
	TrimLimit int64
	// NoFlowControl turns off that publishers wait for readers. With flow control, which is the default, a publisher
	// waits while a tail of its own or of another process is more than half of MaxLength behind, until that has got
	// on, has been silent for 2.5 s or has stood still for 10 s; what cannot wait so long ends with
	// domain.ErrNotPublished. Subscriptions through Watermill's interface, which go at their handlers' pace, and
	// consumer groups are not waited for. A process without it is waited for by nobody.
	NoFlowControl bool
	// Spectator makes a transport for tools that look on: nobody in the cluster notices what its tails read. Publishers do
	// not wait for them, as with NoFlowControl, and they write nothing to Redis: they take no part in naming the stream's
	// epoch, so their domain.AtTail has none, and each finds a domain.Reset by itself. Sessions cannot be recovered with
	// it. [Transport.Check] then asks for the rights to read alone: XREAD, XRANGE and XINFO STREAM.
	Spectator bool
	// OnSlowdown, if set, is told when a publisher begins to wait for readers, and once a second while it goes on.
	// It must not block. See also [Publisher.Waited].
	OnSlowdown func(Slowdown)
	// ReadCount is how many entries are read at once. It must be less than MaxLength. Default 500, but no more than a
	// twentieth of MaxLength where that is at least 100.
	ReadCount int64
	// Block is how long a read waits for entries; it bounds how long a silent connection goes unnoticed. Default 1 s.
	Block time.Duration
	// PublishTimeout bounds an append whose context has no deadline. Default 5 s.
	PublishTimeout time.Duration
	// QueueBytes bounds what waits to be published, in bytes; more blocks the publisher. Default 16 MiB.
	QueueBytes int64
	// SessionKeyPrefix begins the keys of sessions; the session's id follows. Default "sio:session:".
	SessionKeyPrefix string
	// ClaimTimeout is how long a claimed session may be neither saved nor given back. A node that dies meanwhile holds up
	// the session's client for so long, so it should be shorter than a request may take. Default 3 s.
	ClaimTimeout time.Duration
	// PubSub says whether requests and answers have a lane of their own; see [PubSubMode]. Default PubSubOff.
	PubSub PubSubMode
	// ChannelPrefix begins the names of the lane's channels. Default "socket.io".
	ChannelPrefix string

	// After is where subscriptions through Watermill's interface begin: after this position, "0-0" for the
	// beginning. Default: from now on.
	After domain.Offset
	// Notice, if set, is told what subscriptions through Watermill's interface learn besides messages: gaps,
	// resets, entries that cannot be read, connections lost and found; and what is skipped on the lane for requests and
	// answers, and when that is lost and found (domain.BadEntry and the others, with the channel as their stream), where
	// its handler is not told itself (ports.NoticeHandler), as a node's is. It must not block.
	Notice func(domain.Notice)
	// OnWarning, if set, is told what [Connect] finds that can lose messages later; see [Transport.Check].
	OnWarning func(warning string)
}

// The defaults of a Config.
const (
	DefaultStream           = "socket.io"
	DefaultMaxLength        = 10_000
	DefaultReadCount        = 500
	DefaultSessionKeyPrefix = "sio:session:"
	DefaultChannelPrefix    = "socket.io"

	// The default of ReadCount for shorter streams.
	minReadCount, readPart = 100, 20

	defaultBlock          = time.Second
	defaultPublishTimeout = 5 * time.Second
	defaultQueueBytes     = 16 << 20
	defaultClaimTimeout   = 3 * time.Second
)

func (c Config) withDefaults() (Config, error) {
	if err := c.checkTrimming(); err != nil {
		return c, err
	}
	orDefault(&c.Stream, DefaultStream)
	orDefault(&c.Streams, 1)
	if c.Retention == 0 {
		orDefault(&c.MaxLength, DefaultMaxLength)
	}
	if c.ReadCount == 0 {
		c.ReadCount = DefaultReadCount
		if c.Retention == 0 {
			c.ReadCount = min(DefaultReadCount, max(minReadCount, c.MaxLength/readPart))
		}
	}
	orDefault(&c.Block, defaultBlock)
	orDefault(&c.PublishTimeout, defaultPublishTimeout)
	orDefault(&c.QueueBytes, defaultQueueBytes)
	orDefault(&c.SessionKeyPrefix, DefaultSessionKeyPrefix)
	orDefault(&c.ClaimTimeout, defaultClaimTimeout)
	orDefault(&c.PubSub, PubSubOff)
	orDefault(&c.ChannelPrefix, DefaultChannelPrefix)
	if err := c.PubSub.check(); err != nil {
		return c, err
	}
	switch {
	case c.Streams < 1:
		return c, fmt.Errorf("%d streams: it must be at least one", c.Streams)
	case c.ReadCount < 1:
		return c, fmt.Errorf("a read count of %d: it must be at least 1", c.ReadCount)
	case c.Retention == 0 && c.MaxLength <= c.ReadCount:
		return c, fmt.Errorf("a maximum length of %d: it must be more than the read count, which is %d",
			c.MaxLength, c.ReadCount)
	case c.Block < time.Millisecond, c.PublishTimeout < time.Millisecond, c.ClaimTimeout < time.Millisecond:
		return c, errors.New("the times Block, PublishTimeout and ClaimTimeout must be at least a millisecond")
	case c.QueueBytes < 1:
		return c, fmt.Errorf("a queue of %d bytes: it must be positive", c.QueueBytes)
	}
	if c.After != "" {
		if _, ok := parseID(c.After); !ok {
			return c, fmt.Errorf("the position %q to begin after: %w", c.After, domain.ErrBadOffset)
		}
	}
	return c, nil
}

func orDefault[T comparable](field *T, value T) {
	var none T
	if *field == none {
		*field = value
	}
}
