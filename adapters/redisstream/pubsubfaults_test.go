package redisstream

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
	"github.com/roombus/roombus/internal/testkit/realredis"
	"github.com/roombus/roombus/ports"
)

var bothLanes = []PubSubMode{PubSubPlain, PubSubSharded}

// heard is a handler that keeps who sent what it gets.
type heard chan domain.NodeID

func (h heard) HandleMessage(_ context.Context, m *domain.Message) {
	if m.Node == "panics" {
		panic("as asked")
	}
	h <- m.Node
}

func (h heard) next(t *testing.T) domain.NodeID {
	t.Helper()
	select {
	case from := <-h:
		return from
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is heard")
		return ""
	}
}

func question(from domain.NodeID) *domain.Message {
	return &domain.Message{Node: from, Namespace: "/", Body: &domain.AckClientCount{Request: "r", Clients: 1}}
}

func listenAs(t *testing.T, transport *Transport, node domain.NodeID) heard {
	t.Helper()
	h := make(heard, 100)
	s, err := transport.Channel().Listen(t.Context(), "/", node, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return h
}

// census counts who listens in `/`, besides the given.
func census(t *testing.T, transport *Transport, nodes ...domain.NodeID) (named []domain.NodeID, others int) {
	t.Helper()
	c, ok := ports.As[ports.Census](transport.Channel())
	if !ok {
		t.Fatal("the channel cannot count")
	}
	named, others, err := c.Listening(t.Context(), "/", nodes)
	if err != nil {
		t.Fatalf("count: %v", err)
	}
	return named, others
}

func TestCase21_CensusTellsWhoListens(t *testing.T) {
	for _, mode := range bothLanes {
		t.Run(string(mode), func(t *testing.T) {
			server := realredis.Start(t)
			transport := open(t, server.Addr(), Config{PubSub: mode})
			if named, others := census(t, transport, "a"); len(named) != 0 || others != 0 {
				t.Errorf("nobody listens, and %v and %d others are counted", named, others)
			}
			listenAs(t, transport, "a")
			s, err := transport.Channel().Listen(t.Context(), "/", "b", make(heard))
			if err != nil {
				t.Fatal(err)
			}
			listenAs(t, transport, "c")
			named, others := census(t, transport, "x", "b", "a")
			if len(named) != 2 || named[0] != "b" || named[1] != "a" || others != 1 {
				t.Errorf("counted %v and %d others, want b, a and 1", named, others)
			}
			// A listener that has ended is not counted from that moment on.
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if named, others := census(t, transport, "b", "a"); len(named) != 1 || others != 1 {
				t.Errorf("counted %v and %d others, want a and 1", named, others)
			}
		})
	}
	if _, ok := ports.As[ports.Census](open(t, realredis.Start(t).Addr(), Config{}).Channel()); ok {
		t.Error("a channel over the log cannot count")
	}
}

// stubborn are connections that fail without being closed: the server goes on to believe in them, as it does when a
// network is cut.
type stubborn struct {
	mu   sync.Mutex
	open []*stubbornConn
}

type stubbornConn struct {
	net.Conn
	mu     sync.Mutex
	broken bool
}

func (s *stubborn) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &stubbornConn{Conn: conn}
	s.open = append(s.open, c)
	return c, nil
}

// cut breaks all connections that there are.
func (s *stubborn) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		c.mu.Lock()
		c.broken = true
		c.mu.Unlock()
		_ = c.SetReadDeadline(time.Unix(1, 0)) // an open connection takes one
	}
}

func (s *stubborn) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		c.Conn.Close()
	}
}

func (c *stubbornConn) isBroken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

func (c *stubbornConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && c.isBroken() {
		return 0, errors.New("cut")
	}
	return n, err
}

func (c *stubbornConn) Close() error {
	if c.isBroken() {
		return nil // nobody tells the server
	}
	return c.Conn.Close()
}

func (c *stubbornConn) SetReadDeadline(at time.Time) error {
	if c.isBroken() {
		at = time.Unix(1, 0)
	}
	return c.Conn.SetReadDeadline(at)
}

// TestCase22_NoPhantomAfterCut cuts a listener's connection so that the server does not notice. Peers count
// subscribers: the old one must be gone before the new one is there.
func TestCase22_NoPhantomAfterCut(t *testing.T) {
	for _, mode := range bothLanes {
		t.Run(string(mode), func(t *testing.T) {
			server := realredis.Start(t)
			var network stubborn
			t.Cleanup(network.closeAll)
			client := redis.NewClient(&redis.Options{Addr: server.Addr(), Dialer: network.dial})
			t.Cleanup(func() { client.Close() })
			transport, err := New(client, Config{PubSub: mode})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { transport.Close() })
			h := listenAs(t, transport, "a")
			witness := open(t, server.Addr(), Config{PubSub: mode})
			network.cut()
			awaitListening(t, witness, h)
			if named, others := census(t, witness); len(named) != 0 || others != 1 {
				t.Errorf("%d are counted, want the one that listens", others)
			}
		})
	}
}

