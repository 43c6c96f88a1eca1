package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// recovering is a server whose node keeps sessions.
func recovering(t *testing.T, config socketio.Config) *harness {
	t.Helper()
	return serveOn(t, &loneNode{window: time.Minute, kept: make(chan *keptSession, 10)}, config)
}

// enter connects a client and returns its socket and its session.
func (h *harness) enter() (*client, *socketio.Socket, *keptSession) {
	h.t.Helper()
	c := h.dial()
	c.send("40")
	answer := c.text()
	session := receive(h.t, "a session", h.node.kept)
	id := strings.TrimPrefix(string(session.id), "private-")
	if want := `40{"sid":"` + id + `","pid":"private-` + id + `"}`; answer != want {
		h.t.Fatalf("the answer to CONNECT is %q, want %q", answer, want)
	}
	s, ok := h.Socket(domain.SocketID(id))
	if !ok {
		h.t.Fatalf("there is no socket %s", id)
	}
	return c, s, session
}

// wantNotes compares everything that a session was told after it was kept.
func (k *keptSession) wantNotes(h *harness, want ...string) {
	h.t.Helper()
	if got := k.waitFor(h, len(want)+1)[1:]; !slices.Equal(got, want) {
		h.t.Errorf("the session was told %q, want %q", got, want)
	}
}

// event is a packet for a recovered client.
func event(t *testing.T, offset domain.Offset, name string, args ...any) *domain.Delivery {
	t.Helper()
	p, err := socketio.NewPacket(name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return &domain.Delivery{Namespace: "/", Packet: p, Offset: offset}
}

// offer makes the node find a session for the next client that asks for it.
func (h *harness) offer() *comeback {
	back := &comeback{
		node: h.node, socket: "public", abandoned: make(chan struct{}), rooms: []string{"blue"},
		session: newKeptSession("private", nil),
	}
	h.node.recover = func(id domain.SessionID, seen domain.Offset, lost func()) (ports.Comeback, domain.Recovery) {
		back.session.lost = lost
		back.session.notef("asked for %s after %q", id, seen)
		return back, domain.Recovery{Outcome: domain.Recovered}
	}
	return back
}

// comeBack connects a client that asks for its session.
func (h *harness) comeBack() *client {
	h.t.Helper()
	c := h.dial()
	c.send(`40{"pid":"private","offset":"7"}`)
	return c
}

func TestRecovered(t *testing.T) {
	h := recovering(t, socketio.Config{})
	h.Use(func(context.Context, *socketio.Socket) error { return errors.New("middleware was called") })
	connected := make(chan string, 1)
	h.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		name, err := socketio.Data[string](s)
		connected <- fmt.Sprint(s.ID(), s.Recovered(), s.Recovery().Outcome, s.Rooms(), name, err, s.Handshake().Auth.IsZero())
		return nil
	})
	socketio.OnAck(h, "now", func(_ context.Context, s *socketio.Socket, _ int) (bool, error) { return s.Recovered(), nil })
	back := h.offer()
	back.data = domain.TextValue("Ann")
	back.fetched = make(chan int)
	back.missed = [][]*domain.Delivery{
		{event(t, "8", "a", 1), event(t, "9", "b", []byte{1, 2})},
		{event(t, "10", "c", "text")},
	}
	back.rest = []*domain.Delivery{event(t, "11", "d")}

	c := h.comeBack()
	c.want(`40{"sid":"public","pid":"private"}`)
	c.send(`4212["now",1]`) // is handled when the client has all
	receive(t, "a fetch", back.fetched)
	c.want(`42["a",1,"8"]`, `451-["b",{"_placeholder":true,"num":0},"9"]`)
	c.wantBinary([]byte{1, 2})
	receive(t, "a fetch", back.fetched)
	c.want(`42["c","text","10"]`, `42["d","11"]`, `4312[true]`)
	want := `publictruerecovered[public blue]Ann<nil>true`
	if got := receive(t, "the connect handler", connected); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("the connect handler saw %s, want %s", got, want)
	}
	if _, err := h.In("blue").Emit(t.Context(), "live"); err != nil {
		t.Fatal(err)
	}
	c.want(`42["live","1"]`)
	s, _ := h.Socket("public")
	if err := s.Join(t.Context(), "red"); err != nil {
		t.Fatal(err)
	}
	back.session.wantNotes(h, "join [red] at 1")
	if got := back.session.waitFor(h, 1)[0]; got != `asked for private after "7"` {
		t.Errorf("the client %s", got)
	}
	_ = c.conn.Close()
	back.session.wantNotes(h, "join [red] at 1", "away at 1")
	h.noFailure()
}

