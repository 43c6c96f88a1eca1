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
	// MaxLength is how many entries an append leaves in the stream, about: Redis trims whole nodes of it
	// (MAXLEN ~). Default 10,000.
	MaxLength int64
	// ReadCount is how many entries are read at once. It must be less than MaxLength. Default 100.
	ReadCount int64
	// Block is how long a read waits for entries; it bounds how long a silent connection goes unnoticed. Default 1 s.
	Block time.Duration
	// PublishTimeout bounds an append whose context has no deadline. Default 5 s.
	PublishTimeout time.Duration
	// QueueBytes bounds what waits to be published, in bytes; more blocks the publisher. Default 16 MiB.
	QueueBytes int64
	// SessionKeyPrefix begins the keys of sessions; the session's id follows. Default "sio:session:".
	SessionKeyPrefix string
	// ClaimTimeout is how long a claimed session may be neither saved nor given back. Default 10 s.
	ClaimTimeout time.Duration

	// After is where subscriptions through Watermill's interface begin: after this position, "0-0" for the
	// beginning. Default: from now on.
	After domain.Offset
	// Notice, if set, is told what subscriptions through Watermill's interface learn besides messages: gaps,
	// resets, entries that cannot be read. It must not block.
	Notice func(domain.Notice)
}

// The defaults of a Config.
const (
	DefaultStream           = "socket.io"
	DefaultMaxLength        = 10_000
	DefaultReadCount        = 100
	DefaultSessionKeyPrefix = "sio:session:"

	defaultBlock          = time.Second
	defaultPublishTimeout = 5 * time.Second
	defaultQueueBytes     = 16 << 20
	defaultClaimTimeout   = 10 * time.Second
)

func (c Config) withDefaults() (Config, error) {
	orDefault(&c.Stream, DefaultStream)
	orDefault(&c.MaxLength, DefaultMaxLength)
	orDefault(&c.ReadCount, DefaultReadCount)
	orDefault(&c.Block, defaultBlock)
	orDefault(&c.PublishTimeout, defaultPublishTimeout)
	orDefault(&c.QueueBytes, defaultQueueBytes)
	orDefault(&c.SessionKeyPrefix, DefaultSessionKeyPrefix)
	orDefault(&c.ClaimTimeout, defaultClaimTimeout)
	switch {
	case c.ReadCount < 1:
		return c, fmt.Errorf("a read count of %d: it must be at least 1", c.ReadCount)
	case c.MaxLength <= c.ReadCount:
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
