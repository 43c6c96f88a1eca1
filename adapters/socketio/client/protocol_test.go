package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/domain"
)

// TestRecoveryPackets shows on the wire what socket.io-client 4.8 sends and believes: the private id and the last offset
// of the session before, with auth behind them; events that come before the answer to CONNECT are handled when it comes,
// before the connect handlers.
func TestRecoveryPackets(t *testing.T) {
	p := startPuppet(t)
	s := newClient(t, p.web.URL, client.Config{Auth: map[string]int{"a": 1}}).Of("/chat")
	story := make(chan string, 100)
	client.On(s, "n", func(_ context.Context, n int) error { story <- fmt.Sprint("event ", n); return nil })
	s.OnConnect(func(context.Context) error { story <- fmt.Sprint("connect, recovered ", s.Recovered()); return nil })
	s.OnDisconnect(func(context.Context, client.Reason, error) { story <- "disconnect" })
	tell := func(want ...string) {
		t.Helper()
		for _, want := range want {
			if got := receive(t, want, story); got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	}
	go func() { _ = s.Connect(t.Context()) }()

	server := p.accept(openPacket)
	server.want(`40/chat,{"a":1}`)
	server.send(`40/chat,{"sid":"one","pid":"p1"}`)
	tell("connect, recovered false")
	server.drop()
	tell("disconnect")

	server = p.accept(openPacket)
	server.want(`40/chat,{"pid":"p1","a":1}`) // there was no offset yet
	server.send(`40/chat,{"sid":"one","pid":"p1"}`, `42/chat,["n",1,"o1"]`, `42/chat,["other","o2"]`, `42/chat,5["n",2,"not this"]`)
	tell("connect, recovered true", "event 1", "event 2")
	server.want(`43/chat,5[]`)
	want(t, "id", s.ID(), "one")
	server.drop()
	tell("disconnect")

	// A replay that is cut off before the session is confirmed has not been seen, and is not handled twice.
	server = p.accept(openPacket)
	server.want(`40/chat,{"pid":"p1","offset":"o2","a":1}`)
	server.send(`42/chat,["n",3,"o3"]`)
	server.drop()
	server = p.accept(openPacket)
	server.want(`40/chat,{"pid":"p1","offset":"o2","a":1}`)
	server.send(`42/chat,["n",3,"o3"]`, `42/chat,["n",4,"o4"]`, `40/chat,{"sid":"one","pid":"p1"}`)
	tell("event 3", "event 4", "connect, recovered true")
	server.drop()
	tell("disconnect")

	server = p.accept(openPacket)
	server.want(`40/chat,{"pid":"p1","offset":"o4","a":1}`)
	server.send(`40/chat,{"sid":"two","pid":"p2"}`)
	tell("connect, recovered false")
	server.drop()
	tell("disconnect")

	// A server without recovery gives no private id, and is not told of one.
	server = p.accept(openPacket)
	server.want(`40/chat,{"pid":"p2","offset":"o4","a":1}`)
	server.send(`40/chat,{"sid":"three"}`, `42/chat,["n",5,"o5"]`)
	tell("connect, recovered false", "event 5")
	server.drop()
	tell("disconnect")
	server = p.accept(openPacket)
	server.want(`40/chat,{"a":1}`)
}

// TestChangesOfMind: a namespace that is left while the server's answer is outstanding is left again when it has come,
// and one that is wanted again by then is not asked for twice.
func TestChangesOfMind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPuppet(t)
		c := newClient(t, "http://nowhere", client.Config{Dial: p.dial})
		defer c.Close()
		server := p.join(c.Of("/"), `40{"sid":"s"}`)
		chat := c.Of("/chat")
		come := func() <-chan error {
			done := make(chan error, 1)
			go func() { done <- chat.Connect(t.Context()) }()
			return done
		}
		first := come()
		server.want("40/chat,")
		chat.Disconnect()
		if err := receive(t, "Connect", first); !errors.Is(err, client.ErrNotConnected) {
			t.Errorf("Connect after Disconnect: %v", err)
		}
		server.send(`40/chat,{"sid":"late"}`)
		server.want("41/chat,")
		want(t, "connected", chat.Connected(), false)

		second := come()
		server.want("40/chat,")
		chat.Disconnect()
		if err := receive(t, "Connect", second); !errors.Is(err, client.ErrNotConnected) {
			t.Errorf("Connect after Disconnect: %v", err)
		}
		third := come()
		synctest.Wait()
		server.send(`40/chat,{"sid":"again"}`)
		if err := receive(t, "Connect", third); err != nil {
			t.Errorf("Connect: %v", err)
		}
		if err := chat.Emit(t.Context(), "hello"); err != nil {
			t.Error(err)
		}
		server.want(`42/chat,["hello"]`)
		go func() { _, _ = server.next(); _, _ = server.next() }() // two farewells, in any order
	})
}

