package redisstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Marks are keys that are there for a while and say nothing else: what an admin.Config.Sessions needs, so that who has
// logged in on one server is known to all, those of Node.js with the RedisStore of @socket.io/admin-ui among them. The
// key of an id is the prefix, # and the id; its value is 1.
//
// A Redis user needs the commands SET and EXISTS on the keys ~<prefix>#*.
type Marks struct {
	client redis.UniversalClient
	config MarksConfig
}

// MarksConfig is what can be chosen. The zero MarksConfig is that of @socket.io/admin-ui.
type MarksConfig struct {
	// Prefix of the keys. Default: "socket.io-admin".
	Prefix string
	// Duration is for how long a mark is there, in whole seconds. Default: a day.
	Duration time.Duration
}

// NewMarks returns marks over a client, whose connections they use and which they do not close. It does no I/O.
func NewMarks(client redis.UniversalClient, config MarksConfig) (*Marks, error) {
	if client == nil {
		return nil, errors.New("redisstream.NewMarks: there is no client")
	}
	if config.Prefix == "" {
		config.Prefix = "socket.io-admin"
	}
	if config.Duration == 0 {
		config.Duration = 24 * time.Hour
	}
	if config.Duration < time.Second {
		return nil, fmt.Errorf("redisstream.MarksConfig: Duration is %s; it must be 1s or more", config.Duration)
	}
	return &Marks{client, config}, nil
}

// Save sets a mark, for its whole duration from now on. ctx bounds it.
func (m *Marks) Save(ctx context.Context, id string) error {
	if err := m.client.Set(ctx, m.key(id), 1, m.config.Duration.Truncate(time.Second)).Err(); err != nil {
		return fmt.Errorf("set a mark: %w", err)
	}
	return nil
}

// Known reports whether a mark is set. ctx bounds it.
func (m *Marks) Known(ctx context.Context, id string) (bool, error) {
	found, err := m.client.Exists(ctx, m.key(id)).Result()
	if err != nil {
		return false, fmt.Errorf("look for a mark: %w", err)
	}
	return found > 0, nil
}

func (m *Marks) key(id string) string { return m.config.Prefix + "#" + id }
