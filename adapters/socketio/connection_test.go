package socketio_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
)

func TestConnect(t *testing.T) {
	h := serve(t, socketio.Config{})
	h.Of("chat") // the slash may be missing
	connected := make(chan *socketio.Socket, 2)
	h.OnConnect(func(_ context.Context, s *socketio.Socket) error { connected <- s; return nil })

	c, id := h.join("/")
	if len(id) != 20 || id == c.engineID {
		t.Errorf("socket id %q, engine id %q: want 20 characters of its own", id, c.engineID)
	}
	s := receive(t, "the connect handler", connected)
	if string(s.ID()) != id || !s.Connected() || s.Namespace().Name() != "/" {
		t.Errorf("handler got socket %s of %s, connected %v", s.ID(), s.Namespace().Name(), s.Connected())
	}
	if rooms := s.Rooms(); len(rooms) != 1 || rooms[0] != id {
		t.Errorf("rooms %q, want its own alone", rooms)
	}
	if found, ok := h.Socket(s.ID()); !ok || found != s {
		t.Errorf("Socket(%s) = %v, %v", s.ID(), found, ok)
	}
	if other := c.join("/chat"); other == id {
		t.Errorf("both sockets of the client have the id %s", id)
	}
	if n := h.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	c.send("40/nowhere,")
	c.want(`44/nowhere,{"message":"Invalid namespace"}`)
}

func TestHandshake(t *testing.T) {
	h := serve(t, socketio.Config{})
	connected := make(chan domain.Handshake, 1)
	h.OnConnect(func(_ context.Context, s *socketio.Socket) error { connected <- s.Handshake(); return nil })
	c := h.dial()
	c.send(`40{"user":"ann"}`)
	c.joined("/")
	got := receive(t, "the connect handler", connected)
	if string(got.Auth.JSON()) != `{"user":"ann"}` {
		t.Errorf("auth %s", got.Auth.JSON())
	}
	if len(got.Query["token"]) != 1 || got.Query["token"][0] != "x" || got.Query["EIO"][0] != "4" {
		t.Errorf("query %v", got.Query)
	}
	if len(got.Headers["origin"]) != 1 || !got.CrossDomain || got.Secure {
		t.Errorf("headers %v, cross-domain %v, secure %v", got.Headers, got.CrossDomain, got.Secure)
	}
	if got.Address != "127.0.0.1" || !strings.HasPrefix(got.URL, "/socket.io/?EIO=4") || got.Time.IsZero() {
		t.Errorf("address %q, URL %q, time %v", got.Address, got.URL, got.Time)
	}
}

