package engineio

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

func TestWebSocketBothWays(t *testing.T) {
	h := newHost(t, Config{}, &recorder{onMessage: echo})
	s, c := h.openWebSocket()
	if c.Transport() != WebSocket {
		t.Errorf("transport is %q", c.Transport())
	}
	s.text("4hello")
	h.expectMessage("hello", false)
	s.expect(ws.OpText, "4hello")
	s.send(clientFrame(ws.OpBinary, true, "\x00\xff"))
	h.expectMessage("\x00\xff", true)
	s.expect(ws.OpBinary, "\x00\xff")
	s.send(clientFrame(ws.OpText, false, "4frag"), clientFrame(ws.OpPing, true, "beat"), clientFrame(ws.OpContinuation, true, "ments"))
	h.expectMessage("fragments", false)
	s.expect(ws.OpPong, "beat")
	s.expect(ws.OpText, "4fragments")
	if err := c.Send(NewFrame([]byte("51-"), []byte{1}, []byte{2})); err != nil {
		t.Fatalf("Send: %v", err)
	}
	s.expect(ws.OpText, "451-")
	s.expect(ws.OpBinary, "\x01")
	s.expect(ws.OpBinary, "\x02")
}

func TestWebSocketLargeMessages(t *testing.T) {
	h := newHost(t, Config{}, &recorder{onMessage: echo})
	s, c := h.openWebSocket()
	large := strings.Repeat("x", 100_000)
	s.text("4" + large)
	h.expectMessage(large, false)
	s.expect(ws.OpText, "4"+large)
	for _, size := range []int{1, 9_000, 2, 16_384, 3, 40_000, 4} { // below and above what is put together
		if err := c.Send(NewFrame(bytes.Repeat([]byte("y"), size))); err != nil {
			t.Fatalf("Send: %v", err)
		}
	}
	for _, size := range []int{1, 9_000, 2, 16_384, 3, 40_000, 4} {
		s.expect(ws.OpText, "4"+strings.Repeat("y", size))
	}
}

// TestWebSocketCloses has every way in which a client's frame closes the
// connection.
func TestWebSocketCloses(t *testing.T) {
	tests := []struct {
		name   string
		frame  []byte
		reason Reason
		code   ws.StatusCode
	}{
		{"close", clientFrame(ws.OpClose, true, "\x03\xe8bye"), ReasonTransportClose, ws.StatusNormalClosure},
		{"close with a code of its own", clientFrame(ws.OpClose, true, "\x0f\xa1"), ReasonTransportClose, 4001},
		{"close without a code", clientFrame(ws.OpClose, true, ""), ReasonTransportClose, 0},
		{"close of one byte", clientFrame(ws.OpClose, true, "\x03"), ReasonTransportError, ws.StatusProtocolError},
		{"close with a forbidden code", clientFrame(ws.OpClose, true, "\x03\xed"), ReasonTransportError, ws.StatusProtocolError},
		{"unmasked", []byte("\x81\x024a"), ReasonTransportError, ws.StatusProtocolError},
		{"text that is not UTF-8", clientFrame(ws.OpText, true, "4\xff"), ReasonTransportError, ws.StatusInvalidFramePayloadData},
		{"too large", clientFrame(ws.OpText, true, strings.Repeat("4", 101)), ReasonTransportError, ws.StatusMessageTooBig},
		{"unknown packet", clientFrame(ws.OpText, true, "abc"), ReasonParseError, ws.StatusUnsupportedData},
		{"base64", clientFrame(ws.OpText, true, "bAQID"), ReasonParseError, ws.StatusUnsupportedData},
		{"no packet", clientFrame(ws.OpText, true, ""), ReasonParseError, ws.StatusUnsupportedData},
		{"a ping packet from the client", clientFrame(ws.OpText, true, "2"), ReasonTransportError, ws.StatusPolicyViolation},
		{"a close packet", clientFrame(ws.OpText, true, "1"), ReasonTransportClose, ws.StatusNormalClosure},
		{"a flood of pings", bytes.Repeat(clientFrame(ws.OpPong, true, ""), maxControls+1), ReasonTransportError, ws.StatusPolicyViolation},
		{"a flood of noops", bytes.Repeat(clientFrame(ws.OpText, true, "6"), maxControls+1), ReasonTransportError, ws.StatusPolicyViolation},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, Config{MaxPayload: 100}, nil)
			s, c := h.openWebSocket()
			go s.send(test.frame) // the connection has no buffer
			s.expectCloseFrame(test.code)
			h.expectClose(test.reason)
			if err := c.Send(NewFrame(nil)); !errors.Is(err, ErrClosed) {
				t.Errorf("Send on a closed connection: %v, want ErrClosed", err)
			}
		})
	}
}

func TestClientVanishes(t *testing.T) {
	h := newHost(t, Config{}, nil)
	s, _ := h.openWebSocket()
	s.text("4last")
	_ = s.conn.Close()
	h.expectMessage("last", false)
	h.expectClose(ReasonTransportClose)
}

func TestCloseSendsWhatIsQueued(t *testing.T) {
	h := newHost(t, Config{}, nil)
	s, c := h.openWebSocket()
	for _, text := range []string{"a", "b", "c"} {
		if err := c.Send(NewFrame([]byte(text))); err != nil {
			t.Fatalf("Send: %v", err)
		}
	}
	c.Close(ReasonForcedServerClose)
	h.expectClose(ReasonForcedServerClose)
	s.expect(ws.OpText, "4a")
	s.text("4ignored")
	s.expect(ws.OpText, "4b")
	s.expect(ws.OpText, "4c")
	s.expectCloseFrame(ws.StatusNormalClosure)
}

