package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
)

func TestReconnection(t *testing.T) {
	server, url := startServer(t, socketio.Config{})
	socketio.OnAck(server, "echo", func(_ context.Context, _ *socketio.Socket, n int) (int, error) { return n, nil })
	proxy := faultproxy.Start(t, strings.TrimPrefix(url, "http://"))
	c := newClient(t, "http://"+proxy.Addr(), client.Config{})
	s, chat := c.Of("/"), c.Of("/chat")
	server.Of("/chat")
	came, went := connects(s), disconnects(s)
	chatCame, chatWent := connects(chat), disconnects(chat)
	failed := make(chan error, 1000)
	s.OnConnectError(func(_ context.Context, err error) { failed <- err })
	connect(t, s)
	connect(t, chat)
	receive(t, "connect", came)
	receive(t, "connect of chat", chatCame)
	first := s.ID()

	proxy.Refuse()
	proxy.Cut()
	if l := receive(t, "disconnect", went); l.reason != client.ReasonTransportError || l.err == nil {
		t.Errorf("a reset ended with %q (%v)", l.reason, l.err)
	}
	receive(t, "disconnect of chat", chatWent)
	if err := receive(t, "connect_error", failed); !strings.Contains(err.Error(), "refused") {
		t.Errorf("connect_error: %v", err)
	}
	// What is emitted now waits for the connection, a question too.
	answer := make(chan error, 1)
	go func() {
		n, err := client.Decode[int](s.EmitWithAck(patient(t), "echo", 5))
		if err == nil && n != 5 {
			err = fmt.Errorf("the answer is %d", n)
		}
		answer <- err
	}()
	if err := proxy.Accept(); err != nil {
		t.Fatal(err)
	}
	receive(t, "connect", came)
	receive(t, "connect of chat", chatCame)
	if err := receive(t, "the answer", answer); err != nil {
		t.Errorf("a question while there was no connection: %v", err)
	}
	if s.ID() == first || s.Recovered() {
		t.Errorf("id %q after %q, recovered %v", s.ID(), first, s.Recovered())
	}
}

func TestTheServersDisconnectIsFinal(t *testing.T) {
	server, url := startServer(t, socketio.Config{})
	sockets := make(chan *socketio.Socket, 10)
	server.OnConnect(func(_ context.Context, s *socketio.Socket) error { sockets <- s; return nil })
	server.Of("/chat")
	dialled := 0
	c := newClient(t, url, client.Config{Dial: counting(&dialled)})
	s, chat := c.Of("/"), c.Of("/chat")
	went, chatWent := disconnects(s), disconnects(chat)
	connect(t, s)
	connect(t, chat)
	if err := receive(t, "the server's socket", sockets).Disconnect(patient(t)); err != nil {
		t.Fatal(err)
	}
	want(t, "reason", receive(t, "disconnect", went).reason, client.ReasonServerDisconnect)
	want(t, "the other stays", chat.Connected(), true)
	connect(t, s) // on demand
	if err := receive(t, "the server's socket", sockets).Close(patient(t)); err != nil {
		t.Fatal(err)
	}
	want(t, "reason", receive(t, "disconnect", went).reason, client.ReasonServerDisconnect)
	want(t, "reason of chat", receive(t, "disconnect", chatWent).reason, client.ReasonServerDisconnect)
	want(t, "connections", dialled, 1)
	connect(t, chat)
	want(t, "connections", dialled, 2)
}