func TestMiddleware(t *testing.T) {
	for _, test := range []struct {
		name   string
		result func() error
		want   string
		told   bool // Config.OnError is
	}{
		{"passes", func() error { return nil }, "", false},
		{"refuses", func() error { return &socketio.ConnectError{Message: "who are you"} },
			`44{"message":"who are you"}`, false},
		{"refuses with data", func() error {
			return &socketio.ConnectError{Message: "no", Data: map[string]int{"retryAfter": 5}}
		}, `44{"message":"no","data":{"retryAfter":5}}`, false},
		{"fails", func() error { return errors.New("database password is hunter2") },
			`44{"message":"internal error"}`, true},
		{"panics", func() error { panic("oh") }, `44{"message":"internal error"}`, true},
		{"refuses with data that is none", func() error {
			return &socketio.ConnectError{Message: "no", Data: func() {}}
		}, `44{"message":"no"}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := serve(t, socketio.Config{})
			second := make(chan bool, 1)
			h.Use(func(context.Context, *socketio.Socket) error { return test.result() })
			h.Use(func(_ context.Context, s *socketio.Socket) error { second <- s.Connected(); return nil })
			c := h.dial()
			c.send("40")
			if test.want == "" {
				c.joined("/")
				if receive(t, "the second middleware", second) {
					t.Error("the socket is connected inside of middleware")
				}
			} else {
				c.want(test.want)
				if len(second) > 0 {
					t.Error("the second middleware was asked after the first had refused")
				}
			}
			if test.told {
				if f := h.failure(); f.Event != "connect" || f.Socket == nil {
					t.Errorf("failure %+v", f)
				}
			}
			h.noFailure()
		})
	}
}

// A client that was refused can try again on the same connection.
func TestConnectAgainAfterRefusal(t *testing.T) {
	h := serve(t, socketio.Config{})
	tries := 0
	h.Use(func(context.Context, *socketio.Socket) error {
		tries++
		if tries == 1 {
			return &socketio.ConnectError{Message: "later"}
		}
		return nil
	})
	c := h.dial()
	c.send("40")
	c.want(`44{"message":"later"}`)
	c.join("/")
}

func TestRoomsInMiddleware(t *testing.T) {
	h := serve(t, socketio.Config{})
	h.Use(func(ctx context.Context, s *socketio.Socket) error {
		if err := s.Join(ctx, "a", "b", "c", "a"); err != nil {
			return err
		}
		if err := s.Emit(ctx, "early"); !errors.Is(err, socketio.ErrNotConnected) {
			t.Errorf("Emit in middleware: %v, want ErrNotConnected", err)
		}
		return s.Leave(ctx, "b")
	})
	rooms := make(chan []string, 1)
	h.OnConnect(func(_ context.Context, s *socketio.Socket) error { rooms <- s.Rooms(); return nil })
	_, id := h.join("/")
	if got := strings.Join(receive(t, "rooms", rooms), " "); got != id+" a c" {
		t.Errorf("rooms %q", got)
	}
}

func TestNodeThatCannotOpen(t *testing.T) {
	h := serve(t, socketio.Config{})
	h.node.openErr = errors.New("the log is away")
	c := h.dial()
	c.send("40")
	c.want(`44{"message":"internal error"}`)
	if f := h.failure(); !errors.Is(f.Err, h.node.openErr) {
		t.Errorf("failure %v", f.Err)
	}
}

// What a client may not do ends the connection, as with socket.io of Node.js.
func TestProtocolViolations(t *testing.T) {
	for _, test := range []struct {
		name string
		send []string
		want socketio.Reason
	}{
		{"an event before CONNECT", []string{`42["x"]`}, ""},
		{"an event in another namespace", []string{"40", `42/chat,["x"]`}, socketio.ReasonForcedServerClose},
		{"a second CONNECT", []string{"40", "40"}, socketio.ReasonForcedServerClose},
		{"a CONNECT_ERROR", []string{"40", `44{"message":"x"}`}, socketio.ReasonForcedServerClose},
		{"no packet", []string{"40", "4x"}, socketio.ReasonParseError},
		{"no JSON", []string{"40", "42[nope]"}, socketio.ReasonParseError},
		{"a reserved event", []string{"40", `42["disconnect"]`}, socketio.ReasonParseError},
		{"a placeholder without its attachment", []string{"40", `42["x",{"_placeholder":true,"num":0}]`},
			socketio.ReasonParseError},
		{"text where a binary is due", []string{"40", `451-["x",{"_placeholder":true,"num":0}]`, `42["x"]`},
			socketio.ReasonParseError},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := serve(t, socketio.Config{})
			h.Of("/chat")
			reasons := make(chan socketio.Reason, 1)
			h.OnDisconnect(func(_ context.Context, _ *socketio.Socket, r socketio.Reason) { reasons <- r })
			c := h.dial()
			for i, p := range test.send {
				c.send(p)
				if i == 0 && p == "40" {
					c.joined("/")
				}
			}
			c.wantClosed()
			if test.want != "" {
				if got := receive(t, "the reason", reasons); got != test.want {
					t.Errorf("reason %q, want %q", got, test.want)
				}
			}
		})
	}
}

func TestPacketDuringMiddleware(t *testing.T) {
	h := serve(t, socketio.Config{})
	started, ended := make(chan bool, 1), make(chan error, 1)
	h.Use(func(ctx context.Context, _ *socketio.Socket) error {
		started <- true
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})
	c := h.dial()
	c.send("40")
	receive(t, "the middleware", started)
	c.send(`42["x"]`)
	c.wantClosed()
	if err := receive(t, "the end of the middleware", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("middleware's context: %v", err)
	}
	h.noFailure()
}

// A client that changes its mind twice while the middleware is at work gets one answer.
func TestConnectTwiceDuringMiddleware(t *testing.T) {
	h := serve(t, socketio.Config{})
	started := make(chan domain.SocketID, 2)
	first := true
	h.Use(func(ctx context.Context, s *socketio.Socket) error {
		started <- s.ID()
		if first {
			first = false
			<-ctx.Done()
		}
		return nil
	})
	c := h.dial()
	c.send("40")
	abandoned := receive(t, "the first attempt", started)
	c.send("40")
	id := c.joined("/")
	if id == string(abandoned) {
		t.Errorf("the abandoned attempt %s was connected", id)
	}
	if n := len(h.Sockets()); n != 1 {
		t.Errorf("%d sockets, want 1", n)
	}
}

func TestConnectTimeout(t *testing.T) {
	h := serve(t, socketio.Config{ConnectTimeout: 20 * time.Millisecond})
	idle := h.dial()
	idle.wantClosed()
	// One that has joined in time stays; the timer of the idle one has come and gone meanwhile.
	h = serve(t, socketio.Config{ConnectTimeout: time.Second})
	c, _ := h.join("/")
	h.dial().wantClosed()
	if _, err := h.Emit(t.Context(), "still there"); err != nil {
		t.Fatal(err)
	}
	c.want(`42["still there"]`)
}

func TestDisconnectReasons(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(t *testing.T, h *harness, c *client, s *socketio.Socket)
		want socketio.Reason
	}{
		{"by the client", func(_ *testing.T, _ *harness, c *client, _ *socketio.Socket) { c.send("41") },
			socketio.ReasonClientDisconnect},
		{"by the server", func(t *testing.T, _ *harness, c *client, s *socketio.Socket) {
			if err := s.Disconnect(t.Context()); err != nil {
				t.Error(err)
			}
			c.want("41")
		}, socketio.ReasonServerDisconnect},
		{"with its connection", func(t *testing.T, _ *harness, c *client, s *socketio.Socket) {
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			c.want("41")
			c.wantClosed()
		}, socketio.ReasonServerDisconnect},
		{"connection lost", func(_ *testing.T, _ *harness, c *client, _ *socketio.Socket) { _ = c.conn.Close() },
			socketio.ReasonTransportClose},
		{"no pong", func(_ *testing.T, _ *harness, c *client, _ *socketio.Socket) { c.want("2") },
			socketio.ReasonPingTimeout},
		{"server closed", func(_ *testing.T, h *harness, c *client, _ *socketio.Socket) {
			_ = h.Close()
			c.wantClosed()
		}, socketio.ReasonServerShuttingDown},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := socketio.Config{}
			if test.want == socketio.ReasonPingTimeout {
				config.Engine = engineio.Config{PingInterval: 30 * time.Millisecond, PingTimeout: 30 * time.Millisecond}
			}
			h := serve(t, config)
			type end struct {
				reason socketio.Reason
				rooms  string
				err    error
			}
			ends := make(chan end, 2)
			connected := make(chan *socketio.Socket, 1)
			h.OnConnect(func(ctx context.Context, s *socketio.Socket) error {
				err := s.Join(ctx, "room")
				connected <- s
				return err
			})
			h.OnDisconnect(func(ctx context.Context, s *socketio.Socket, r socketio.Reason) {
				_, err := s.To("room").Emit(ctx, "has left")
				ends <- end{r, strings.Join(s.Rooms(), " "), err}
			})
			c, id := h.join("/")
			s := receive(t, "the connect handler", connected)
			test.do(t, h, c, s)
			got := receive(t, "the disconnect handler", ends)
			if got.reason != test.want || got.rooms != id+" room" || got.err != nil {
				t.Errorf("reason %q, rooms %q, emit %v; want %q, both rooms, no error",
					got.reason, got.rooms, got.err, test.want)
			}
			if s.Connected() || len(h.Sockets()) > 0 {
				t.Errorf("connected %v, %d sockets left", s.Connected(), len(h.Sockets()))
			}
			for name, err := range map[string]error{
				"Join": s.Join(t.Context(), "x"), "Leave": s.Leave(t.Context(), "x"), "Emit": s.Emit(t.Context(), "x"),
			} {
				if !errors.Is(err, socketio.ErrNotConnected) {
					t.Errorf("%s on a socket that is gone: %v, want ErrNotConnected", name, err)
				}
			}
			if err := s.Disconnect(t.Context()); err != nil {
				t.Errorf("Disconnect of a socket that is gone: %v", err)
			}
			select {
			case again := <-ends:
				t.Errorf("the disconnect handler was called again: %q", again.reason)
			default:
			}
		})
	}
}

// A client whose socket the server has put out may have sent more before it knew; its other sockets stay.
func TestPacketsAfterServerDisconnect(t *testing.T) {
	h := serve(t, socketio.Config{})
	h.Of("/chat")
	c, id := h.join("/")
	c.join("/chat")
	s, ok := h.Socket(domain.SocketID(id))
	if !ok {
		t.Fatal("the socket is not there")
	}
	if err := s.Disconnect(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.want("41")
	c.send(`42["late"]`, "41") // and it leaves as well
	c.join("/")
	if _, err := h.Of("/chat").Emit(t.Context(), "still there"); err != nil {
		t.Fatal(err)
	}
	c.want(`42/chat,["still there"]`)
}

func TestPath(t *testing.T) {
	for _, test := range []struct {
		config, path string
		want         int
	}{
		{"", "/socket.io/", 200},
		{"", "/socket.io", 200},
		{"", "/behind/a/prefix/socket.io/", 200},
		{"", "/", 404},
		{"", "/socket.io/more", 404},
		{"", "/mysocket.io/", 404},
		{"/ws/", "/ws/", 200},
		{"/ws/", "/socket.io/", 404},
		{"/", "/anything", 200},
	} {
		h := serve(t, socketio.Config{Path: test.config})
		response, err := h.http.Client().Get(h.http.URL + test.path + "?EIO=4&transport=polling")
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != test.want {
			t.Errorf("Path %q: %s gives %d, want %d", test.config, test.path, response.StatusCode, test.want)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for _, config := range []socketio.Config{
		{Path: "socket.io"},
		{Path: "/socket.io"},
		{ConnectTimeout: -1},
		{AckTimeout: -1},
		{HandlerGrace: -1},
		{HandlerQueue: -1},
		{HandlerQueueBytes: -1},
		{Engine: engineio.Config{PingInterval: -1}},
	} {
		if _, err := socketio.NewServer(&loneNode{}, config); err == nil {
			t.Errorf("no error for %+v", config)
		}
	}
	if _, err := socketio.NewServer(nil, socketio.Config{}); err == nil {
		t.Error("no error without a node")
	}
}

// A client cannot pile up middleware that is at work.
func TestTooManyAttempts(t *testing.T) {
	h := serve(t, socketio.Config{})
	started, release := make(chan bool), make(chan struct{})
	defer close(release)
	h.Use(func(context.Context, *socketio.Socket) error {
		started <- true
		<-release // it does not heed its context
		return nil
	})
	c := h.dial()
	for range 100 {
		c.send("40")
		receive(t, "the middleware", started)
	}
	c.send("40")
	c.wantClosed()
}
