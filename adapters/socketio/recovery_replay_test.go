package socketio_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
)

// TestCase18ReplayIsPulled replays far more than a connection may have in its queue to a client that does not read at
// first.
func TestCase18ReplayIsPulled(t *testing.T) {
	h := recovering(t, socketio.Config{Engine: engineio.Config{QueueBytes: 64 << 10, QueuePackets: 100}})
	back := h.offer()
	const parts, each = 50, 200
	for part := range parts {
		var missed []*domain.Delivery
		for i := range each {
			missed = append(missed, event(t, domain.Offset(fmt.Sprint(part*each+i)), "x", strings.Repeat("y", 200)))
		}
		back.missed = append(back.missed, missed)
	}
	back.fetched = make(chan int, parts)
	c := h.comeBack()
	c.want(`40{"sid":"public","pid":"private"}`)
	receive(t, "a fetch", back.fetched)
	for i := range parts * each {
		got := c.text()
		if got == "2" { // a ping
			got = c.text()
		}
		if !strings.HasSuffix(got, fmt.Sprintf(`,"%d"]`, i)) {
			t.Fatalf("packet %d is %q", i, got)
		}
	}
}

// TestClientGoesInMidReplay shows that a client whose connection is lost while it is told what it has missed may come
// back, and one that leaves may not.
func TestClientGoesInMidReplay(t *testing.T) {
	for name, test := range map[string]struct {
		leave func(*client)
		notes []string
	}{
		"lost": {func(c *client) { _ = c.conn.Close() }, nil},
		"left": {func(c *client) { c.send("41") }, []string{"end"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := recovering(t, socketio.Config{})
			h.OnConnect(func(context.Context, *socketio.Socket) error {
				t.Error("a socket that is gone was connected")
				return nil
			})
			back := h.offer()
			back.fetched = make(chan int)
			for range 10_000 {
				back.missed = append(back.missed, []*domain.Delivery{event(t, "8", "x")})
			}
			c := h.comeBack()
			c.want(`40{"sid":"public","pid":"private"}`)
			receive(t, "a fetch", back.fetched)
			test.leave(c)
			for done := false; !done; {
				select {
				case <-back.fetched:
				case <-back.abandoned:
					done = true
				case <-awaitNotes(back.session, len(test.notes)+1, len(test.notes) > 0):
					done = true
				}
			}
			back.session.wantNotes(h, test.notes...)
		})
	}
}

// awaitNotes is ready when the session was told so much; never when it is not wanted.
func awaitNotes(k *keptSession, count int, wanted bool) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	ready := make(chan struct{})
	if wanted && len(k.notes) >= count {
		close(ready)
		return ready
	}
	if wanted {
		return k.changed
	}
	return ready
}

func TestRecoveryThatEndsInMidReplay(t *testing.T) {
	for _, test := range []struct {
		err      error
		farewell bool
	}{
		{domain.ErrGap, false},
		{domain.ErrSessionLost, false},
		{domain.ErrDisconnected, true},
	} {
		t.Run(test.err.Error(), func(t *testing.T) {
			h := recovering(t, socketio.Config{})
			back := h.offer()
			back.enterErr = fmt.Errorf("enter: %w", test.err)
			back.missed = [][]*domain.Delivery{{event(t, "8", "x")}}
			c := h.comeBack()
			c.want(`40{"sid":"public","pid":"private"}`, `42["x","8"]`)
			if test.farewell {
				c.want("41")
			} else {
				c.wantClosed()
			}
			if got := h.Sockets(); len(got) != 0 {
				t.Errorf("the namespace has %d sockets", len(got))
			}
		})
	}
}

func TestSupersededInMidReplay(t *testing.T) {
	h := recovering(t, socketio.Config{})
	back := h.offer()
	back.fetched = make(chan int)
	back.missed = [][]*domain.Delivery{{event(t, "8", "x")}, {event(t, "9", "y")}}
	c := h.comeBack()
	c.want(`40{"sid":"public","pid":"private"}`)
	back.session.lost()
	receive(t, "a fetch", back.fetched)
	c.wantClosed()
	back.wantAbandoned(t)
}