func TestServerSideOfGoodbye(t *testing.T) {
	server, url := startServer(t, socketio.Config{})
	reasons := make(chan socketio.Reason, 10)
	server.OnDisconnect(func(_ context.Context, _ *socketio.Socket, r socketio.Reason) { reasons <- r })
	got := make(chan int, 1000)
	socketio.On(server, "n", func(_ context.Context, _ *socketio.Socket, n int) error { got <- n; return nil })
	c := newClient(t, url, client.Config{})
	s := c.Of("/")
	connect(t, s)
	for i := range 1000 {
		if err := s.Emit(patient(t), "n", i); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	for i := range 1000 {
		want(t, "sent before Close", receive(t, "an event", got), i)
	}
	want(t, "reason", receive(t, "disconnect", reasons), socketio.ReasonClientDisconnect)
}

func TestPingTimeout(t *testing.T) {
	_, url := startServer(t, socketio.Config{Engine: engineio.Config{
		PingInterval: 50 * time.Millisecond, PingTimeout: 50 * time.Millisecond,
	}})
	proxy := faultproxy.Start(t, strings.TrimPrefix(url, "http://"))
	s := newClient(t, "http://"+proxy.Addr(), client.Config{}).Of("/")
	came, went := connects(s), disconnects(s)
	connect(t, s)
	receive(t, "connect", came)
	proxy.Hold(faultproxy.Answers)
	if l := receive(t, "disconnect", went); l.reason != client.ReasonPingTimeout || l.err == nil {
		t.Errorf("ended with %q (%v)", l.reason, l.err)
	}
	proxy.Release(faultproxy.Answers)
	receive(t, "connect", came)
}

// TestHeartbeat: a client that hears pings stays, answers them, and misses them after interval and timeout.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPuppet(t)
		c := newClient(t, "http://nowhere", client.Config{Dial: p.dial})
		defer c.Close()
		s := c.Of("/")
		went := disconnects(s)
		go func() { _ = s.Connect(t.Context()) }()
		server := p.accept(openPacket)
		server.want("40")
		server.send(`40{"sid":"s"}`)
		for range 5 {
			time.Sleep(44 * time.Second)
			server.send("2")
			server.want("3")
		}
		want(t, "connected", s.Connected(), true)
		last := time.Now()
		l := <-went
		if l.reason != client.ReasonPingTimeout || l.err == nil || time.Since(last) != 45*time.Second {
			t.Errorf("ended with %q (%v) after %s", l.reason, l.err, time.Since(last))
		}
		server.wantClosed()
	})
}

