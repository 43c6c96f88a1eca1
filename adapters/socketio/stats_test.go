package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/parser"
)

// Each limit and rule closes the connection with its own cause, tells the sockets of it, and is counted.
func TestLimitsHaveCausesAndCounters(t *testing.T) {
	long := strings.Repeat("x", 40)
	for _, test := range []struct {
		name   string
		send   []string
		reason socketio.Reason
		cause  error
	}{
		{"a packet before connect", []string{`42/other,["e"]`}, socketio.ReasonForcedServerClose, socketio.ErrNotJoined},
		{"connected twice", []string{"40"}, socketio.ReasonForcedServerClose, socketio.ErrJoinedTwice},
		{"a long namespace", []string{"40/" + long + ","}, socketio.ReasonParseError, parser.ErrNamespaceLength},
		{"a long event name", []string{`42["` + long + `"]`}, socketio.ReasonParseError, parser.ErrEventLength},
		{"attachments", []string{`453-["e"]`}, socketio.ReasonParseError, parser.ErrAttachments},
		{"no packet", []string{"4what"}, socketio.ReasonParseError, parser.ErrMalformed},
		{"too deep", []string{`42["e",` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "]"},
			socketio.ReasonParseError, parser.ErrMalformed},
		{"sockets", []string{"40/a,", "40/b,", "40/c,"}, socketio.ReasonForcedServerClose, socketio.ErrTooManySockets},
		{"events", []string{`42["e"]`, `42["e"]`, `42["e"]`}, socketio.ReasonForcedServerClose, socketio.ErrRateLimited},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := serve(t, socketio.Config{
				MaxSockets: 3,
				RateLimit:  socketio.RateLimit{Socket: socketio.Rate{PerSecond: 0.001, Burst: 1}, CloseAfter: 2},
				Parser:     parser.Config{MaxNamespaceLength: 30, MaxEventLength: 30, MaxAttachments: 2},
				OnError:    func(context.Context, socketio.Failure) {},
			})
			for _, name := range []string{"/a", "/b", "/c"} {
				h.Of(name)
			}
			ends := make(chan string, 10)
			h.OnDisconnect(func(_ context.Context, s *socketio.Socket, r socketio.Reason) {
				ends <- fmt.Sprint(r, errors.Is(s.Err(), test.cause))
			})
			c, _ := h.join("/")
			c.send(test.send...)
			if got, want := receive(t, "the end", ends), fmt.Sprint(test.reason, true); got != want {
				t.Errorf("the end is %s, want %s", got, want)
			}
			s := h.Stats()
			for cause, count := range s.Causes {
				if want := map[bool]uint64{true: 1}[errors.Is(cause, test.cause)]; count != want {
					t.Errorf("%q is counted %d times, want %d", cause, count, want)
				}
			}
			if s.Disconnected[test.reason] == 0 {
				t.Errorf("reasons %v, want %q", s.Disconnected, test.reason)
			}
		})
	}
}

func TestConnectTimeoutIsCounted(t *testing.T) {
	h := serve(t, socketio.Config{ConnectTimeout: time.Millisecond})
	h.dial().wantClosed()
	if s := h.Stats(); s.Causes[socketio.ErrConnectTimeout] != 1 || s.Connected != 0 {
		t.Errorf("counts %+v", s)
	}
}

func TestStats(t *testing.T) {
	h := serve(t, socketio.Config{RateLimit: socketio.RateLimit{Events: map[string]socketio.Rate{"e": {PerSecond: 0.001}}}})
	gone := make(chan bool, 10)
	h.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { gone <- true })
	c, _ := h.join("/")
	_, _ = h.join("/")
	c.send("40/nowhere,", `420["e"]`, `421["e"]`)
	c.text()
	c.text()
	c.text()
	c.send("41")
	receive(t, "the farewell", gone)
	s := h.Stats()
	if s.Sockets != 1 || s.Namespaces != 1 || s.Connected != 2 || s.Refused != 1 || s.RateLimited != 1 ||
		s.Disconnected[socketio.ReasonClientDisconnect] != 1 || s.Engine.Open != 2 {
		t.Errorf("counts %+v", s)
	}
	for range 2 {
		h.failure() // the event without a handler, and the one that was too many
	}
}