// TestRecoveredRoomsOfMiddleware shows that the rooms that middleware and Authorize join are joined by a recovered socket,
// too, besides those that it had.
func TestRecoveredRoomsOfMiddleware(t *testing.T) {
	join := func(room string) func(ctx context.Context, s *socketio.Socket) error {
		return func(ctx context.Context, s *socketio.Socket) error { return s.Join(ctx, room, "blue") }
	}
	h := recovering(t, socketio.Config{Recovery: socketio.RecoveryConfig{Middleware: true, Authorize: join("asked")}})
	h.Use(join("early"))
	connected := make(chan []string, 1)
	h.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		connected <- s.Rooms()
		return nil
	})
	back := h.offer()
	c := h.comeBack()
	c.want(`40{"sid":"public","pid":"private"}`)
	if got := fmt.Sprint(receive(t, "the rooms", connected)); got != "[public blue asked early]" {
		t.Errorf("the socket is in %s", got)
	}
	back.session.wantNotes(h, "join [asked early] at 0")
}

// TestLostInTheConnectHandlers shows that a client whose connection is lost before the connect handlers have returned
// begins anew, so that they are called again; afterwards, and when it was recovered, it may come back.
func TestLostInTheConnectHandlers(t *testing.T) {
	// lose loses a client in its connect handlers and returns what they got for an emit and a join then.
	lose := func(t *testing.T, h *harness, connect func() (*client, *keptSession), want string) error {
		t.Helper()
		at, goOn, failed := make(chan struct{}, 1), make(chan struct{}), make(chan error, 1)
		release := sync.OnceFunc(func() { close(goOn) })
		defer release()
		h.OnConnect(func(context.Context, *socketio.Socket) error { return nil }) // one has returned
		h.OnConnect(func(ctx context.Context, s *socketio.Socket) error {
			at <- struct{}{}
			<-goOn
			failed <- errors.Join(s.Join(ctx, "lobby"), s.Emit(ctx, "hello"))
			return nil
		})
		gone := make(chan socketio.Reason, 1)
		h.OnDisconnect(func(_ context.Context, _ *socketio.Socket, r socketio.Reason) { gone <- r })
		c, session := connect()
		receive(t, "the connect handler", at)
		_ = c.conn.Close()
		session.wantNotes(h, want)
		release()
		if r := receive(t, "the disconnect handler", gone); r != socketio.ReasonTransportClose {
			t.Errorf("the reason is %q, want %q", r, socketio.ReasonTransportClose)
		}
		session.wantNotes(h, want)
		return receive(t, "the handler's error", failed)
	}
	t.Run("new", func(t *testing.T) {
		h := recovering(t, socketio.Config{})
		err := lose(t, h, func() (*client, *keptSession) {
			c, _, session := h.enter()
			return c, session
		}, "discard")
		if want := "socketio: the socket is not connected\nsocketio: the socket is not connected"; err == nil || err.Error() != want {
			t.Errorf("the handler's join and emit: %v, want ErrNotConnected twice", err)
		}
	})
	t.Run("recovered", func(t *testing.T) {
		h := recovering(t, socketio.Config{})
		back := h.offer()
		err := lose(t, h, func() (*client, *keptSession) {
			c := h.comeBack()
			c.want(`40{"sid":"public","pid":"private"}`)
			return c, back.session
		}, "away at 0")
		if !errors.Is(err, socketio.ErrNotConnected) {
			t.Errorf("the handler's join and emit: %v, want ErrNotConnected", err)
		}
	})
	t.Run("afterwards", func(t *testing.T) {
		h := recovering(t, socketio.Config{})
		h.OnConnect(func(context.Context, *socketio.Socket) error { return errors.New("returned") })
		socketio.OnAck0(h, "ready", func(context.Context, *socketio.Socket) (bool, error) { return true, nil })
		c, _, session := h.enter()
		c.send(`420["ready"]`)
		c.want(`430[true]`)
		_ = c.conn.Close()
		session.wantNotes(h, "away at 0")
	})
}

func TestRecoveryThatFails(t *testing.T) {
	h := recovering(t, socketio.Config{})
	middleware := make(chan domain.Recovery, 1)
	h.Use(func(_ context.Context, s *socketio.Socket) error {
		middleware <- s.Recovery()
		return nil
	})
	c := h.comeBack()
	session := receive(t, "a new session", h.node.kept)
	c.want(fmt.Sprintf(`40{"sid":%q,"pid":%q}`, strings.TrimPrefix(string(session.id), "private-"), session.id))
	want := domain.Recovery{Outcome: domain.RecoveryUnknown, Reason: "a test has none"}
	if got := receive(t, "middleware", middleware); got != want {
		t.Errorf("the recovery is %v, want %v", got, want)
	}
}

