package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

func TestAuthorizeJoin(t *testing.T) {
	h := serve(t, socketio.Config{})
	h.AuthorizeJoin(func(_ context.Context, _ *socketio.Socket, room string) error {
		if room == "staff" {
			return &socketio.ClientError{Message: "not " + room}
		}
		return nil
	})
	h.AuthorizeJoin(func(_ context.Context, _ *socketio.Socket, room string) error {
		if room == "broken" {
			panic("broken")
		}
		return nil
	})
	socketio.OnAck(h, "join", func(ctx context.Context, s *socketio.Socket, rooms []string) ([]string, error) {
		err := s.Join(ctx, rooms...)
		return s.Rooms()[1:], err
	})
	h.Use(func(ctx context.Context, s *socketio.Socket) error {
		if string(s.Handshake().Auth.JSON()) == `{"want":"staff"}` {
			return s.Join(ctx, "staff")
		}
		return s.Join(ctx, "lobby")
	})
	c, id := h.join("/")
	c.send(`420["join",["hall"]]`, `421["join",["bar","staff"]]`, `422["join",[]]`)
	c.want(`430[["lobby","hall"]]`, `431[{"error":"not staff"}]`, `432[["lobby","hall"]]`)
	c.send(`423["join",["broken"]]`)
	c.want(`433[{"error":"internal error"}]`)
	if f := h.failure(); !isPanic(f.Err) {
		t.Errorf("the failure is %v, want a panic", f.Err)
	}
	// What the server orders is not asked about.
	if err := h.In(id).SocketsJoin(t.Context(), "staff"); err != nil {
		t.Fatal(err)
	}
	c.send(`424["join",[]]`)
	c.want(`434[["lobby","hall","staff"]]`)
	refused := h.dial()
	refused.send(`40{"want":"staff"}`)
	refused.want(`44{"message":"internal error"}`)
	if f := h.failure(); f.Event != "connect" {
		t.Errorf("the failure is of %q, want connect", f.Event)
	}
}

func isPanic(err error) bool {
	_, ok := errors.AsType[*socketio.PanicError](err)
	return ok
}

func TestAuthorizePublish(t *testing.T) {
	h := serve(t, socketio.Config{})
	asked := make(chan string, 10)
	h.AuthorizePublish(func(_ context.Context, _ *socketio.Socket, rooms []string, event string) error {
		asked <- fmt.Sprint(rooms, event)
		if slices.Contains(rooms, "announcements") {
			return &socketio.ClientError{Message: "read only"}
		}
		return nil
	})
	socketio.OnAck(h, "post", func(ctx context.Context, s *socketio.Socket, room string) (domain.Offset, error) {
		if err := s.Join(ctx, room); err != nil {
			return "", err
		}
		if room == "ask" {
			_, err := s.To(room).EmitWithAck(ctx, "question")
			return "", err
		}
		return s.To(room).Emit(ctx, "news")
	})
	socketio.OnAck0(h, "all", func(ctx context.Context, s *socketio.Socket) (domain.Offset, error) {
		return s.Broadcast().Emit(ctx, "news")
	})
	c, _ := h.join("/")
	c.send(`420["post","lobby"]`, `421["post","announcements"]`, `422["post","ask"]`, `423["all"]`)
	c.want(`430["1"]`, `431[{"error":"read only"}]`, `432[""]`, `433["3"]`)
	for _, want := range []string{"[lobby]news", "[announcements]news", "[ask]question", "[]news"} {
		if got := receive(t, "a question", asked); got != want {
			t.Errorf("asked about %s, want %s", got, want)
		}
	}
	// The server itself, and what goes to one socket, are not asked about.
	if _, err := h.To("announcements").Emit(t.Context(), "news"); err != nil {
		t.Error(err)
	}
	c.want(`42["news"]`)
	if err := h.Sockets()[0].Emit(t.Context(), "only you"); err != nil {
		t.Error(err)
	}
	c.want(`42["only you"]`)
	if len(asked) > 0 {
		t.Errorf("asked about %s", <-asked)
	}
}

func TestRoomHooks(t *testing.T) {
	h := serve(t, socketio.Config{})
	told := make(chan string, 100)
	h.OnRoomCreated(func(_ context.Context, room string) { told <- "created " + room })
	h.OnRoomDeleted(func(_ context.Context, room string) { told <- "deleted " + room })
	names := make(map[domain.SocketID]string)
	h.OnJoin(func(ctx context.Context, s *socketio.Socket, room string) {
		// It holds no lock: it may use the server.
		if _, err := h.Local().FetchSockets(ctx); err != nil {
			t.Error(err)
		}
		told <- names[s.ID()] + " in " + room
	})
	h.OnLeave(func(_ context.Context, s *socketio.Socket, room string) { told <- names[s.ID()] + " out of " + room })
	one, oneID := h.join("/")
	_, twoID := h.join("/")
	names[domain.SocketID(oneID)], names[domain.SocketID(twoID)] = "one", "two"
	want := func(what ...string) {
		t.Helper()
		for _, want := range what {
			if got := receive(t, want, told); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		}
	}
	ctx := t.Context()
	socketOne, _ := h.Socket(domain.SocketID(oneID))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(socketOne.Join(ctx, "lobby", "bar"))
	want("created lobby", "one in lobby", "created bar", "one in bar")
	must(socketOne.Join(ctx, "lobby")) // changes nothing
	must(h.In(twoID).SocketsJoin(ctx, "lobby"))
	want("two in lobby")
	must(socketOne.Leave(ctx, "lobby", "cellar"))
	want("one out of lobby")
	must(h.SocketsLeave(ctx, "lobby"))
	want("two out of lobby", "deleted lobby")
	must(h.In(twoID).SocketsJoin(ctx, "bar"))
	want("two in bar")
	_ = one.conn.Close()
	want("one out of bar")
	must(h.Close())
	want("two out of bar", "deleted bar")
	if len(told) > 0 {
		t.Errorf("told %q besides", <-told)
	}
}

func TestAPanickingRoomHookCostsThatCallAlone(t *testing.T) {
	h := serve(t, socketio.Config{})
	told := make(chan string, 10)
	h.OnJoin(func(context.Context, *socketio.Socket, string) { panic("broken") })
	h.OnJoin(func(_ context.Context, _ *socketio.Socket, room string) { told <- room })
	_, id := h.join("/")
	s, _ := h.Socket(domain.SocketID(id))
	if err := s.Join(t.Context(), "lobby"); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, "the join", told); got != "lobby" {
		t.Errorf("told of %q", got)
	}
	if f := h.failure(); f.Event != "rooms" || f.Socket != s || !isPanic(f.Err) {
		t.Errorf("the failure is %+v", f)
	}
}
