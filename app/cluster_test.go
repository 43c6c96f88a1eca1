package app_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	root = "/"
	a, b = 0, 1
)

// cluster is a number of nodes on one in-memory transport, each with an edge that remembers what it was handed.
type cluster struct {
	t      *testing.T
	memory *inmemory.Cluster
	nodes  []*member
	wrap   func(ports.Channel) ports.Channel // what nodes that are added get as their channel; nil: as it is
	// store is what nodes that are added get as their session store; nil: as it is.
	store func(m *member, inner ports.Sessions) ports.Sessions
}

type member struct {
	*app.Node
	memory    *inmemory.Cluster
	transport *inmemory.Member
	edge      *edge
	seen      *observer
	killed    bool
}

// kill takes a node's transport away, as kill -9 does: it says nothing any more, not even goodbye.
func (m *member) kill() {
	m.killed = true
	_ = m.transport.Close()
}

// pass lets time pass in the bubble; timers fire meanwhile.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// inCluster runs a test with so many nodes in a bubble in which time passes when everybody waits.
func inCluster(t *testing.T, nodes int, test func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, memory: inmemory.New(inmemory.Config{})}
		for range nodes {
			c.add(app.Config{})
		}
		synctest.Wait()
		test(t, c)
		for _, m := range c.nodes {
			if err := m.Close(); err != nil && !m.killed {
				t.Errorf("close node: %v", err)
			}
			_ = m.transport.Close()
		}
		_ = c.memory.Close()
	})
}

func (c *cluster) add(config app.Config) *member {
	c.t.Helper()
	m := &member{memory: c.memory, transport: c.memory.Member(), edge: newEdge(), seen: &observer{}}
	config.Observer = m.seen
	if c.wrap == nil {
		c.wrap = func(inner ports.Channel) ports.Channel { return inner }
	}
	sessions := m.transport.Sessions()
	if c.store != nil {
		sessions = c.store(m, sessions)
	}
	node, err := app.NewNode(m.transport.Log(), c.wrap(m.transport.Channel()), sessions, config)
	if err != nil {
		c.t.Fatal(err)
	}
	m.Node = node
	if err := node.Attach(m.edge); err != nil {
		c.t.Fatal(err)
	}
	if err := node.Open(c.t.Context(), root); err != nil {
		c.t.Fatal(err)
	}
	if err := node.Run(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.nodes = append(c.nodes, m)
	return m
}

// edge is an edge whose sockets are names; it remembers what each was handed.
type edge struct {
	mu       sync.Mutex
	rooms    *domain.Rooms[string]
	got      map[string][]string
	offsets  map[string][]domain.Offset
	silent   map[string]bool // sockets that never answer
	sessions map[string]ports.Session
	onServer func(ctx context.Context, p domain.Packet, reply func(domain.Value))
}

func newEdge() *edge {
	return &edge{
		rooms: domain.NewRooms[string](), got: make(map[string][]string),
		offsets: make(map[string][]domain.Offset), silent: make(map[string]bool),
		sessions: make(map[string]ports.Session),
	}
}

// connect adds a socket in rooms, and in the room of its own name.
func (e *edge) connect(socket string, rooms ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rooms.Add(socket)
	for _, room := range append(rooms, socket) {
		e.rooms.Join(socket, room)
	}
}

func (e *edge) join(socket, room string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rooms.Join(socket, room)
}

func (e *edge) leave(socket, room string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rooms.Leave(socket, room)
}

func (e *edge) Deliver(_ context.Context, d *domain.Delivery) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	sockets := 0
	for socket := range e.rooms.Select(&d.Target) {
		sockets++
		e.got[socket] = append(e.got[socket], d.Packet.Event())
		e.offsets[socket] = append(e.offsets[socket], d.Offset)
		if d.Ack != nil && !e.silent[socket] {
			d.Ack(domain.TextValue("from " + socket))
		}
	}
	return sockets
}

func (e *edge) Apply(_ context.Context, _ string, op domain.RoomOperation, at domain.Offset) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	sockets := 0
	each := func(t *domain.Target, change func(socket string)) {
		for _, socket := range slices.Collect(e.rooms.Select(t)) {
			sockets++
			change(socket)
		}
	}
	switch op := op.(type) {
	case *domain.Join:
		each(&op.Target, func(socket string) {
			for _, room := range op.Rooms {
				e.rooms.Join(socket, room)
			}
			if s, ok := e.sessions[socket]; ok {
				s.Join(op.Rooms, at)
			}
		})
	case *domain.Leave:
		each(&op.Target, func(socket string) {
			for _, room := range op.Rooms {
				e.rooms.Leave(socket, room)
			}
			if s, ok := e.sessions[socket]; ok {
				s.Leave(op.Rooms, at)
			}
		})
	case *domain.Disconnect:
		each(&op.Target, func(socket string) {
			e.rooms.Remove(socket)
			if s, ok := e.sessions[socket]; ok && op.Superseded == "" {
				s.End()
			}
			delete(e.sessions, socket)
		})
	}
	return sockets
}

func (e *edge) Sockets(_ context.Context, _ string, t *domain.Target) []domain.SocketDetails {
	e.mu.Lock()
	defer e.mu.Unlock()
	var sockets []domain.SocketDetails
	for socket := range e.rooms.Select(t) {
		sockets = append(sockets, domain.SocketDetails{ID: domain.SocketID(socket), Rooms: e.rooms.Of(socket)})
	}
	return sockets
}

func (e *edge) ServerSideEmit(ctx context.Context, _ string, p domain.Packet, reply func(domain.Value)) {
	e.mu.Lock()
	handler := e.onServer
	e.mu.Unlock()
	switch {
	case handler != nil:
		handler(ctx, p, reply)
	case reply != nil:
		reply(domain.Value{})
	}
}

func (e *edge) received(socket string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.got[socket])
}

// observer remembers what it was told, each as text.
type observer struct {
	mu         sync.Mutex
	events     []domain.Event
	deliveries []domain.Delivered
}

func (o *observer) Observe(_ context.Context, e domain.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, e)
}

func (o *observer) ObserveDelivery(_ context.Context, d domain.Delivered) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deliveries = append(o.deliveries, d)
}

// delivered are the deliveries of messages of a kind.
func (o *observer) delivered(kind domain.Kind) (found []domain.Delivered) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range o.deliveries {
		if d.Kind == kind {
			found = append(found, d)
		}
	}
	return found
}

func observed[E domain.Event](o *observer) []E {
	o.mu.Lock()
	defer o.mu.Unlock()
	var found []E
	for _, e := range o.events {
		if e, ok := e.(E); ok {
			found = append(found, e)
		}
	}
	return found
}

func packet(t *testing.T, event string) domain.Packet {
	t.Helper()
	p, err := domain.NewPacket(fmt.Appendf(nil, "[%q]", event))
	if err != nil {
		t.Error(err)
	}
	return p
}

func to(rooms ...string) domain.Target { return domain.Target{Rooms: rooms} }

func (m *member) emit(t *testing.T, target domain.Target, event string) domain.Offset {
	t.Helper()
	at, err := m.Broadcast(t.Context(), root, target, packet(t, event))
	if err != nil {
		t.Errorf("broadcast %s: %v", event, err) // not every caller is the test's goroutine
	}
	return at
}

func expect[T comparable](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// soon is longer than anything takes that does not wait for a timeout.
const soon = 100 * time.Millisecond