// TestCloseIsBounded has clients that read nothing, or don't answer the close
// frame: the server is rid of them after CloseTimeout.
func TestCloseIsBounded(t *testing.T) {
	for _, test := range []struct {
		name  string
		reads bool
	}{{"reads nothing", false}, {"does not answer", true}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, Config{CloseTimeout: 3 * time.Second}, nil)
				s, c := h.openWebSocket()
				if err := c.Send(NewFrame([]byte("a"))); err != nil {
					t.Fatalf("Send: %v", err)
				}
				if test.reads {
					go func() {
						for {
							if _, _, err := s.read(); err != nil {
								return
							}
						}
					}()
				}
				c.Close(ReasonForcedClose)
				h.expectClose(ReasonForcedClose)
				begin := time.Now()
				if err := h.server.Close(); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); took != 3*time.Second {
					t.Errorf("Close took %v, want 3s", took)
				}
			})
		})
	}
}

// TestSlowReader has a client that reads nothing while it is sent to: its queue
// fills, volatile frames are dropped first, then the connection is closed, and
// nobody else notices.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{QueueBytes: 100_000, CloseTimeout: time.Second}, nil)
		_, slow := h.openWebSocket()
		good, goodConn := h.openWebSocket()
		frame := NewFrame(make([]byte, 1000))
		sent, volatile := 0, 0
		for {
			if slow.SendVolatile(frame) {
				volatile++
			}
			err := slow.Send(frame)
			if errors.Is(err, ErrOverflow) {
				break
			}
			if err != nil {
				t.Fatalf("Send: %v", err)
			}
			sent++
		}
		if sent < 80 || sent > 99 || volatile < 5 || volatile > 20 {
			t.Errorf("%d frames and %d volatile ones were accepted", sent, volatile)
		}
		if e := h.expectClose(ReasonTransportError); !errors.Is(e.err, ErrOverflow) {
			t.Errorf("closed with %v, want ErrOverflow", e.err)
		}
		if err := goodConn.Send(NewFrame([]byte("hello"))); err != nil {
			t.Fatalf("Send to the other: %v", err)
		}
		good.expect(ws.OpText, "4hello")
		advance(time.Second)
		synctest.Wait()
		slow.mu.Lock()
		defer slow.mu.Unlock()
		if slow.bytes != 0 || slow.packets != 0 || slow.queue != nil || slow.writing {
			t.Errorf("after the close %d bytes and %d packets are still counted, writing is %v", slow.bytes, slow.packets, slow.writing)
		}
	})
}

func TestBlockedReceiverHoldsUpItsOwnClientAlone(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	h := newHost(t, Config{}, &recorder{onMessage: func(_ *Conn, data []byte, _ bool) {
		if string(data) == "block" {
			close(entered)
			<-leave
		}
	}})
	blocked, blockedConn := h.openWebSocket()
	other, _ := h.openWebSocket()
	blocked.text("4block")
	<-entered
	other.text("4free")
	h.expectMessage("free", false)
	if err := blockedConn.Send(NewFrame([]byte("output goes on"))); err != nil {
		t.Fatalf("Send: %v", err)
	}
	blocked.expect(ws.OpText, "4output goes on")
	blockedConn.Close(ReasonForcedClose)
	close(leave)
	h.expectMessage("block", false) // Close comes after the Message
	h.expectClose(ReasonForcedClose)
}

// TestEarlyFrames has a client that sends its first message with the handshake.
func TestEarlyFrames(t *testing.T) {
	h := newHost(t, Config{}, nil)
	conn, err := h.listener.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := &rawSocket{t: t, conn: conn, r: bufio.NewReader(conn)}
	early := strings.Repeat("e", 1000)
	request := "GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: host\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	go s.send(append([]byte(request), clientFrame(ws.OpText, true, "4"+early)...))
	if _, err := http.ReadResponse(s.r, nil); err != nil { //nolint:bodyclose // status 101 has no body
		t.Fatal(err)
	}
	s.recv()
	h.expect("open")
	h.expectMessage(early, false)
}

// TestDrained sends far more than the queue holds to a client that reads slowly,
// waiting for room each time.
func TestDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{QueueBytes: 4_000, QueuePackets: 8}, nil)
		client, conn := h.openWebSocket()
		const count = 200
		sent := make(chan error, 1)
		go func() {
			for i := range count {
				if err := conn.Drained(t.Context(), 1_000); err != nil {
					sent <- err
					return
				}
				// One frame in ten is small: there the packets count.
				if err := conn.Send(NewFrame(make([]byte, 10+i%10*200))); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for i := range count {
			synctest.Wait() // everything that has room is queued
			client.expect(ws.OpText, "4"+string(make([]byte, 10+i%10*200)))
		}
		if err := <-sent; err != nil {
			t.Fatalf("after %d frames: %v", count, err)
		}
	})
}

func TestDrainedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{CloseTimeout: time.Second}, nil)
		_, conn := h.openWebSocket()
		// A frame that is larger than what fits into the pipe waits for the client.
		if err := conn.Send(NewFrame(make([]byte, 1_000))); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- conn.Drained(ctx, 0) }()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
		go func() { ended <- conn.Drained(t.Context(), 0) }()
		synctest.Wait()
		conn.Close(ReasonForcedClose)
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("on a connection that closes: %v, want %v", err, ErrClosed)
		}
		if err := conn.Drained(t.Context(), 1<<20); !errors.Is(err, ErrClosed) {
			t.Errorf("on a closed connection: %v, want %v", err, ErrClosed)
		}
		advance(time.Second)
	})
}
