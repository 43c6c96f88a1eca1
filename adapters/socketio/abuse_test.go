package socketio_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/app"
)

// A client that has gone is noticed although a full queue keeps the server from reading.
func TestAGoneClientIsNoticedBehindAFullQueue(t *testing.T) {
	h := serve(t, socketio.Config{HandlerQueue: 1, HandlerGrace: 10 * time.Millisecond, Engine: engineio.Config{
		PingInterval: 20 * time.Millisecond, PingTimeout: 20 * time.Millisecond,
	}})
	ended := make(chan bool, 10)
	socketio.On0(h, "wait", func(ctx context.Context, _ *socketio.Socket) error {
		<-ctx.Done()
		ended <- true
		return nil
	})
	c, _ := h.join("/")
	for range 5 {
		c.send(`42["wait"]`)
	}
	_ = c.conn.Close()
	receive(t, "the end of the handler", ended)
}

// A client cannot have any number of handlers run by leaving them behind.
func TestHandlersOfSocketsThatAreGoneAreLimited(t *testing.T) {
	h := serve(t, socketio.Config{HandlerGrace: time.Minute})
	entered, release := make(chan bool), make(chan struct{})
	socketio.On0(h, "slow", func(context.Context, *socketio.Socket) error {
		entered <- true
		<-release
		return nil
	})
	defer close(release)
	c := h.dial()
	for range 100 {
		c.join("/")
		c.send(`42["slow"]`, "41")
		receive(t, "the handler", entered)
	}
	c.send("40")
	c.wantClosed()
}

// An ACK packet without an id answers nothing, the first emit least of all.
func TestAckWithoutAnIDIsIgnored(t *testing.T) {
	h := serve(t, socketio.Config{})
	c, _ := h.join("/")
	go func() {
		_, _, _ = c.read()
		c.send("43[1]", "430[2]")
	}()
	v, err := h.Sockets()[0].EmitWithAck(t.Context(), "x")
	if err != nil || string(v.JSON()) != "2" {
		t.Errorf("got %s, %v; want the answer that has the id", v.JSON(), err)
	}
}

// What was emitted before Close reaches the clients of the own node too.
func TestCloseSendsWhatWasEmittedBefore(t *testing.T) {
	cluster := inmemory.New(inmemory.Config{})
	for range 20 {
		m := cluster.Member()
		n, err := app.NewNode(m.Log(), m.Channel(), nil, app.Config{})
		if err != nil {
			t.Fatal(err)
		}
		io, err := socketio.NewServer(n, socketio.Config{Engine: engineio.Config{CloseTimeout: 50 * time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(io)
		c := dial(t, web.URL)
		c.join("/")
		if _, err := io.Emit(t.Context(), "bye"); err != nil {
			t.Error(err)
		}
		_ = io.Close()
		c.want(`42["bye"]`)
		_ = n.Close()
		web.Close()
		_ = m.Close()
	}
}

// A client that asks to be connected again and again is closed, whatever it asks for.
func TestConnectingTooOften(t *testing.T) {
	h := serve(t, socketio.Config{MaxSockets: 1})
	c := h.dial()
	go func() { // until the server has had enough
		for wsutil.WriteClientText(c.conn, []byte("40/nowhere,")) == nil {
			_ = c.conn.SetWriteDeadline(time.Now().Add(patience)) // shows at the next write
		}
	}()
	for err := error(nil); err == nil; {
		_, _, err = c.read()
	}
	if n := h.Stats().Causes[socketio.ErrConnectFlood]; n != 1 {
		t.Errorf("counted %d times: %+v", n, h.Stats())
	}
}
