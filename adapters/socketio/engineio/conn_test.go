package engineio

import (
	"context"
	"net/http"
	"testing"

	"github.com/gobwas/ws"
)

// A receiver is told when WebSocket has replaced polling, once, and not of an upgrade that fails.
func TestUpgraded(t *testing.T) {
	told := make(chan Transport, 10)
	h := newHost(t, Config{}, &recorder{onUpgrade: func(c *Conn) { told <- c.Transport() }})
	query, _ := h.openPolling()
	failing := h.probe(query)
	failing.text("2probe")
	failing.expect(ws.OpText, "3probe")
	failing.text("4too early")
	for {
		if _, _, err := failing.read(); err != nil {
			break
		}
	}
	eventually(t, "the failed upgrade is over", func() bool { return h.server.Stats().UpgradesFailed == 1 })
	if len(told) > 0 {
		t.Error("told of an upgrade that failed")
	}
	s := h.probe(query)
	s.text("2probe")
	s.expect(ws.OpText, "3probe")
	s.text("5")
	s.text("4hello")
	h.expectMessage("hello", false)
	if got := <-told; got != WebSocket {
		t.Errorf("told of an upgrade to %s", got)
	}
	h.dialWebSocket("EIO=4&transport=websocket")
	if c := h.expect("open").conn; c.Transport() != WebSocket || len(told) > 0 {
		t.Error("told of an upgrade where there was none")
	}
}

// userKey is the key of a value in a request's context.
type userKey struct{}

// A connection has the values of its handshake's request, over both transports, after that has ended.
func TestConnContext(t *testing.T) {
	h := newHost(t, Config{ConnContext: func(r *http.Request) context.Context {
		return context.WithValue(r.Context(), userKey{}, r.Header.Get("X-User"))
	}}, nil)
	h.do("GET", "EIO=4&transport=polling", "", "X-User", "ann")
	polling := h.expect("open").conn
	h.dialWebSocket("EIO=4&transport=websocket", "X-User: bob")
	websocket := h.expect("open").conn
	for user, c := range map[string]*Conn{"ann": polling, "bob": websocket} {
		ctx := c.Context()
		if ctx.Value(userKey{}) != user || ctx.Err() != nil || ctx.Done() != nil {
			t.Errorf("the context of %s: %v, %v", user, ctx.Value(userKey{}), ctx.Err())
		}
	}
	plain := newHost(t, Config{}, nil)
	_, c := plain.openPolling()
	if ctx := c.Context(); ctx.Value(userKey{}) != nil || ctx.Done() != nil {
		t.Errorf("without the function the context is %v", ctx)
	}
}
