package client_test

import (
	"context"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/app"
)

// patience is how long a test waits for what must come.
const patience = 15 * time.Second

// quick is a reconnection that tests do not have to wait for.
var quick = client.Reconnection{Delay: 5 * time.Millisecond, MaxDelay: 20 * time.Millisecond}

// startServer runs a node in memory with a server of ours.
func startServer(t testing.TB, config socketio.Config) (*socketio.Server, string) {
	t.Helper()
	cluster := inmemory.New(inmemory.Config{})
	member := cluster.Member()
	node, err := app.NewNode(member.Log(), member.Channel(), member.Sessions(), app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	io, err := socketio.NewServer(node, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(io)
	t.Cleanup(func() {
		if err := io.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
		web.Close()
		if err := node.Close(); err != nil {
			t.Errorf("close the node: %v", err)
		}
		if err := cluster.Close(); err != nil {
			t.Errorf("close the cluster: %v", err)
		}
	})
	return io, web.URL
}

// newClient makes a client that ends with the test, before the server does.
func newClient(t testing.TB, url string, config client.Config) *client.Client {
	t.Helper()
	if config.Reconnection == (client.Reconnection{}) {
		config.Reconnection = quick
	}
	if config.OnError == nil {
		config.OnError = func(_ context.Context, f client.Failure) { t.Errorf("handler of %q: %v", f.Event, f.Err) }
	}
	c, err := client.New(url, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// patient is a context for what must not take long.
func patient(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func connect(t testing.TB, s *client.Socket) {
	t.Helper()
	if err := s.Connect(patient(t)); err != nil {
		t.Fatalf("connect to %s: %v", s.Namespace(), err)
	}
}

// receive waits for a value.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing came", what)
		panic("unreachable")
	}
}

// want compares.
func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// left is what a disconnect handler was told.
type left struct {
	reason client.Reason
	err    error
}

// disconnects is where a socket's disconnects are told.
func disconnects(s *client.Socket) <-chan left {
	told := make(chan left, 100)
	s.OnDisconnect(func(_ context.Context, reason client.Reason, err error) { told <- left{reason, err} })
	return told
}

// connects is where a socket's connects are told.
func connects(s *client.Socket) <-chan struct{} {
	told := make(chan struct{}, 100)
	s.OnConnect(func(context.Context) error { told <- struct{}{}; return nil })
	return told
}

// events is where the arguments of an event are told.
func events[A any](s *client.Socket, event string) <-chan A {
	told := make(chan A, 1000)
	client.On(s, event, func(_ context.Context, a A) error { told <- a; return nil })
	return told
}

// counting dials and counts.
func counting(dialled *int) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		*dialled++
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

// waitFor asks until something is so: no event tells.
func waitFor(t testing.TB, what string, so func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !so(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it never was so", what)
		}
	}
}