// TestControlFrames: pings of the WebSocket are answered, also in the middle of a message.
func TestControlFrames(t *testing.T) {
	p := startPuppet(t)
	s := newClient(t, p.web.URL, client.Config{}).Of("/")
	got := events[string](s, "x")
	server := p.join(s, `40{"sid":"s"}`)
	event := `42["x","joined"]`
	for _, frame := range []ws.Frame{
		ws.NewFrame(ws.OpText, false, []byte(event[:3])), ws.NewPingFrame([]byte("hello")), ws.NewPongFrame(nil),
		ws.NewFrame(ws.OpContinuation, true, []byte(event[3:])),
	} {
		if err := ws.WriteFrame(server.conn, frame); err != nil {
			t.Fatal(err)
		}
	}
	header, err := ws.ReadHeader(server.conn)
	if err != nil || header.OpCode != ws.OpPong || header.Length != 5 {
		t.Fatalf("got frame %+v (%v), want a pong", header, err)
	}
	pong := make([]byte, 5)
	if _, err := io.ReadFull(server.conn, pong); err != nil {
		t.Fatal(err)
	}
	ws.Cipher(pong, header.Mask, 0)
	want(t, "the pong", string(pong), "hello")
	want(t, "the fragmented message", receive(t, "x", got), "joined")
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	_ = listener.Close()

	t.Run("off", func(t *testing.T) {
		c := newClient(t, url, client.Config{Reconnection: client.Reconnection{Off: true}})
		if err := c.Of("/").Connect(patient(t)); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("attempts", func(t *testing.T) {
		dialled := 0
		c := newClient(t, url, client.Config{
			Dial: counting(&dialled), Reconnection: client.Reconnection{Attempts: 3, Delay: time.Millisecond},
		})
		err := c.Of("/").Connect(patient(t))
		if !errors.Is(err, client.ErrGaveUp) || !strings.Contains(err.Error(), "after 3 attempts") {
			t.Errorf("got %v", err)
		}
		want(t, "attempts, the first included", dialled, 4)
	})
	t.Run("context", func(t *testing.T) {
		c := newClient(t, url, client.Config{})
		s := c.Of("/")
		ctx, cancel := context.WithCancelCause(t.Context())
		s.OnConnectError(func(context.Context, error) { cancel(errors.New("enough")) })
		err := s.Connect(ctx)
		if err == nil || !strings.Contains(err.Error(), "enough; the last attempt: connect to") {
			t.Errorf("got %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Connect(patient(t)) }()
		failed := make(chan error, 1000)
		s.OnConnectError(func(_ context.Context, err error) { failed <- err })
		if err := receive(t, "another attempt", failed); err == nil {
			t.Error("an attempt has failed without an error")
		}
		s.Disconnect()
		if err := receive(t, "Connect", done); err != nil && !errors.Is(err, client.ErrNotConnected) {
			t.Errorf("Connect after Disconnect: %v", err)
		}
	})
	t.Run("close", func(t *testing.T) {
		c := newClient(t, url, client.Config{Reconnection: client.Reconnection{Delay: time.Hour}})
		s := c.Of("/")
		done := make(chan error, 1)
		s.OnConnectError(func(context.Context, error) { go c.Close() })
		go func() { done <- s.Connect(patient(t)) }()
		if err := receive(t, "Connect", done); !errors.Is(err, client.ErrClosed) {
			t.Errorf("Connect after Close: %v", err)
		}
		c.Close()
		if err := s.Connect(patient(t)); !errors.Is(err, client.ErrClosed) {
			t.Errorf("Connect of a closed client: %v", err)
		}
		if err := s.Emit(t.Context(), "x"); !errors.Is(err, client.ErrClosed) {
			t.Errorf("Emit of a closed client: %v", err)
		}
	})
}

// TestCloseWhileConnecting: whatever an attempt waits for, Close ends it.
func TestCloseWhileConnecting(t *testing.T) {
	p := startPuppet(t)
	for _, test := range []struct {
		name string
		stop func(t *testing.T)
	}{
		{"the handshake", func(t *testing.T) {
			conn := receive(t, "a connection", p.conns)
			t.Cleanup(func() { _ = conn.Close() })
		}},
		{"the namespace", func(*testing.T) { p.accept(openPacket).want("40") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newClient(t, p.web.URL, client.Config{CloseTimeout: 10 * time.Millisecond})
			done := make(chan error, 1)
			go func() { done <- c.Of("/").Connect(patient(t)) }()
			test.stop(t)
			c.Close()
			if err := receive(t, "Connect", done); !errors.Is(err, client.ErrClosed) {
				t.Errorf("Connect: %v", err)
			}
		})
	}
}

func TestConnectTimeout(t *testing.T) {
	p := startPuppet(t)
	c := newClient(t, p.web.URL, client.Config{
		ConnectTimeout: 20 * time.Millisecond, Reconnection: client.Reconnection{Off: true},
	})
	err := c.Of("/").Connect(patient(t))
	if err == nil || !strings.Contains(err.Error(), "no answer within 20ms") {
		t.Errorf("got %v", err)
	}
	_ = receive(t, "the connection", p.conns).Close()
}

// TestHandlersEndTheirGoroutine: what a test does that fails in a handler.
func TestHandlersEndTheirGoroutine(t *testing.T) {
	server, url := startServer(t, socketio.Config{})
	socketio.On0(server, "go", func(ctx context.Context, s *socketio.Socket) error {
		return errors.Join(s.Emit(ctx, "end"), s.Emit(ctx, "next"))
	})
	s := newClient(t, url, client.Config{}).Of("/")
	client.On0(s, "end", func(context.Context) error { runtime.Goexit(); return nil })
	next := make(chan struct{}, 1)
	client.On0(s, "next", func(context.Context) error { next <- struct{}{}; return nil })
	connect(t, s)
	if err := s.Emit(t.Context(), "go"); err != nil {
		t.Fatal(err)
	}
	receive(t, "the next event", next)
}

// TestPauses shows when attempts are made, under a clock of its own.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		c, err := client.New("http://nowhere", client.Config{
			Dial: func(context.Context, string, string) (net.Conn, error) {
				at = append(at, time.Since(start))
				return nil, errors.New("no network")
			},
			Reconnection: client.Reconnection{Jitter: -1, Attempts: 5},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Of("/").Connect(t.Context()); !errors.Is(err, client.ErrGaveUp) {
			t.Errorf("Connect: %v", err)
		}
		want(t, "attempts at", fmt.Sprint(at), "[0s 1s 3s 7s 12s 17s]")
	})
}
