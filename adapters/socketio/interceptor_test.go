package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

type mark string

// between is an interceptor that notes what it is told, and marks the contexts.
type between struct {
	mu    sync.Mutex
	noted []string
	ended chan string
}

func (b *between) note(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.noted = append(b.noted, line)
}

func (b *between) Greet(ctx context.Context, g *domain.Greeting) context.Context {
	b.note(fmt.Sprintf("greet %s %s agent %q", g.Namespace, g.Auth.JSON(), g.Header("X-Agent")))
	return context.WithValue(ctx, mark("socket"), "greeted")
}

func (b *between) Begin(ctx context.Context, c domain.ClientCall) (context.Context, func(error)) {
	line := fmt.Sprintf("%s %s %q", c.Kind, ctx.Value(mark("socket")), c.Event.Event())
	return context.WithValue(ctx, mark("call"), c.Kind.String()), func(err error) { b.ended <- fmt.Sprint(line, " ", err) }
}

// An interceptor stands around all that the application is called for because of a client, and its contexts reach it.
func TestAnInterceptorStandsAroundWhatClientsCause(t *testing.T) {
	b := &between{ended: make(chan string, 10)}
	h := serve(t, socketio.Config{Interceptor: b})
	seen := func(ctx context.Context) string {
		return fmt.Sprint(ctx.Value(mark("socket")), " ", ctx.Value(mark("call")))
	}
	contexts := make(chan string, 10)
	h.Use(func(ctx context.Context, _ *socketio.Socket) error { contexts <- "use " + seen(ctx); return nil })
	h.OnConnect(func(ctx context.Context, _ *socketio.Socket) error { contexts <- "connect " + seen(ctx); return nil })
	h.OnDisconnect(func(ctx context.Context, _ *socketio.Socket, _ socketio.Reason) { contexts <- "gone " + seen(ctx) })
	h.UseEvent(func(ctx context.Context, _ *socketio.Socket, _ domain.Packet) error {
		contexts <- "asked " + seen(ctx)
		return nil
	})
	failure := errors.New("no")
	socketio.OnAck0(h, "fail", func(ctx context.Context, _ *socketio.Socket) (string, error) {
		contexts <- "event " + seen(ctx)
		return "", failure
	})
	c, _ := h.join("/")
	c.send(`421["fail"]`)
	c.want(`431[{"error":"internal error"}]`)
	h.failure()
	c.send("41")
	for _, want := range []string{
		"use greeted connect", "connect greeted connect", "asked greeted event", "event greeted event", "gone greeted disconnect",
	} {
		if got := receive(t, "a call", contexts); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, want := range []string{`connect greeted "" <nil>`, `event greeted "fail" no`, `disconnect greeted "" <nil>`} {
		if got := receive(t, "an end", b.ended); got != want {
			t.Errorf("ended with %q, want %q", got, want)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.noted, []string{`greet /  agent ""`}) {
		t.Errorf("noted %q", b.noted)
	}
}

// Who is refused ends with what refused it, and what its auth says is told.
func TestAnInterceptorIsToldOfARefusal(t *testing.T) {
	b := &between{ended: make(chan string, 10)}
	h := serve(t, socketio.Config{Interceptor: b})
	h.Use(func(context.Context, *socketio.Socket) error { return &socketio.ConnectError{Message: "not you"} })
	c := h.dial()
	c.send(`40{"token":"x"}`)
	c.want(`44{"message":"not you"}`)
	if got := receive(t, "an end", b.ended); got != `connect greeted "" not you` {
		t.Errorf("ended with %q", got)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.noted, []string{`greet / {"token":"x"} agent ""`}) {
		t.Errorf("noted %q", b.noted)
	}
}

// Rooms that sockets have for themselves are not counted.
func TestRoomsAreCounted(t *testing.T) {
	h := serve(t, socketio.Config{})
	socketio.OnAck(h, "join", func(ctx context.Context, s *socketio.Socket, room string) (string, error) {
		return room, s.Join(ctx, room)
	})
	for _, room := range []string{"a", "a", "b"} {
		c, _ := h.join("/")
		c.send(`421["join","` + room + `"]`)
		c.want(`431["` + room + `"]`)
	}
	if s := h.Stats(); s.Rooms != 2 || s.Sockets != 3 {
		t.Errorf("%d rooms of %d sockets are counted, want 2 of 3", s.Rooms, s.Sockets)
	}
}
