package socketio_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// keptSession is a session that notes what it is told.
type keptSession struct {
	id      domain.SessionID
	lost    func()
	deleted chan struct{}
	// slow keeps End from being done until deleted is closed by the test.
	slow bool

	mu      sync.Mutex
	notes   []string
	changed chan struct{} // closed and replaced with every note
}

func newKeptSession(id domain.SessionID, lost func()) *keptSession {
	return &keptSession{id: id, lost: lost, deleted: make(chan struct{}), changed: make(chan struct{})}
}

func (k *keptSession) notef(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notes = append(k.notes, fmt.Sprintf(format, args...))
	close(k.changed)
	k.changed = make(chan struct{})
}

// waitFor waits until so many things were noted, and returns them.
func (k *keptSession) waitFor(h *harness, count int) []string {
	h.t.Helper()
	for {
		k.mu.Lock()
		notes, changed := slices.Clone(k.notes), k.changed
		k.mu.Unlock()
		if len(notes) >= count {
			return notes
		}
		select {
		case <-changed:
		case <-time.After(patience):
			h.t.Fatalf("the session was told %q, want %d notes", notes, count)
		}
	}
}

func (k *keptSession) ID() domain.SessionID { return k.id }

func (k *keptSession) Join(rooms []string, at domain.Offset) { k.notef("join %v at %s", rooms, at) }

func (k *keptSession) Leave(rooms []string, at domain.Offset) { k.notef("leave %v at %s", rooms, at) }

func (k *keptSession) Arrivals(func() time.Time) {}

func (k *keptSession) SetData(v domain.Value) { k.notef("data %s", v.JSON()) }

func (k *keptSession) Away(at domain.Offset) { k.notef("away at %s", at) }

func (k *keptSession) Discard() { k.notef("discard") }

func (k *keptSession) End() <-chan struct{} {
	k.notef("end")
	if !k.slow {
		close(k.deleted)
	}
	return k.deleted
}

func (k *keptSession) Saved(context.Context) error {
	k.notef("saved")
	return nil
}

// comeback is one that a test has written.
type comeback struct {
	node    *loneNode
	socket  domain.SocketID
	data    domain.Value
	session *keptSession
	// missed are the parts that Next returns, rest is what is left for Enter.
	missed [][]*domain.Delivery
	rest   []*domain.Delivery
	rooms  []string
	// enterErr ends it when everything but the rest is fetched.
	enterErr error
	// fetched is told of every part that is fetched; nil for nobody.
	fetched   chan int
	abandoned chan struct{}
	over      bool
}

func (c *comeback) Socket() domain.SocketID { return c.socket }

func (c *comeback) Session() domain.SessionID { return c.session.id }

func (c *comeback) Data() domain.Value { return c.data }

func (c *comeback) Next(ctx context.Context, _ int) ([]*domain.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	part := c.missed[0]
	c.missed = c.missed[1:]
	if c.fetched != nil {
		c.fetched <- len(c.missed)
	}
	return part, nil
}

func (c *comeback) Enter(
	ctx context.Context, maxBytes int,
	enter func(rest []*domain.Delivery, rooms []string, s ports.Session, at domain.Offset),
) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if len(c.missed) > 0 && maxBytes < 1<<30 {
		return false, nil
	}
	c.over = true
	if c.enterErr != nil {
		return false, c.enterErr
	}
	c.node.InOrder("/", func(at domain.Offset) { enter(c.rest, c.rooms, c.session, at) })
	return true, nil
}

func (c *comeback) Abandon() {
	if !c.over {
		c.over = true
		close(c.abandoned)
	}
}

func (c *comeback) wantAbandoned(t *testing.T) {
	t.Helper()
	select {
	case <-c.abandoned:
	case <-time.After(patience):
		t.Fatal("the comeback was not abandoned")
	}
}
