package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
)

// slowly is a rate whose bucket does not fill up again within a test.
const slowly = 1e-9

func TestRateLimitOfASocket(t *testing.T) {
	h := serve(t, socketio.Config{RateLimit: socketio.RateLimit{Socket: socketio.Rate{PerSecond: slowly, Burst: 3}}})
	socketio.OnAck(h, "echo", func(_ context.Context, _ *socketio.Socket, n int) (int, error) { return n, nil })
	c, _ := h.join("/")
	for n := range 5 {
		c.send(fmt.Sprintf(`42%d["echo",%d]`, n, n))
	}
	// What is too many is answered where it is read, so it may overtake answers of handlers.
	got := make(map[string]bool)
	for range 5 {
		got[c.text()] = true
	}
	for _, want := range []string{
		`430[0]`, `431[1]`, `432[2]`, `433[{"error":"rate limit exceeded"}]`, `434[{"error":"rate limit exceeded"}]`,
	} {
		if !got[want] {
			t.Errorf("no answer %s in %v", want, got)
		}
	}
	if f := h.failure(); f.Event != "echo" || f.Socket == nil || !errors.Is(f.Err, socketio.ErrRateLimited) {
		t.Errorf("the failure is %+v", f)
	}
	h.noFailure() // one in a second
	other, _ := h.join("/")
	other.send(`420["echo",0]`) // has buckets of its own
	other.want(`430[0]`)
}

func TestRateLimitOfAnEvent(t *testing.T) {
	h := serve(t, socketio.Config{RateLimit: socketio.RateLimit{
		Socket: socketio.Rate{PerSecond: 1e9},
		Events: map[string]socketio.Rate{"post": {PerSecond: slowly}, "free": {}},
	}})
	echo := func(_ context.Context, _ *socketio.Socket, n int) (int, error) { return n, nil }
	for _, event := range []string{"post", "free", "other"} {
		socketio.OnAck(h, event, echo)
	}
	c, _ := h.join("/")
	c.send(`420["post",0]`)
	c.want(`430[0]`)
	c.send(`42["post",1]`) // dropped without a word to the client
	if f := h.failure(); f.Event != "post" || !errors.Is(f.Err, socketio.ErrRateLimited) {
		t.Errorf("the failure is %+v", f)
	}
	for n := range 10 {
		c.send(fmt.Sprintf(`42["free",%d]`, n), fmt.Sprintf(`42["other",%d]`, n))
	}
	c.send(`421["free",1]`)
	c.want(`431[1]`)
	h.noFailure()
}

func TestRateLimitClosesTheConnection(t *testing.T) {
	h := serve(t, socketio.Config{RateLimit: socketio.RateLimit{
		Socket: socketio.Rate{PerSecond: slowly, Burst: 1}, CloseAfter: 3,
	}})
	socketio.On(h, "e", func(context.Context, *socketio.Socket, int) error { return nil })
	ended := make(chan error, 1)
	h.OnDisconnect(func(_ context.Context, s *socketio.Socket, r socketio.Reason) {
		if r != socketio.ReasonForcedServerClose {
			t.Errorf("the reason is %q", r)
		}
		ended <- s.Err()
	})
	c, _ := h.join("/")
	c.send(`42["e",0]`, `42["e",1]`, `42["e",2]`, `42["e",3]`)
	c.wantClosed()
	if err := receive(t, "the end", ended); !errors.Is(err, socketio.ErrRateLimited) {
		t.Errorf("the socket's error is %v", err)
	}
}

// A client that leaves and connects again over the same connection has the buckets that it had, and its row of events
// that were too many.
func TestRateLimitOutlivesASocket(t *testing.T) {
	h := serve(t, socketio.Config{RateLimit: socketio.RateLimit{
		Socket: socketio.Rate{PerSecond: slowly, Burst: 1}, CloseAfter: 3,
	}})
	socketio.OnAck(h, "echo", func(_ context.Context, _ *socketio.Socket, n int) (int, error) { return n, nil })
	h.Of("/other").OnConnect(func(context.Context, *socketio.Socket) error { return nil })
	c, _ := h.join("/")
	c.send(`420["echo",0]`)
	c.want(`430[0]`)
	c.join("/other") // its events count by themselves
	for n := range 2 {
		c.send("41")
		c.join("/")
		c.send(fmt.Sprintf(`421["echo",%d]`, n))
		c.want(`431[{"error":"rate limit exceeded"}]`)
	}
	c.send("41")
	c.join("/")
	c.send(`42["echo",3]`)
	c.wantClosed()
}

// The buckets that are kept for a client are as many as it may have sockets: the oldest without a socket go first.
func TestRateLimitsThatAreKeptAreBounded(t *testing.T) {
	h := serve(t, socketio.Config{
		MaxSockets: 2, RateLimit: socketio.RateLimit{Socket: socketio.Rate{PerSecond: slowly, Burst: 1}},
	})
	for _, namespace := range []string{"/", "/a", "/b"} {
		socketio.OnAck(h.Of(namespace), "echo", func(_ context.Context, _ *socketio.Socket, n int) (int, error) { return n, nil })
	}
	c, _ := h.join("/")
	c.join("/a")
	for _, namespace := range []string{"/", "/a"} {
		c.send("42" + head(namespace) + `0["echo",0]`)
		c.want("43" + head(namespace) + `0[0]`)
	}
	c.send("41/a,")
	c.join("/b") // takes the place of /a, because the client is still in /
	c.send("41/b,")
	c.join("/a")
	c.send(`420["echo",1]`, `42/a,0["echo",1]`)
	c.want(`430[{"error":"rate limit exceeded"}]`, `43/a,0[1]`)
}

func TestRateLimitConfig(t *testing.T) {
	for name, limit := range map[string]socketio.RateLimit{
		"negative rate":    {Socket: socketio.Rate{PerSecond: -1}},
		"no number":        {Socket: socketio.Rate{PerSecond: math.NaN()}},
		"negative burst":   {Events: map[string]socketio.Rate{"e": {PerSecond: 1, Burst: -1}}},
		"burst alone":      {Events: map[string]socketio.Rate{"e": {Burst: 1}}},
		"negative closing": {CloseAfter: -1},
	} {
		if _, err := socketio.NewServer(&loneNode{}, socketio.Config{RateLimit: limit}); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}