// awaitListening sends until something is heard on both channels of the node a.
func awaitListening(t *testing.T, from *Transport, h heard) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, to := range []domain.NodeID{"", "a"} {
		deadline := time.After(20 * time.Second)
		for listens := false; !listens; {
			if err := from.Channel().Send(t.Context(), to, question("q")); err != nil {
				t.Fatal(err)
			}
			select {
			case <-h:
				listens = true
			case <-tick.C:
			case <-deadline:
				t.Fatal("it does not listen again")
			}
		}
	}
}

// TestCase22_KilledConnectionIsMended ends a listener's connections at the server, and then the server.
func TestCase22_KilledConnectionIsMended(t *testing.T) {
	for _, mode := range bothLanes {
		t.Run(string(mode), func(t *testing.T) {
			server := realredis.Start(t)
			transport := open(t, server.Addr(), Config{PubSub: mode})
			h := listenAs(t, transport, "a")
			if err := server.Client().ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
			awaitListening(t, transport, h)
			server.Restart()
			awaitListening(t, transport, h)
			if _, others := census(t, transport); others != 1 {
				t.Errorf("%d are counted, want 1", others)
			}
		})
	}
}

// TestSilentConnectionIsNoticed holds all answers back: an idle connection is probed, given up, and mended.
func TestSilentConnectionIsNoticed(t *testing.T) {
	server := realredis.Start(t)
	proxy := faultproxy.Start(t, server.Addr())
	notices := make(chan domain.Notice, 100)
	transport := open(t, proxy.Addr(), Config{
		PubSub: PubSubPlain, Block: 100 * time.Millisecond, Notice: func(n domain.Notice) { notices <- n },
	})
	h := listenAs(t, transport, "a")
	before := transport.pubSub.onlyEar(t)
	proxy.Hold(faultproxy.Answers)
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for transport.pubSub.onlyEar(t) == before {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the silence was not noticed")
		}
	}
	if lost, ok := await(t, "the word that it is lost", notices).(*domain.TransportLost); !ok || lost.Err == nil {
		t.Errorf("told %+v, want that the lane is lost", lost)
	}
	proxy.Release(faultproxy.Answers)
	awaitListening(t, open(t, server.Addr(), Config{PubSub: PubSubPlain}), h)
	found, ok := await(t, "the word that it is found", notices).(*domain.TransportFound)
	if !ok || !strings.HasPrefix(found.Stream, "socket.io#/#") || found.Away <= 0 {
		t.Errorf("told %+v, want that the lane is found", found)
	}
}

// TestASilentLogIsTold holds all answers back: a reader cannot know that at once, and tells since when it has read
// nothing.
func TestASilentLogIsTold(t *testing.T) {
	server := realredis.Start(t)
	proxy := faultproxy.Start(t, server.Addr())
	transport := open(t, proxy.Addr(), Config{Block: 100 * time.Millisecond})
	h := &noticed{changes: make(chan domain.Notice, 10)}
	tail, err := transport.Log().Tail(t.Context(), "", h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tail.Close() })
	proxy.Hold(faultproxy.Answers)
	held := time.Now()
	lost, ok := await(t, "the word that it is lost", h.changes).(*domain.TransportLost)
	if !ok || lost.Stream != DefaultStream || lost.Since.After(held.Add(time.Second)) || lost.Err == nil {
		t.Errorf("told %+v, want the stream, since when, and why", lost)
	}
	proxy.Release(faultproxy.Answers)
	found, ok := await(t, "the word that it is found", h.changes).(*domain.TransportFound)
	if !ok || found.Stream != DefaultStream || found.Away < time.Since(held)/2 {
		t.Errorf("told %+v after %s, want the stream and for how long", found, time.Since(held))
	}
}

// noticed is a log's handler that keeps what it is told of the transport.
type noticed struct{ changes chan domain.Notice }

func (*noticed) HandleEntry(context.Context, *domain.Entry) {}

func (n *noticed) HandleNotice(_ context.Context, notice domain.Notice) {
	switch notice.(type) {
	case *domain.TransportLost, *domain.TransportFound:
		n.changes <- notice
	default:
	}
}

// onlyEar is the connection of the one listener that there is.
func (c *pubSubLane) onlyEar(t *testing.T) *connection {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for l := range c.listeners {
		e := l.ears[0]
		e.mu.Lock()
		conn := e.conn
		e.mu.Unlock()
		return conn
	}
	t.Fatal("there is no listener")
	return nil
}

