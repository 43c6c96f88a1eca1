package faulttest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
	"github.com/roombus/roombus/ports"
)

// home is the edge of a node whose sockets have sessions. Each socket keeps what it was handed.
type home struct {
	recorder
	mu       sync.Mutex
	rooms    *domain.Rooms[string]
	sessions map[string]ports.Session
	inbox    map[string][]*domain.Delivery
	grown    chan struct{} // closed when something is delivered
}

func newHome() *home {
	return &home{
		rooms: domain.NewRooms[string](), sessions: make(map[string]ports.Session),
		inbox: make(map[string][]*domain.Delivery), grown: make(chan struct{}),
	}
}

func (h *home) Deliver(_ context.Context, d *domain.Delivery) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	sockets := 0
	for socket := range h.rooms.Select(&d.Target) {
		h.inbox[socket] = append(h.inbox[socket], d)
		sockets++
	}
	close(h.grown)
	h.grown = make(chan struct{})
	return sockets
}

func (h *home) Apply(_ context.Context, _ string, op domain.RoomOperation, at domain.Offset) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch op := op.(type) {
	case *domain.Join:
		for _, socket := range slices.Collect(h.rooms.Select(&op.Target)) {
			for _, room := range op.Rooms {
				h.rooms.Join(socket, room)
			}
			h.sessions[socket].Join(op.Rooms, at)
		}
	case *domain.Disconnect:
		for _, socket := range slices.Collect(h.rooms.Select(&op.Target)) {
			h.rooms.Remove(socket)
			if op.Superseded == "" {
				h.sessions[socket].End()
			}
			delete(h.sessions, socket)
		}
	}
	return 0
}

// enter makes a socket of the client. It is called in the namespace's order.
func (h *home) enter(socket string, rooms []string, s ports.Session, missed []*domain.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rooms.Add(socket)
	for _, room := range append(rooms, socket) {
		h.rooms.Join(socket, room)
	}
	h.sessions[socket] = s
	h.inbox[socket] = missed
}

// traveller is a client that goes from node to node.
type traveller struct {
	t       *testing.T
	socket  string
	session domain.SessionID
	node    *app.Node
	home    *home
	events  []string
	seen    domain.Offset
}

// inOrder makes a change at its place and returns when it is made.
func inOrder(node *app.Node, change func(at domain.Offset)) {
	made := make(chan struct{})
	node.InOrder("/", func(at domain.Offset) { change(at); close(made) })
	<-made
}

