package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/roombus/roombus/adapters/socketio/client"
)

// puppet is a server that does what a test says, at the level of Engine.IO packets.
type puppet struct {
	t     testing.TB
	web   *httptest.Server
	conns chan net.Conn
}

// newPuppet is one without a network: clients reach it by dial.
func newPuppet(t testing.TB) *puppet { return &puppet{t: t, conns: make(chan net.Conn, 100)} }

// startPuppet is one on a port.
func startPuppet(t testing.TB) *puppet {
	t.Helper()
	p := newPuppet(t)
	p.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		p.conns <- conn
	}))
	t.Cleanup(p.web.Close)
	return p
}

// dial connects a client by a pipe.
func (p *puppet) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		if _, err := ws.Upgrade(ours); err != nil {
			p.t.Errorf("upgrade: %v", err)
		}
		p.conns <- ours
	}()
	return theirs, nil
}

// openPacket has the settings of servers by default.
const openPacket = `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`

// accept takes the next connection and opens it.
func (p *puppet) accept(open string) *hand {
	p.t.Helper()
	h := &hand{t: p.t, conn: receive(p.t, "a connection", p.conns)}
	p.t.Cleanup(func() { _ = h.conn.Close() })
	h.send(open)
	return h
}

// join lets a socket connect on a new connection, with that answer.
func (p *puppet) join(s *client.Socket, answer string) *hand {
	p.t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.Connect(context.Background()) }()
	h := p.accept(openPacket)
	h.want("40")
	h.send(answer)
	if err := receive(p.t, "Connect", done); err != nil {
		p.t.Fatal(err)
	}
	return h
}

// hand is the puppet's end of a connection.
type hand struct {
	t    testing.TB
	conn net.Conn
}

func (h *hand) send(packets ...string) {
	h.t.Helper()
	for _, packet := range packets {
		if err := wsutil.WriteServerText(h.conn, []byte(packet)); err != nil {
			h.t.Fatalf("send %q: %v", packet, err)
		}
	}
}

// want reads packets and compares them.
func (h *hand) want(packets ...string) {
	h.t.Helper()
	for _, packet := range packets {
		got, err := h.next()
		if err != nil || got != packet {
			h.t.Fatalf("the client has sent %q (%v), want %q", got, err, packet)
		}
	}
}

func (h *hand) next() (string, error) {
	if err := h.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	data, _, err := wsutil.ReadClientData(h.conn)
	return string(data), err
}

// wantClosed sees the client close the connection.
func (h *hand) wantClosed() {
	h.t.Helper()
	data, err := h.next()
	var closed wsutil.ClosedError
	if !errors.As(err, &closed) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) &&
		!errors.Is(err, syscall.ECONNRESET) {
		h.t.Errorf("got %q (%v), want the connection closed", data, err)
	}
	_ = h.conn.Close()
}

// goodbye lets the client go as servers do, when it leaves by itself.
func (h *hand) goodbye() {
	for _, want := range []string{"41", ""} {
		if got, err := h.next(); got != want { // the answer to the close frame is wsutil's
			h.t.Errorf("the client has sent %q (%v), want %q and the connection closed", got, err, want)
		}
	}
	_ = h.conn.Close()
}

// drop ends the connection without a word.
func (h *hand) drop() { _ = h.conn.Close() }