// TestBadMessagesAreSkipped puts what cannot be read, and what a handler chokes on, before a good message.
func TestBadMessagesAreSkipped(t *testing.T) {
	server := realredis.Start(t)
	notices := make(chan domain.Notice, 100)
	transport := open(t, server.Addr(), Config{
		PubSub: PubSubPlain, Notice: func(n domain.Notice) { notices <- n },
	})
	h := listenAs(t, transport, "a")
	bad := badPayloads(t)
	for _, raw := range bad {
		if err := server.Client().Publish(t.Context(), "socket.io#/#", raw).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []domain.NodeID{"panics", "good"} {
		if err := transport.Channel().Send(t.Context(), "", question(from)); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.next(t); got != "good" {
		t.Errorf("heard %s", got)
	}
	for range len(bad) + 1 {
		n := <-notices
		if b, ok := n.(*domain.BadEntry); !ok || b.Stream != "socket.io#/#" || b.Err == nil {
			t.Errorf("told %+v", n)
		}
	}
	if len(notices) != 0 {
		t.Errorf("told %d more", len(notices))
	}
}

// attentive is a handler that wants to know what could not be read; the first notice is too much for it.
type attentive struct {
	heard
	notices chan domain.Notice
	once    sync.Once
}

func (a *attentive) HandleNotice(_ context.Context, n domain.Notice) {
	a.notices <- n
	a.once.Do(func() { panic("as asked") })
}

// TestAHandlerIsToldOfBadMessages: one that can be told is told itself.
func TestAHandlerIsToldOfBadMessages(t *testing.T) {
	server := realredis.Start(t)
	transport := open(t, server.Addr(), Config{
		PubSub: PubSubPlain, Notice: func(n domain.Notice) { t.Errorf("told elsewhere: %+v", n) },
	})
	a := &attentive{heard: make(heard, 10), notices: make(chan domain.Notice, 10)}
	subscription, err := transport.Channel().Listen(t.Context(), "/", "a", a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = subscription.Close() })
	for range 2 {
		if err := server.Client().Publish(t.Context(), "socket.io#/#", "nonsense").Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := transport.Channel().Send(t.Context(), "", question("good")); err != nil {
		t.Fatal(err)
	}
	if got := a.next(t); got != "good" {
		t.Errorf("heard %s", got)
	}
	for range 2 {
		n := await(t, "a notice", a.notices)
		if b, ok := n.(*domain.BadEntry); !ok || b.Stream != "socket.io#/#" || b.Err == nil {
			t.Errorf("told %+v", n)
		}
	}
}

// TestSendIsNeverRepeated lets the answer to a PUBLISH be lost: what may have been sent must not be sent again.
func TestSendIsNeverRepeated(t *testing.T) {
	for _, mode := range bothLanes {
		t.Run(string(mode), func(t *testing.T) {
			server := realredis.Start(t)
			proxy := faultproxy.Start(t, server.Addr())
			h := listenAs(t, open(t, server.Addr(), Config{PubSub: mode}), "a")
			sender := open(t, proxy.Addr(), Config{PubSub: mode})
			// The connection is there before: one that is cut while it is made has sent nothing and is made again.
			if err := sender.Channel().Send(t.Context(), "", question("first")); err != nil {
				t.Fatal(err)
			}
			if first := h.next(t); first != "first" {
				t.Errorf("heard %s, want the first", first)
			}
			cut := proxy.CutAfter(faultproxy.Answers, 0)
			if err := sender.Channel().Send(t.Context(), "", question("lost")); err == nil {
				t.Error("no error although the answer was lost")
			}
			<-cut
			if err := sender.Channel().Send(t.Context(), "", question("next")); err != nil {
				t.Fatal(err)
			}
			if first, second := h.next(t), h.next(t); first != "lost" || second != "next" {
				t.Errorf("heard %s and %s, want each once", first, second)
			}
		})
	}
}

func TestPubSubConfig(t *testing.T) {
	if _, err := (Config{PubSub: "both"}).withDefaults(); err == nil || !strings.Contains(err.Error(), "both") {
		t.Errorf("an unknown mode: %v", err)
	}
	c, err := Config{}.withDefaults()
	if err != nil || c.PubSub != PubSubOff || c.ChannelPrefix != "socket.io" {
		t.Errorf("the defaults are %q and %q, %v", c.PubSub, c.ChannelPrefix, err)
	}
}

// TestPubSubInACluster has two nodes in a Redis Cluster, in namespaces whose channels are at different servers.
func TestPubSubInACluster(t *testing.T) {
	cluster := realredis.StartCluster(t)
	for _, mode := range bothLanes {
		t.Run(string(mode), func(t *testing.T) {
			one, err := Connect(t.Context(), cluster.URL(), Config{PubSub: mode})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { one.Close() })
			two, err := Connect(t.Context(), cluster.URL(), Config{PubSub: mode})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { two.Close() })
			for _, namespace := range []string{"/", "/a", "/b", "/c", "/d", "/e"} {
				h := make(heard, 10)
				s, err := one.Channel().Listen(t.Context(), namespace, "a", h)
				if err != nil {
					t.Fatal(err)
				}
				for _, to := range []domain.NodeID{"", "a"} {
					m := question("asker " + to)
					m.Namespace = namespace
					if err := two.Channel().Send(t.Context(), to, m); err != nil {
						t.Fatal(err)
					}
					if got := h.next(t); got != m.Node {
						t.Errorf("in %s %q was heard, want %q", namespace, got, m.Node)
					}
				}
				counter, _ := ports.As[ports.Census](two.Channel())
				named, others, err := counter.Listening(t.Context(), namespace, []domain.NodeID{"b", "a"})
				if err != nil || len(named) != 1 || named[0] != "a" || others != 0 {
					t.Errorf("in %s %v and %d others are counted, %v", namespace, named, others, err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