func TestWhatServersMustNotSend(t *testing.T) {
	for _, test := range []struct {
		name   string
		send   func(h *hand)
		reason client.Reason
		says   string
	}{
		{"no packet type", func(h *hand) { h.send("49") }, client.ReasonParseError, "unknown packet type"},
		{"no JSON", func(h *hand) { h.send(`42["a"`) }, client.ReasonParseError, "invalid payload"},
		{"forged placeholder", func(h *hand) { h.send(`42["a",{"_placeholder":true,"num":0}]`) }, client.ReasonParseError, "placeholder"},
		{"no Engine.IO packet", func(h *hand) { h.send("x") }, client.ReasonParseError, "no Engine.IO packet"},
		{"nothing", func(h *hand) { h.send("") }, client.ReasonParseError, "no Engine.IO packet"},
		{"a goodbye", func(h *hand) { h.send("1") }, client.ReasonTransportClose, ""},
		{"not UTF-8", func(h *hand) { h.send("42[\"\xff\"]") }, client.ReasonTransportError, "UTF-8"},
		{"too much", func(h *hand) { h.send(`42["` + strings.Repeat("a", 2000) + `"]`) }, client.ReasonTransportError, "MaxMessage"},
		{"a mask", func(h *hand) {
			_ = ws.WriteFrame(h.conn, ws.MaskFrame(ws.NewTextFrame([]byte("2"))))
		}, client.ReasonTransportError, "mask"},
		{"a close frame", func(h *hand) {
			_ = ws.WriteFrame(h.conn, ws.NewCloseFrame(ws.NewCloseFrameBody(1001, "leaving")))
		}, client.ReasonTransportClose, "code 1001: leaving"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := startPuppet(t)
			s := newClient(t, p.web.URL, client.Config{
				MaxMessage: 1000, Reconnection: client.Reconnection{Off: true},
			}).Of("/")
			went := disconnects(s)
			h := p.join(s, `40{"sid":"s"}`)
			test.send(h)
			l := receive(t, "disconnect", went)
			if l.reason != test.reason || (l.err == nil) != (test.says == "") || (l.err != nil && !strings.Contains(l.err.Error(), test.says)) {
				t.Errorf("ended with %q (%v), want %q (%s)", l.reason, l.err, test.reason, test.says)
			}
			h.wantClosed()
		})
	}
}

func TestHandshakesThatAreNone(t *testing.T) {
	for _, test := range []struct{ open, says string }{
		{"hello", "no Engine.IO 4 open packet"},
		{"0", "no Engine.IO 4 open packet"},
		{`0{"sid":""}`, "no Engine.IO 4 open packet"},
		{`0{"sid":"x"}`, "no ping interval"},
	} {
		p := startPuppet(t)
		s := newClient(t, p.web.URL, client.Config{Reconnection: client.Reconnection{Off: true}}).Of("/")
		done := make(chan error, 1)
		go func() { done <- s.Connect(t.Context()) }()
		h := p.accept(test.open)
		if err := receive(t, "Connect", done); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %s", test.open, err, test.says)
		}
		h.wantClosed()
	}
}

func TestAnswersToConnect(t *testing.T) {
	for _, test := range []struct{ answer, says string }{
		{`40{}`, "Socket.IO 2"},
		{`40`, "Socket.IO 2"},
		{`44{"message":"no"}`, "connection refused: no"},
		{`44"no"`, "connection refused: no"},
		{`44{}`, "the server gave no reason"},
	} {
		p := startPuppet(t)
		s := newClient(t, p.web.URL, client.Config{}).Of("/")
		done := make(chan error, 1)
		go func() { done <- s.Connect(t.Context()) }()
		h := p.accept(openPacket)
		h.want("40")
		h.send(test.answer)
		if err := receive(t, "Connect", done); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %s", test.answer, err, test.says)
		}
		h.wantClosed()
	}
}

func TestBufferWhileNotConnected(t *testing.T) {
	p := startPuppet(t)
	c := newClient(t, p.web.URL, client.Config{SendQueue: 3})
	s := c.Of("/")
	ctx := patient(t)
	for i := range 2 {
		if err := s.Emit(ctx, "early", i); err != nil {
			t.Fatal(err)
		}
	}
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if _, err := s.EmitWithAck(short, "never sent"); !errors.Is(err, client.ErrAckTimeout) {
		t.Errorf("a question that nobody hears: %v", err)
	}
	if err := s.Emit(ctx, "early", 2); err != nil {
		t.Errorf("the place of what is not sent any more: %v", err)
	}
	if err := s.Emit(ctx, "early", 3); !errors.Is(err, client.ErrBufferFull) {
		t.Errorf("one too many: %v", err)
	}
	if err := s.EmitVolatile(ctx, "early", 4); err != nil {
		t.Errorf("volatile: %v", err)
	}
	h := p.join(s, `40{"sid":"s"}`)
	h.want(`42["early",0]`, `42["early",1]`, `42["early",2]`)

	strict := newClient(t, p.web.URL, client.Config{NoBuffer: true}).Of("/")
	if err := strict.Emit(ctx, "x"); !errors.Is(err, client.ErrNotConnected) {
		t.Errorf("without a buffer: %v", err)
	}
	if _, err := strict.EmitWithAck(ctx, "x"); !errors.Is(err, client.ErrNotConnected) {
		t.Errorf("a question without a buffer: %v", err)
	}
}

