package redisstream

import (
	"context"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// In a Redis Cluster a slot can be on the move: its old owner no longer has a key and answers ASK, with the address of
// the new one, which serves the key to those alone who say ASKING before each command. That may last, when a slot has
// many keys, or who moves it has stopped half-way; so it is followed, and the old owner is asked again now and then.

// askingFor is how long a connection to a server that does not own the slot yet is kept.
const askingFor = time.Second

// redirections are the addresses of servers to ask instead, by key. Each is for one connection.
type redirections struct {
	mu sync.Mutex
	to map[string]string
}

// note takes an address out of an answer that is ASK.
func (r *redirections) note(key string, answer error) {
	if answer == nil || !redis.HasErrorPrefix(answer, "ASK") {
		return
	}
	words := strings.Fields(answer.Error()) // ASK, the slot, the address
	if len(words) != 3 {
		return
	}
	if host, _, err := net.SplitHostPort(words[2]); err != nil || host == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to == nil {
		r.to = make(map[string]string)
	}
	r.to[key] = words[2]
}

// take returns the address to ask for a key, once; or none.
func (r *redirections) take(key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	addr := r.to[key]
	delete(r.to, key)
	return addr
}

// stale reports whether the connection was made to a server that did not own its slot, long enough ago to ask again
// who does.
func (c *connection) stale() bool { return !c.asking.IsZero() && time.Since(c.asking) > askingFor }

// ask lets the next command through at a server that does not own its slot yet. Elsewhere it does nothing.
func (c *connection) ask(ctx context.Context) error {
	if c.asking.IsZero() {
		return nil
	}
	return c.client.Do(ctx, "asking").Err()
}