func arrive(t *testing.T, node *app.Node, h *home, socket string, rooms ...string) *traveller {
	t.Helper()
	c := &traveller{t: t, socket: socket, node: node, home: h}
	var s ports.Session
	inOrder(node, func(at domain.Offset) {
		s = node.KeepSession("/", domain.SocketID(socket), rooms, domain.Value{}, at, func() {})
		h.enter(socket, rooms, s, nil)
	})
	c.session = s.ID()
	if err := s.Saved(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// unpack takes what has arrived so far.
func (c *traveller) unpack() {
	c.home.mu.Lock()
	defer c.home.mu.Unlock()
	c.take(c.home.inbox[c.socket])
	delete(c.home.inbox, c.socket)
}

func (c *traveller) take(deliveries []*domain.Delivery) {
	for _, d := range deliveries {
		c.events = append(c.events, d.Packet.Event())
		if d.Offset != "" {
			c.seen = d.Offset
		}
	}
}

// leave cuts the connection; its node notices.
func (c *traveller) leave() {
	c.unpack() // what comes between this and the next is in flight, and lost
	inOrder(c.node, func(at domain.Offset) {
		c.home.mu.Lock()
		defer c.home.mu.Unlock()
		c.home.sessions[c.socket].Away(at)
		c.home.rooms.Remove(c.socket)
		delete(c.home.sessions, c.socket)
		delete(c.home.inbox, c.socket)
	})
}

func (c *traveller) recoverAt(node *app.Node, h *home) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	back, outcome := node.Recover(ctx, "/", c.session, c.seen, func() {})
	if outcome.Outcome != domain.Recovered {
		c.t.Fatalf("%s is not recovered: %v, %s", c.socket, outcome.Outcome, outcome.Reason)
	}
	for {
		entered, err := back.Enter(ctx, 1<<12, func(rest []*domain.Delivery, rooms []string, s ports.Session, _ domain.Offset) {
			h.enter(c.socket, rooms, s, rest)
		})
		if err != nil {
			c.t.Fatalf("%s cannot enter: %v", c.socket, err)
		}
		if entered {
			break
		}
		missed, err := back.Next(ctx, 1<<12)
		if err != nil {
			c.t.Fatalf("%s does not get what it missed: %v", c.socket, err)
		}
		c.take(missed)
	}
	c.node, c.home = node, h
}

// waitFor waits until the client has got an event.
func (c *traveller) waitFor(event string) {
	c.t.Helper()
	timeout := time.After(patience)
	for {
		c.home.mu.Lock()
		grown := c.home.grown
		c.home.mu.Unlock()
		c.unpack()
		if slices.Contains(c.events, event) {
			return
		}
		select {
		case <-grown:
		case <-timeout:
			c.t.Fatalf("%s has not got %s; the last of %d is %v", c.socket, event, len(c.events), c.events[max(0, len(c.events)-1):])
		}
	}
}

// recovering is a node that keeps sessions, on a Redis.
func recovering(t *testing.T, server *realredis.Server, history int) (*app.Node, *home, *redisstream.Transport) {
	t.Helper()
	transport, err := redisstream.Connect(t.Context(), server.URL(), redisstream.Config{MaxLength: keepAll})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = transport.Close() })
	node, err := app.NewNode(transport.Log(), transport.Channel(), transport.Sessions(), app.Config{
		Recovery: app.Recovery{Window: time.Minute, HistoryBytes: history, LeaseInterval: 200 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := newHome()
	if err := node.Attach(h); err != nil {
		t.Fatal(err)
	}
	if err := node.Open(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	if err := node.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() })
	return node, h, transport
}

func emitTo(ctx context.Context, node *app.Node, room, event string) error {
	p, err := domain.NewPacket(fmt.Appendf(nil, "[%q]", event))
	if err != nil {
		return err
	}
	_, err = node.Broadcast(ctx, "/", domain.Target{Rooms: []string{room}}, p)
	return err
}

// TestW6_RecoveryOnRedisLosesAndRepeatsNothing has clients go from node to node, back and forth, while there are
// thousands of messages a second. Node.js servers lose and repeat in every tenth recovery or so.
func TestW6_RecoveryOnRedisLosesAndRepeatsNothing(t *testing.T) {
	for _, test := range []struct {
		name    string
		history int
	}{{"from memory", 16 << 20}, {"read again", 1}} {
		t.Run(test.name, func(t *testing.T) {
			server := realredis.Start(t)
			n1, h1, _ := recovering(t, server, test.history)
			n2, h2, _ := recovering(t, server, test.history)
			var clients []*traveller
			for i := range 6 {
				clients = append(clients, arrive(t, n1, h1, fmt.Sprintf("socket%014d", i), "r"))
			}
			ctx, stop := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			var count atomic.Int64
			const publishers = 8
			for i := range publishers {
				node := []*app.Node{n1, n2}[i%2]
				wg.Go(func() {
					for m := 0; ctx.Err() == nil; m++ {
						if err := emitTo(t.Context(), node, "r", fmt.Sprintf("p%d/%d", i, m)); err != nil {
							t.Error(err)
						}
						count.Add(1)
					}
				})
			}
			recoveries := 0
			for round := range 5 {
				for i, c := range clients {
					c.leave()
					node, h := n2, h2
					if (round+i)%2 == 1 {
						node, h = n1, h1
					}
					c.recoverAt(node, h)
					recoveries++
				}
			}
			stop()
			wg.Wait()
			if err := emitTo(t.Context(), n1, "r", "end"); err != nil {
				t.Fatal(err)
			}
			for _, c := range clients {
				c.waitFor("end")
			}
			t.Logf("%d recoveries among %d messages", recoveries, count.Load())
			for _, c := range clients {
				if int64(len(c.events)) != count.Load()+1 {
					t.Errorf("%s has %d events of %d", c.socket, len(c.events), count.Load()+1)
				}
				if !slices.Equal(c.events, clients[0].events) {
					t.Errorf("%s and %s have got different lists", c.socket, clients[0].socket)
				}
			}
		})
	}
}

// TestW10_ClientsOfADeadNodeRecoverOnRedis cuts a node off from Redis for good, as kill -9 does. One client had got
// nothing; one was made to join a room by the log after its record was stored last.
func TestW10_ClientsOfADeadNodeRecoverOnRedis(t *testing.T) {
	server := realredis.Start(t)
	n1, h1, transport := recovering(t, server, 16<<20)
	n2, h2, _ := recovering(t, server, 16<<20)
	quiet := arrive(t, n1, h1, "quiet000000000000000", "q")
	busy := arrive(t, n1, h1, "busy0000000000000000", "r")
	for i := range 100 {
		if err := emitTo(t.Context(), n2, "r", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	busy.waitFor("99")
	if err := n2.Operate(t.Context(), "/", &domain.Join{Target: domain.Target{Rooms: []string{"r"}}, Rooms: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if err := transport.Close(); err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"q", "s", "r"} {
		if err := emitTo(t.Context(), n2, room, "for "+room); err != nil {
			t.Fatal(err)
		}
	}
	busy.recoverAt(n2, h2)
	quiet.recoverAt(n2, h2)
	for _, room := range []string{"q", "s"} {
		if err := emitTo(t.Context(), n2, room, "end"); err != nil {
			t.Fatal(err)
		}
	}
	quiet.waitFor("end")
	busy.waitFor("end")
	if want := []string{"for q", "end"}; !slices.Equal(quiet.events, want) {
		t.Errorf("the quiet client has got %q, want %q", quiet.events, want)
	}
	if want := []string{"for s", "for r", "end"}; !slices.Equal(busy.events[100:], want) {
		t.Errorf("the busy client has got %q, want %q", busy.events[100:], want)
	}
}

// TestW11_AStormOfRecoveriesOnRedis lets clients of a node that is gone come back together, with 9,000 entries of half a
// kilobyte to look through, none for them. It tells what a client costs this process; a Node.js server takes 72 to 86 ms.
func TestW11_AStormOfRecoveriesOnRedis(t *testing.T) {
	const count, entries = 300, 9000
	server := realredis.Start(t)
	n1, h1, transport := recovering(t, server, 16<<20)
	n2, h2, _ := recovering(t, server, 16<<20)
	clients := make([]*traveller, count)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { clients[i] = arrive(t, n1, h1, fmt.Sprintf("socket%014d", i), "r") })
	}
	wg.Wait()
	if err := transport.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := domain.NewPacket(fmt.Appendf(nil, `["event",%q]`, strings.Repeat("x", 500)))
	if err != nil {
		t.Fatal(err)
	}
	var next atomic.Int64
	for range 64 {
		wg.Go(func() {
			for next.Add(1) <= entries {
				if _, err := n2.Broadcast(t.Context(), "/", domain.Target{Rooms: []string{"nobody"}}, p); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	before := processTime(t)
	for _, c := range clients {
		wg.Go(func() { c.recoverAt(n2, h2) })
	}
	wg.Wait()
	t.Logf("%s of processor time a client", (processTime(t)-before)/count)
	for _, c := range clients {
		if len(c.events) != 0 {
			t.Errorf("%s has got %d events, want none", c.socket, len(c.events))
		}
	}
	if err := emitTo(t.Context(), n2, "r", "end"); err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		c.waitFor("end")
	}
}

// processTime is the processor time that this process has taken.
func processTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