func TestRecoveryOff(t *testing.T) {
	h := serve(t, socketio.Config{})
	outcome := make(chan domain.Outcome, 1)
	h.OnConnect(func(_ context.Context, s *socketio.Socket) error {
		outcome <- s.Recovery().Outcome
		return s.Emit(t.Context(), "hello")
	})
	c := h.comeBack()
	if answer := c.text(); strings.Contains(answer, "pid") {
		t.Errorf("the answer to CONNECT is %s; with recovery off there is no private id", answer)
	}
	c.want(`42["hello"]`)
	if got := receive(t, "the connect handler", outcome); got != domain.RecoveryDisabled {
		t.Errorf("the outcome is %q, want %q", got, domain.RecoveryDisabled)
	}
}

// TestCase15Authorize shows the hook that may refuse a client its session, and middleware that is asked again.
func TestCase15Authorize(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		h := recovering(t, socketio.Config{Recovery: socketio.RecoveryConfig{
			Authorize: func(_ context.Context, s *socketio.Socket) error {
				return &socketio.ConnectError{Message: "expired", Data: s.ID()}
			},
		}})
		back := h.offer()
		c := h.comeBack()
		c.want(`44{"message":"expired","data":"public"}`)
		back.wantAbandoned(t)
	})
	t.Run("middleware", func(t *testing.T) {
		h := recovering(t, socketio.Config{Recovery: socketio.RecoveryConfig{Middleware: true}})
		h.Use(func(_ context.Context, s *socketio.Socket) error { return s.SetData("new") })
		back := h.offer()
		back.data = domain.TextValue("old")
		c := h.comeBack()
		c.want(`40{"sid":"public","pid":"private"}`)
		back.session.wantNotes(h, `data "new"`)
	})
}

// TestCase13Offsets shows which packets end in an offset when recovery is on: clients take the last text of any event
// for one.
func TestCase13Offsets(t *testing.T) {
	h := recovering(t, socketio.Config{})
	c, s, _ := h.enter()
	ctx := t.Context()
	emit := func(_ domain.Offset, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	direct := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	emit(h.Emit(ctx, "logged", 1))
	emit(h.Emit(ctx, "logged", "text"))
	c.want(`42["logged",1,"1"]`, `42["logged","text","2"]`)
	emit(h.Volatile().Emit(ctx, "volatile", 1))
	emit(h.Volatile().Emit(ctx, "volatile", "hello"))
	emit(h.Volatile().Emit(ctx, "hello"))
	c.want(`42["volatile",1]`, `42["volatile","hello","4"]`, `42["hello","5"]`)
	direct(s.Emit(ctx, "direct", 1))
	direct(s.Emit(ctx, "hello"))
	c.want(`42["direct",1,"6"]`, `42["hello","7"]`)
	direct(s.Direct().Emit(ctx, "unlogged", 1))
	direct(s.Direct().Emit(ctx, "hello"))
	direct(s.Volatile().Emit(ctx, "hello"))
	c.want(`42["unlogged",1]`, `42["hello","7"]`, `42["hello","7"]`)

	asked := make(chan error, 2)
	go func() {
		_, err := s.EmitWithAck(ctx, "hello")
		asked <- err
		_, err = h.EmitWithAck(ctx, "hello")
		asked <- err
	}()
	c.want(`420["hello"]`) // a client takes the callback for the last argument
	c.send(`430[]`)
	c.want(`421["hello"]`)
	c.send(`431[]`)
	for range 2 {
		if err := receive(t, "an ack", asked); err != nil {
			t.Error(err)
		}
	}
}

// TestDirectEmitsToWhoIsAway shows that a client gets what its own socket was told after its connection was lost.
func TestDirectEmitsToWhoIsAway(t *testing.T) {
	h := recovering(t, socketio.Config{})
	c, s, session := h.enter()
	_ = c.conn.Close()
	session.wantNotes(h, "away at 0")
	if err := s.Emit(t.Context(), "answer"); err != nil {
		t.Errorf("emit to a client that may come back: %v", err)
	}
	if err := s.Direct().Emit(t.Context(), "answer"); !errors.Is(err, socketio.ErrNotConnected) {
		t.Errorf("emit past the log to a client that is away: %v, want %v", err, socketio.ErrNotConnected)
	}
	if err := s.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Emit(t.Context(), "answer"); !errors.Is(err, socketio.ErrNotConnected) {
		t.Errorf("emit to a client that was put out: %v, want %v", err, socketio.ErrNotConnected)
	}
}
