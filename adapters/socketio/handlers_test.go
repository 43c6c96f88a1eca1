package socketio_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

// Middleware of events is asked after those that hear all of them, and before the handlers.
func TestUseEvent(t *testing.T) {
	h := serve(t, socketio.Config{})
	var order []string // the handlers of one socket run one after the other
	h.OnAny(func(_ context.Context, _ *socketio.Socket, p domain.Packet) { order = append(order, "any "+p.Event()) })
	h.UseEvent(func(_ context.Context, _ *socketio.Socket, p domain.Packet) error {
		switch p.Event() {
		case "forbidden":
			return &socketio.ClientError{Message: "not you"}
		case "broken":
			return errors.New("secret")
		case "panic":
			panic("middleware")
		}
		return nil
	})
	h.UseEvent(func(_ context.Context, _ *socketio.Socket, p domain.Packet) error {
		order = append(order, "second "+p.Event())
		return nil
	})
	for _, event := range []string{"allowed", "forbidden", "broken", "panic"} {
		socketio.OnAck0(h, event, func(context.Context, *socketio.Socket) (string, error) {
			order = append(order, "handler "+event)
			return "done", nil
		})
	}
	socketio.OnAck0(h, "order", func(context.Context, *socketio.Socket) ([]string, error) { return order, nil })
	c, _ := h.join("/")
	c.send(`420["forbidden"]`, `421["broken"]`, `422["panic"]`, `423["allowed"]`)
	c.want(`430[{"error":"not you"}]`, `431[{"error":"internal error"}]`, `432[{"error":"internal error"}]`, `433["done"]`)
	c.send(`424["order"]`)
	c.want(`434[["any forbidden","any broken","any panic","any allowed","second allowed","handler allowed","any order","second order"]]`)
	if f := h.failure(); f.Event != "broken" || f.Err.Error() != "secret" {
		t.Errorf("failure %+v", f)
	}
	if f := h.failure(); f.Event != "panic" || !isPanic(f.Err) {
		t.Errorf("failure %+v, want a panic", f)
	}
	h.noFailure()
	c.send(`42["forbidden"]`) // nobody else would learn of it
	if f := h.failure(); f.Event != "forbidden" {
		t.Errorf("failure %+v", f)
	}
}

// A handler for once is called for the first event of each socket; then it is as if there were none.
func TestOnce(t *testing.T) {
	h := serve(t, socketio.Config{})
	socketio.OnAck(h.Once(), "first", func(_ context.Context, _ *socketio.Socket, n int) (int, error) { return n, nil })
	socketio.OnAck(h.Once(), "both", func(context.Context, *socketio.Socket, int) (string, error) { return "once", nil })
	socketio.OnAck(h, "both", func(context.Context, *socketio.Socket, int) (string, error) { return "always", nil })
	for range 2 {
		c, _ := h.join("/")
		c.send(`420["first",7]`, `421["both",1]`, `422["both",1]`)
		c.want(`430[7]`, `431["once"]`, `432["always"]`)
		h.noFailure()
		c.send(`423["first",8]`)
		c.want(`433[{"error":"unknown event"}]`)
		if f := h.failure(); !errors.Is(f.Err, socketio.ErrUnknownEvent) {
			t.Errorf("failure %+v, want ErrUnknownEvent", f)
		}
	}
	socketio.OnServerSideAck0(h.Once(), "server", func(context.Context) (string, error) { return "once", nil })
	for _, want := range []string{`"once"`, ""} {
		answers, err := h.ServerSideEmitWithAck(t.Context(), "server")
		if err != nil || len(answers) != 1 || string(answers[0].JSON()) != want {
			t.Errorf("answers %v (%v), want %q", answers, err, want)
		}
	}
	h.noFailure()
}

// Those who hear everything that goes out are told of each event once a socket, whichever way it goes.
func TestOnAnyOutgoing(t *testing.T) {
	h := serve(t, socketio.Config{})
	told := make(chan string, 10)
	h.OnAnyOutgoing(func(_ context.Context, s *socketio.Socket, p domain.Packet) {
		if _, ok := h.Socket(s.ID()); ok { // it holds no lock
			told <- string(s.ID()) + string(p.JSON())
		}
	})
	c, id := h.join("/")
	_, other := h.join("/")
	s, _ := h.Socket(domain.SocketID(id))
	next := func() string { t.Helper(); return receive(t, "an event", told) }

	if err := s.Emit(t.Context(), "direct", 1); err != nil || next() != id+`["direct",1]` {
		t.Errorf("an emit to one socket was told otherwise (%v)", err)
	}
	if _, err := h.Emit(t.Context(), "all"); err != nil {
		t.Fatal(err)
	}
	both, want := []string{next(), next()}, []string{id + `["all"]`, other + `["all"]`}
	slices.Sort(both)
	slices.Sort(want)
	if !slices.Equal(both, want) {
		t.Errorf("told of %q, want %q", both, want)
	}
	if _, err := h.In(id).Timeout(1).EmitWithAck(t.Context(), "ask"); err == nil {
		t.Error("an answer that nobody has given")
	}
	if got := next(); got != id+`["ask"]` {
		t.Errorf("told of %q", got)
	}
	c.send(`420["what"]`) // an ack is no event
	c.want(`42["direct",1]`, `42["all"]`, `420["ask"]`, `430[{"error":"unknown event"}]`)
	if len(told) > 0 {
		t.Errorf("told of %q as well", <-told)
	}
}
