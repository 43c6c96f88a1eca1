package engineio

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// The clocks of these tests are synctest's: they stand still while anything
// runs, so times are exact.

// advance lets the bubble's clock run.
func advance(d time.Duration) { <-time.After(d) }

func TestPingAndPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{}, nil)
		s, conn := h.openWebSocket()
		begin := time.Now()
		if arrived := conn.Arrived(); !arrived.IsZero() {
			t.Errorf("before the first ping was answered all up to %v has arrived", arrived)
		}
		for i := range 5 {
			_ = s.conn.SetReadDeadline(time.Time{})
			frame := make([]byte, 3)
			if _, err := s.r.Read(frame); err != nil || string(frame) != "\x81\x012" {
				t.Fatalf("got %q, %v; want a ping", frame, err)
			}
			if at, want := time.Since(begin), time.Duration(i)*44*time.Second+25*time.Second; at != want {
				t.Errorf("ping %d came after %v, want %v", i, at, want)
			}
			sent := time.Now()
			advance(19 * time.Second)
			s.text("3")
			synctest.Wait()
			if arrived := conn.Arrived(); !arrived.Equal(sent) {
				t.Errorf("after pong %d all up to %v has arrived, want %v", i, arrived.Sub(begin), sent.Sub(begin))
			}
		}
		if h.server.Len() != 1 {
			t.Error("a healthy client was closed")
		}
	})
}

// drain reads and drops what the server sends, and answers pings if told so.
func (s *rawSocket) drain(pong bool) {
	_ = s.conn.SetReadDeadline(time.Time{})
	go func() {
		for {
			h, err := ws.ReadHeader(s.r)
			if err != nil {
				return
			}
			payload := make([]byte, h.Length)
			if _, err := s.r.Read(payload); err != nil && h.Length > 0 {
				return
			}
			if pong && string(payload) == "2" {
				go s.text("3")
			}
		}
	}()
}

func TestPingTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{}, nil)
		s, _ := h.openWebSocket()
		s.drain(false)
		h.closedAfter(45*time.Second, ReasonPingTimeout)
	})
}

func TestPingTimeoutOfPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{}, nil)
		h.openPolling()
		h.closedAfter(45*time.Second, ReasonPingTimeout)
		query, c := h.openPolling()
		polled := h.request("GET", query, "")
		advance(26 * time.Second)
		if got := <-polled; got != "200 2" {
			t.Errorf("the poll got %q, want a ping", got)
		}
		h.post(query, "3")
		advance(24 * time.Second)
		synctest.Wait()
		c.mu.Lock()
		awaiting := c.heartbeat.awaiting
		c.mu.Unlock()
		if awaiting || h.server.Len() != 1 {
			t.Errorf("awaiting %v, %d connections; the pong came in time", awaiting, h.server.Len())
		}
	})
}

// closedAfter checks when the connection is closed, and why.
func (h *host) closedAfter(want time.Duration, reason Reason) {
	h.t.Helper()
	begin := time.Now()
	select {
	case e := <-h.events:
		if e.kind != "close" || e.reason != reason {
			h.t.Errorf("got %+v, want a close with %q", e, reason)
		}
	case <-time.After(time.Hour):
		h.t.Fatal("not closed within an hour")
	}
	if took := time.Since(begin); took != want {
		h.t.Errorf("closed after %v, want %v", took, want)
	}
}

// TestOtherPacketsExtendTheTimeoutOnce has a client that talks and never
// answers a ping.
func TestOtherPacketsExtendTheTimeoutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{}, &recorder{})
		s, _ := h.openWebSocket()
		s.drain(false)
		go func() {
			for range 13 {
				advance(5 * time.Second)
				s.text("4")
			}
		}()
		begin := time.Now()
		for e := h.events; ; {
			got := <-e
			if got.kind == "close" {
				if got.reason != ReasonPingTimeout {
					t.Errorf("closed with %q", got.reason)
				}
				break
			}
		}
		if took := time.Since(begin); took != 65*time.Second {
			t.Errorf("closed after %v, want 65s: a ping, its timeout, and the timeout once more", took)
		}
	})
}

// TestBlockedReceiverDoesNotTimeOut is case 7 of docs/guarantees.md: a receiver
// that blocks for four ping timeouts, with the pongs in the network behind it,
// does not cost its client the connection.
func TestBlockedReceiverDoesNotTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		h := newHost(t, Config{}, &recorder{onMessage: func(*Conn, []byte, bool) { <-leave }})
		s, _ := h.openWebSocket()
		s.drain(true)
		s.text("4block")
		advance(25*time.Second + 4*20*time.Second - time.Second)
		if n := h.server.Len(); n != 1 {
			t.Fatalf("%d connections, want 1", n)
		}
		close(leave)
		h.expectMessage("block", false)
		advance(10 * time.Minute)
		if n := h.server.Len(); n != 1 {
			t.Fatalf("%d connections after the receiver returned, want 1", n)
		}
	})
}

// TestBlockedReceiverIsNotWaitedForForEver has one that does not return, behind
// which nobody can see whether the client is still there.
func TestBlockedReceiverIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{}, &recorder{onMessage: func(c *Conn, _ []byte, _ bool) { <-c.Done() }})
		s, _ := h.openWebSocket()
		s.drain(true)
		s.text("4block")
		begin := time.Now()
		select {
		case <-h.events: // the message, of which Done has made an end
		case <-time.After(time.Hour):
			t.Fatal("not closed within an hour")
		}
		if took, want := time.Since(begin), 25*time.Second+4*20*time.Second; took != want {
			t.Errorf("closed after %v, want %v", took, want)
		}
		h.expectClose(ReasonPingTimeout)
	})
}

func TestBlockedReceiverOfPollingDoesNotTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave := make(chan struct{})
		h := newHost(t, Config{}, &recorder{onMessage: func(*Conn, []byte, bool) { <-leave }})
		query, _ := h.openPolling()
		posted := h.request("POST", query, "4block\x1e3")
		polled := h.request("GET", query, "")
		advance(25*time.Second + 4*20*time.Second - time.Second)
		if n := h.server.Len(); n != 1 {
			t.Fatalf("%d connections, want 1", n)
		}
		close(leave)
		h.expectMessage("block", false)
		if got := <-posted; got != "200 ok" {
			t.Errorf("the POST got %q", got)
		}
		if got := <-polled; got != "200 2" {
			t.Errorf("the poll got %q, want a ping", got)
		}
	})
}

// TestPongsOfAClientThatDoesNotRead has one that sends pongs on its own: they
// don't count for a ping that it cannot have seen.
func TestPongsOfAClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{}, nil)
		s, c := h.openWebSocket()
		if err := c.Send(NewFrame([]byte("it reads this never"))); err != nil {
			t.Fatalf("Send: %v", err)
		}
		done := make(chan struct{})
		go func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(time.Second):
					s.text("3")
				}
			}
		}()
		h.closedAfter(65*time.Second, ReasonPingTimeout)
		close(done)
	})
}
