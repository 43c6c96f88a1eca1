package interop_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// goServer is a Go node with a Socket.IO server, as an application would make them.
type goServer struct {
	node *app.Node
	io   *socketio.Server
	url  string
	// serverSide is what came in by server-side emits: the argument of each "note".
	serverSide chan string
	// connected are the ids of the sockets, in the order in which they connected.
	connected chan *socketio.Socket
}

func startGo(t *testing.T, redisURL string, config redisstream.Config) *goServer {
	t.Helper()
	return startGoWith(t, redisURL, config, app.Config{})
}

// startGoWith starts a Go node with a configuration of its own.
func startGoWith(t *testing.T, redisURL string, config redisstream.Config, nodeConfig app.Config) *goServer {
	t.Helper()
	ctx := t.Context()
	transport, err := redisstream.Connect(ctx, redisURL, config)
	if err != nil {
		t.Fatal(err)
	}
	s := &goServer{serverSide: make(chan string, 100), connected: make(chan *socketio.Socket, 100)}
	s.node, err = app.NewNode(transport.Log(), transport.Channel(), transport.Sessions(), nodeConfig)
	if err != nil {
		t.Fatal(err)
	}
	s.io, err = socketio.NewServer(s.node, socketio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s.io.OnConnect(func(_ context.Context, socket *socketio.Socket) error {
		s.connected <- socket
		return nil
	})
	socketio.OnServerSide(s.io, "note", func(_ context.Context, text string) error {
		s.serverSide <- text
		return nil
	})
	socketio.OnServerSideAck(s.io, "double", func(_ context.Context, n int) (map[string]any, error) {
		return map[string]any{"by": "go", "n": 2 * n}, nil
	})
	if err := s.node.Run(ctx); err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(s.io)
	s.url = listener.URL
	t.Cleanup(func() {
		listener.CloseClientConnections()
		s.close(t)
		listener.Close()
		if err := transport.Close(); err != nil {
			t.Errorf("close the transport: %v", err)
		}
	})
	return s
}

func (s *goServer) close(t *testing.T) {
	t.Helper()
	if err := s.io.Close(); err != nil {
		t.Errorf("close the server: %v", err)
	}
	if err := s.node.Close(); err != nil {
		t.Errorf("close the node: %v", err)
	}
}

// mixed is a cluster of a Go node and a Node.js server, with a client each.
type mixed struct {
	redis          *realredis.Server
	gopher, nora   *nodejs.Client // of the Go node, of the Node.js server
	goNode         *goServer
	jsNode         *nodejs.Server
	gopherS, noraS string // their sockets
}

func startMixed(t *testing.T) mixed {
	t.Helper()
	return startMixedWith(t, nodejs.ServerConfig{Adapter: nodejs.Adapter02}, redisstream.Config{})
}

// startMixedWith starts a cluster with a configuration of each server.
func startMixedWith(t *testing.T, js nodejs.ServerConfig, config redisstream.Config) mixed {
	t.Helper()
	redis := realredis.Start(t)
	js.RedisURL = redis.URL()
	m := mixed{
		redis:  redis,
		jsNode: nodejs.StartServer(t, js),
		goNode: startGo(t, redis.URL(), config),
	}
	clients := nodejs.StartClients(t)
	m.gopher = clients.Connect("gopher", m.goNode.url, nodejs.ConnectOptions{Auth: map[string]any{"token": "g"}})
	m.nora = clients.Connect("nora", m.jsNode.URL(), nodejs.ConnectOptions{})
	m.gopherS, m.noraS = m.gopher.ID(), m.nora.ID()
	for _, c := range []*nodejs.Client{m.gopher, m.nora} {
		c.Wait(nodejs.OfKind(nodejs.Upgrade)) // during an upgrade volatile packets are dropped
	}
	waitFor(t, "the Node.js server counts both", func() bool { return m.jsNode.ServerCount("/") == 2 })
	waitFor(t, "the Go node counts both", func() bool { return m.goNode.io.NodeCount() == 2 })
	return m
}

// waitFor asks again and again, for what no event tells.
func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("it did not come true: %s", what)
		case <-tick.C:
		}
	}
}

func wantArgs(t *testing.T, c *nodejs.Client, event, want string) {
	t.Helper()
	if got := c.Wait(nodejs.Named(event)).Args.String(); got != want {
		t.Errorf("%s got %s %s, want %s", c.Name(), event, got, want)
	}
}

// neither checks that a client got no such event. Something sent behind it must have arrived already.
func neither(t *testing.T, c *nodejs.Client, event string) {
	t.Helper()
	if got := c.Events(nodejs.Named(event)); len(got) > 0 {
		t.Errorf("%s got %v", c.Name(), got)
	}
}

func no(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func sorted(texts ...string) string {
	slices.Sort(texts)
	return fmt.Sprint(texts)
}
