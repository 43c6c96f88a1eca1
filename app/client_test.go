package app_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

const window = 2 * time.Minute

// inRecovery is a cluster whose nodes keep sessions.
func inRecovery(t *testing.T, nodes int, test func(t *testing.T, c *cluster)) {
	t.Helper()
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		for range nodes {
			c.add(app.Config{Recovery: app.Recovery{Window: window}})
		}
		synctest.Wait()
		test(t, c)
	})
}

// client is one that can come back: what it knows, and all that it has got.
type client struct {
	t       *testing.T
	socket  string
	session domain.SessionID
	events  []string
	offsets []domain.Offset
	home    *member
	lost    *atomic.Int32 // how often its last connection was said to be lost
}

// connect lets a client in, at its place in the log.
func (m *member) connect(t *testing.T, name string, rooms ...string) *client {
	t.Helper()
	c := &client{t: t, socket: name, home: m, lost: &atomic.Int32{}}
	lost := c.lost
	m.InOrder(root, func(at domain.Offset) {
		var s ports.Session
		s = m.KeepSession(root, domain.SocketID(name), rooms, domain.TextValue("data of "+name), at, func() {
			lost.Add(1)
			m.edge.drop(name, s)
		})
		c.session = s.ID()
		m.edge.enter(name, append(slices.Clone(rooms), name), s)
	})
	synctest.Wait()
	return c
}

func (e *edge) enter(socket string, rooms []string, s ports.Session) {
	e.connect(socket, rooms...)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sessions[socket] = s
}

// drop drops a socket, if it still has that session.
func (e *edge) drop(socket string, s ports.Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sessions[socket] == s {
		e.rooms.Remove(socket)
		delete(e.sessions, socket)
	}
}

func (e *edge) session(socket string) ports.Session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sessions[socket]
}

// drain takes what its socket was handed out of an edge.
func (c *client) drain() {
	e := c.home.edge
	e.mu.Lock()
	defer e.mu.Unlock()
	c.events = append(c.events, e.got[c.socket]...)
	for _, at := range e.offsets[c.socket] {
		if at != "" {
			c.offsets = append(c.offsets, at)
		}
	}
	delete(e.got, c.socket)
	delete(e.offsets, c.socket)
}

// vanish takes the client away without a word: its node knows nothing. What it is handed from now on is lost.
func (c *client) vanish() {
	c.drain()
	c.home.edge.mu.Lock()
	delete(c.home.edge.got, c.socket)
	c.home.edge.mu.Unlock()
}

// cut ends its connection, and its node notices.
func (c *client) cut() {
	c.home.InOrder(root, func(at domain.Offset) {
		e := c.home.edge
		e.session(c.socket).Away(at)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.rooms.Remove(c.socket)
		delete(e.sessions, c.socket)
	})
	synctest.Wait()
	c.drain()
}

func (c *client) join(rooms ...string) { c.change(rooms, nil) }
func (c *client) leave(room string)    { c.change(nil, []string{room}) }

func (c *client) change(join, leave []string) {
	e := c.home.edge
	c.home.InOrder(root, func(at domain.Offset) {
		for _, room := range join {
			e.join(c.socket, room)
		}
		for _, room := range leave {
			e.leave(c.socket, room)
		}
		s := e.session(c.socket)
		s.Join(join, at)
		s.Leave(leave, at)
	})
}

func (c *client) seen() domain.Offset {
	if len(c.offsets) == 0 {
		return ""
	}
	return c.offsets[len(c.offsets)-1]
}

// recover brings the client back on a node, saying what it has seen.
func (c *client) recoverAt(m *member) domain.Recovery {
	c.t.Helper()
	return c.recoverSaying(m, c.seen(), 1<<20)
}

func (c *client) recoverSaying(m *member, seen domain.Offset, part int) domain.Recovery {
	c.t.Helper()
	lost := &atomic.Int32{}
	var session ports.Session
	back, outcome := m.Recover(c.t.Context(), root, c.session, seen, func() {
		lost.Add(1)
		m.edge.drop(c.socket, session)
	})
	if (back != nil) != (outcome.Outcome == domain.Recovered) {
		c.t.Errorf("the outcome is %v, and there is a comeback: %t", outcome, back != nil)
	}
	if back == nil {
		return outcome
	}
	if back.Session() != c.session || string(back.Socket()) != c.socket || back.Data().IsZero() {
		c.t.Errorf("%s came back as %s with the data %s", c.socket, back.Socket(), back.Data())
	}
	if err := c.enter(m, back, part, lost, &session); err != nil {
		c.t.Errorf("%s was recovered and cannot enter: %v", c.socket, err)
	}
	return outcome
}

func (c *client) enter(m *member, back ports.Comeback, part int, lost *atomic.Int32, session *ports.Session) error { //nolint:gocritic // its callback looks there later
	take := func(missed []*domain.Delivery) {
		for _, d := range missed {
			c.events = append(c.events, d.Packet.Event())
			c.offsets = append(c.offsets, d.Offset)
		}
	}
	for {
		entered, err := back.Enter(c.t.Context(), part, func(rest []*domain.Delivery, rooms []string, s ports.Session, _ domain.Offset) {
			take(rest)
			m.edge.mu.Lock()
			delete(m.edge.got, c.socket)
			delete(m.edge.offsets, c.socket)
			m.edge.mu.Unlock()
			m.edge.enter(c.socket, rooms, s)
			*session = s
			c.home, c.lost = m, lost
		})
		if entered || err != nil {
			return err
		}
		missed, err := back.Next(c.t.Context(), part)
		if err != nil {
			return err
		}
		take(missed)
	}
}

func (c *client) wantEvents(want ...string) {
	c.t.Helper()
	synctest.Wait()
	c.drain()
	expect(c.t, c.socket+" has got", c.events, want...)
}

func (c *client) wantRooms(want ...string) {
	c.t.Helper()
	c.home.edge.mu.Lock()
	got := slices.Sorted(slices.Values(c.home.edge.rooms.Of(c.socket)))
	c.home.edge.mu.Unlock()
	want = append(want, c.socket)
	slices.Sort(want)
	expect(c.t, c.socket+" is in", got, want...)
}

func wantOutcome(t *testing.T, got domain.Recovery, want domain.Outcome, reason string) {
	t.Helper()
	if got.Outcome != want || !strings.Contains(got.Reason, reason) {
		t.Errorf("the outcome is %v (%s), want %v (%s)", got.Outcome, got.Reason, want, reason)
	}
}

// Each in the node where the client was, and in another.
func onBoth(t *testing.T, test func(t *testing.T, was, is *member)) {
	for i, name := range []string{"the same node", "another node"} {
		t.Run(name, func(t *testing.T) {
			inRecovery(t, 2, func(t *testing.T, c *cluster) { test(t, c.nodes[a], c.nodes[i]) })
		})
	}
}

func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func second[A, B any](_ A, b B) B { return b }
