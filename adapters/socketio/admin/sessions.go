package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"
)

// Sessions remembers who has logged in. An id is 16 hexadecimal digits; who knows one may use the UI. A store that is
// shared with Node.js servers keeps them as their RedisStore does: the key socket.io-admin#<id> is 1 and goes after
// 86,400 s (redisstream.Marks).
type Sessions interface {
	// Save remembers an id, for about a day.
	Save(ctx context.Context, id string) error
	// Known reports whether an id is remembered.
	Known(ctx context.Context, id string) (bool, error)
}

// SessionDuration is for how long a login is remembered.
const SessionDuration = 24 * time.Hour

// storeTimeout bounds how long a session store may take.
const storeTimeout = 5 * time.Second

// newSessionID returns 8 random bytes in hexadecimal digits.
func newSessionID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// isSessionID reports whether a text may be looked up in a store.
func isSessionID(id string) bool {
	b, err := hex.DecodeString(id)
	return err == nil && len(b) == 8
}

// maxRemembered is how many logins are kept in memory; the oldest goes first.
const maxRemembered = 1_000

// memory is the Sessions of one process.
type memory struct {
	mu   sync.Mutex
	now  func() time.Time
	ends map[string]time.Time
	// order has the ids, the oldest first.
	order []string
}

func newMemory() *memory { return &memory{now: time.Now, ends: make(map[string]time.Time)} }

// Save remembers an id.
func (m *memory) Save(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for len(m.order) > 0 && (len(m.order) >= maxRemembered || !now.Before(m.ends[m.order[0]])) {
		delete(m.ends, m.order[0])
		m.order = m.order[1:]
	}
	m.ends[id] = now.Add(SessionDuration)
	m.order = append(m.order, id)
	return nil
}

// Known looks an id up. Ids are random and nothing but their presence is told, so that how long it takes gives nothing
// away that could be used.
func (m *memory) Known(_ context.Context, id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ends, ok := m.ends[id]
	return ok && m.now().Before(ends), nil
}