func TestAcksEnd(t *testing.T) {
	p := startPuppet(t)
	c := newClient(t, p.web.URL, client.Config{AckTimeout: time.Hour})
	s := c.Of("/")
	h := p.join(s, `40{"sid":"s"}`)
	ask := func(ctx context.Context) <-chan error {
		answer := make(chan error, 1)
		go func() {
			_, err := s.EmitWithAck(ctx, "q")
			answer <- err
		}()
		return answer
	}
	// Too late.
	ctx, cancel := context.WithCancelCause(t.Context())
	late := ask(ctx)
	h.want(`420["q"]`)
	cancel(errors.New("not interested"))
	if err := receive(t, "the answer", late); err == nil || err.Error() != "not interested" {
		t.Errorf("cancelled: %v", err)
	}
	// An answer that nobody waits for changes nothing, nor does one without a number.
	h.send(`430["late"]`, `43["numberless"]`)
	// Lost with the connection.
	lost := ask(t.Context())
	h.want(`421["q"]`)
	h.drop()
	if err := receive(t, "the answer", lost); !errors.Is(err, client.ErrNotConnected) {
		t.Errorf("after a lost connection: %v", err)
	}
	// Ended by Close.
	h = p.accept(openPacket)
	h.want("40")
	h.send(`40{"sid":"t"}`)
	closed := ask(t.Context())
	h.want(`422["q"]`)
	go c.Close()
	if err := receive(t, "the answer", closed); !errors.Is(err, client.ErrNotConnected) {
		t.Errorf("after Close: %v", err)
	}
	h.want("41")
	h.wantClosed()
}

func TestArgumentsThatCannotBeSent(t *testing.T) {
	p := startPuppet(t)
	s := newClient(t, p.web.URL, client.Config{}).Of("/")
	p.join(s, `40{"sid":"s"}`)
	for _, emit := range []func(args ...any) error{
		func(args ...any) error { return s.Emit(t.Context(), "x", args...) },
		func(args ...any) error { return s.EmitVolatile(t.Context(), "x", args...) },
		func(args ...any) error { _, err := s.EmitWithAck(t.Context(), "x", args...); return err },
	} {
		if err := emit(make(chan int)); err == nil {
			t.Error("a channel was sent")
		}
		if err := emit(strings.Repeat("a", 1_000_000)); !errors.Is(err, client.ErrTooLarge) {
			t.Errorf("more than the server takes: %v", err)
		}
	}
	if err := s.Emit(t.Context(), "connect"); !errors.Is(err, domain.ErrInvalidPayload) {
		t.Errorf("a reserved name: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Emit(cancelled, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

// TestBackPressure: a server that does not read makes Emit wait, and volatile packets go; one goroutine's packets keep
// their order.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPuppet(t) // a pipe buffers nothing
		c := newClient(t, "http://nowhere", client.Config{Dial: p.dial, SendQueue: 2})
		defer c.Close()
		s := c.Of("/")
		h := p.join(s, `40{"sid":"s"}`)
		for i := range 3 { // one that is being written, two that wait
			if err := s.Emit(t.Context(), "n", i); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Emit(short, "n", "too many"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a full queue: %v", err)
		}
		if _, err := s.EmitWithAck(short, "n", "too many"); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, client.ErrAckTimeout) {
			t.Errorf("a full queue: %v", err)
		}
		if err := s.EmitVolatile(t.Context(), "n", "dropped"); err != nil {
			t.Errorf("volatile: %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Emit(t.Context(), "n", 3) }()
		synctest.Wait()
		want(t, "Emit has returned", len(done), 0)
		h.want(`42["n",0]`, `42["n",1]`, `42["n",2]`, `42["n",3]`)
		if err := <-done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := s.EmitVolatile(t.Context(), "n", 4); err != nil {
			t.Errorf("volatile: %v", err)
		}
		h.want(`42["n",4]`)
		go h.goodbye()
	})
}

// TestSlowHandlers: a handler that blocks lets the server wait in the end, is not taken for a server that is silent, and
// loses nothing.
func TestSlowHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPuppet(t)
		c := newClient(t, "http://nowhere", client.Config{Dial: p.dial, HandlerQueue: 2})
		defer c.Close()
		s := c.Of("/")
		started, gate := make(chan int), make(chan struct{})
		client.On(s, "n", func(_ context.Context, n int) error { started <- n; <-gate; return nil })
		h := p.join(s, `40{"sid":"s"}`)
		var sent atomic.Int32
		go func() {
			for i := range 10 {
				h.send(fmt.Sprintf(`42["n",%d]`, i))
				sent.Add(1)
			}
			h.send("2")
			h.want("3", "41")
		}()
		want(t, "handled", <-started, 0)
		time.Sleep(time.Hour)
		if n := sent.Load(); n > 3 { // one is handled, two wait
			t.Errorf("%d events were read while the handler was at work", n)
		}
		for i := 1; i < 10; i++ {
			gate <- struct{}{}
			want(t, "handled", <-started, i)
		}
		gate <- struct{}{}
		synctest.Wait()
		want(t, "connected", s.Connected(), true)
	})
}
