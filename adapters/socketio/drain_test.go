package socketio_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
)

func TestCase23_DrainSendsClientsAway(t *testing.T) {
	h := serve(t, socketio.Config{})
	const clients = 120 // three waves
	ended := make(chan socketio.Reason, clients)
	entered, release := make(chan struct{}, clients), make(chan struct{})
	socketio.On0(h, "work", func(context.Context, *socketio.Socket) error {
		entered <- struct{}{}
		<-release
		return nil
	})
	h.OnDisconnect(func(_ context.Context, _ *socketio.Socket, r socketio.Reason) { ended <- r })
	var open []*client
	for range clients {
		c, _ := h.join("/")
		open = append(open, c)
	}
	open[0].send(`42["work"]`)
	receive(t, "the work", entered)
	if _, err := h.Emit(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	drained := make(chan error, 2)
	go func() { drained <- h.Drain(t.Context()) }()
	for _, c := range open {
		c.want(`42["before"]`)
		c.wantClosed() // without a DISCONNECT packet, which would keep the client from coming back
	}
	for range clients - 1 {
		if r := receive(t, "a disconnect", ended); r != socketio.ReasonServerShuttingDown {
			t.Errorf("the reason is %q", r)
		}
	}
	h.node.mu.Lock()
	announced := h.node.draining
	h.node.mu.Unlock()
	if !announced {
		t.Error("it was not announced")
	}
	response, err := http.Get(h.http.URL + "/socket.io/?EIO=4&transport=polling")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusServiceUnavailable || !response.Close {
		t.Errorf("a new client is answered with %s, connection closed: %v", response.Status, response.Close)
	}
	select {
	case <-h.Done():
		t.Error("it is closed although a handler is at work")
	case err := <-drained:
		t.Errorf("it is drained (%v) although a handler is at work", err)
	default:
	}
	close(release)
	if err := receive(t, "the end", drained); err != nil {
		t.Error(err)
	}
	<-h.Done()
	if err := h.Drain(t.Context()); err != nil {
		t.Errorf("drain again: %v", err)
	}
}

func TestCase23_ExistingConnectionsGoOnUntilTheirTurn(t *testing.T) {
	h := serve(t, socketio.Config{})
	c, _ := h.join("/")
	h.node.hold() // what was emitted before is still on its way, so nobody is closed yet
	if _, err := h.Emit(t.Context(), "before"); err != nil {
		t.Fatal(err)
	}
	drained := make(chan error, 1)
	go func() { drained <- h.Drain(t.Context()) }()
	h.node.waitFor(t, 2)
	c.send("40/elsewhere,")
	c.want(`44/elsewhere,{"message":"Invalid namespace"}`)
	h.node.release()
	c.want(`42["before"]`)
	c.wantClosed()
	if err := receive(t, "the end", drained); err != nil {
		t.Error(err)
	}
}

func TestCase23_DrainEndsWithItsContext(t *testing.T) {
	node := &loneNode{drainErr: errors.New("the log is away")}
	h := serveOn(t, node, socketio.Config{HandlerGrace: 50 * time.Millisecond})
	socketio.On0(h, "work", func(ctx context.Context, _ *socketio.Socket) error {
		<-ctx.Done()
		return nil
	})
	c, _ := h.join("/")
	c.send(`42["work"]`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := h.Drain(ctx)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, node.drainErr) {
		t.Errorf("the error is %v, want both that the time is over and that the log is away", err)
	}
	c.wantClosed()
	if err := h.Close(); err != nil { // waits for the handler
		t.Error(err)
	}
	<-h.Done()
}
