package inmemory

import (
	"context"
	"errors"
	"fmt"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Member is one connection to the cluster.
type Member struct {
	cluster   *Cluster
	publisher domain.PublisherID

	// The rest is guarded by the cluster's lock.
	numbers   map[string]numbering // by stream
	tails     []*tail
	listeners []*listener
	closed    bool
	cut, held bool
	frozen    bool
	changed   chan struct{} // closed, and made anew, when closed, cut or frozen changes
	faults    Faults        // has a lock of its own
}

// Log is the cluster's log, with this member as the publisher.
func (m *Member) Log() ports.Log { return memberLog{m} }

// Channel is the cluster's ephemeral lane. This member's listeners do not receive what it sends itself.
func (m *Member) Channel() ports.Channel { return memberChannel{m} }

// Sessions is the cluster's session store.
func (m *Member) Sessions() ports.Sessions { return memberSessions{m} }

// Publisher is the id under which the member's messages are numbered.
func (m *Member) Publisher() domain.PublisherID { return m.publisher }

// Close closes the member's tails and listeners. It returns when their handlers will not be called again. Calls that
// wait for the connection end with domain.ErrClosed.
func (m *Member) Close() error {
	c := m.cluster
	c.mu.Lock()
	tails, listeners := m.tails, m.listeners
	m.tails, m.listeners = nil, nil
	if !m.closed {
		m.closed = true
		c.members = without(c.members, m)
		m.change()
	}
	c.mu.Unlock()
	for _, t := range tails {
		t.stop()
	}
	for _, l := range listeners {
		l.stop()
	}
	return nil
}

// change lets those look again that wait for the connection. The caller holds the lock.
func (m *Member) change() {
	close(m.changed)
	m.changed = make(chan struct{})
	m.wakeTails()
}

func (m *Member) wakeTails() {
	for _, t := range m.tails {
		t.wakeUp()
	}
}

var (
	errCut    = errors.New("the connection is cut")
	errFrozen = errors.New("the process is stopped")
)

// connected calls do, under the cluster's lock, as soon as the member has its connection. An error says that do was
// not called.
func (m *Member) connected(ctx context.Context, do func()) error {
	changed, err := m.try(ctx, do)
	if !errors.Is(err, errCut) && !errors.Is(err, errFrozen) {
		return err
	}
	ctx, cancel := m.cluster.withDeadline(ctx)
	defer cancel()
	for {
		over := ctx.Done()
		switch {
		case errors.Is(err, errCut):
		case errors.Is(err, errFrozen):
			over = nil // who is stopped does not notice that the time is over
		default:
			return err
		}
		select {
		case <-changed:
		case <-over:
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
		changed, err = m.try(ctx, do)
	}
}

// try calls do if the member has its connection now and the time is not over. What it returns is closed when that may
// have changed.
func (m *Member) try(ctx context.Context, do func()) (changed <-chan struct{}, err error) {
	m.cluster.mu.Lock()
	defer m.cluster.mu.Unlock()
	switch {
	case m.closed:
		return m.changed, domain.ErrClosed
	case m.frozen:
		return m.changed, errFrozen
	case ctx.Err() != nil:
		return m.changed, ctx.Err()
	case m.cut:
		return m.changed, errCut
	default:
		do()
		return m.changed, nil
	}
}

// thawed waits until the member is not frozen. It reports false when quit is closed first.
func (m *Member) thawed(quit <-chan struct{}) bool {
	for {
		m.cluster.mu.Lock()
		frozen, changed := m.frozen, m.changed
		m.cluster.mu.Unlock()
		if !frozen {
			return true
		}
		select {
		case <-changed:
		case <-quit:
			return false
		}
	}
}

// without is a new list that lacks one element.
func without[T comparable](list []T, out T) []T {
	kept := make([]T, 0, len(list))
	for _, v := range list {
		if v != out {
			kept = append(kept, v)
		}
	}
	return kept
}
