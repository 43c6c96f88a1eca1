package engineio

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// probe opens a WebSocket for a polling connection.
func (h *host) probe(query string) *rawSocket {
	h.t.Helper()
	return h.dialWebSocket(strings.Replace(query, "=polling", "=websocket", 1))
}

func TestUpgrade(t *testing.T) {
	h := newHost(t, Config{}, &recorder{onMessage: echo})
	query, c := h.openPolling()
	waiting := h.request("GET", query, "")
	h.waiting(c)
	s := h.probe(query)
	if c.Transport() != Polling {
		t.Errorf("transport is %q before the probe", c.Transport())
	}
	s.text("2probe")
	s.expect(ws.OpText, "3probe")
	if got := <-waiting; got != "200 6" {
		t.Errorf("the waiting poll got %q, want a noop", got)
	}
	h.post(query, "4during") // polling goes on until the upgrade packet
	h.expectMessage("during", false)
	if err := c.Send(NewFrame([]byte("buffered"))); err != nil {
		t.Fatalf("Send: %v", err)
	}
	s.text("5")
	s.expect(ws.OpText, "4during")
	s.expect(ws.OpText, "4buffered")
	if c.Transport() != WebSocket {
		t.Errorf("transport is %q after the upgrade", c.Transport())
	}
	s.text("4after")
	h.expectMessage("after", false)
	s.expect(ws.OpText, "4after")
	if status, body, _ := h.do("GET", query, ""); status != 400 || !strings.Contains(body, `"code":3`) {
		t.Errorf("a poll after the upgrade got %d %q", status, body)
	}
	if status, _, _ := h.do("POST", query, "4x"); status != 400 {
		t.Errorf("a POST after the upgrade got %d", status)
	}
	h.probe(query).expectCloseFrame(ws.StatusPolicyViolation) // a second WebSocket
	s.text("4still")
	h.expectMessage("still", false)
}

func TestUpgradeThatFails(t *testing.T) {
	tests := []struct {
		name   string
		frames [][]byte
	}{
		{"the client gives up", [][]byte{clientFrame(ws.OpClose, true, "\x03\xe8")}},
		{"a message before the upgrade", [][]byte{clientFrame(ws.OpText, true, "4x")}},
		{"a message after the probe", [][]byte{clientFrame(ws.OpText, true, "2probe"), clientFrame(ws.OpText, true, "4x")}},
		{"another ping", [][]byte{clientFrame(ws.OpText, true, "2")}},
		{"an unmasked frame", [][]byte{[]byte("\x81\x015")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, Config{}, nil)
			query, c := h.openPolling()
			s := h.probe(query)
			go s.send(test.frames...)
			for {
				if _, _, err := s.read(); err != nil {
					break
				}
			}
			h.post(query, "4polling goes on")
			h.expectMessage("polling goes on", false)
			eventually(t, "the upgrade is forgotten", func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return !c.upgrading && !c.probed && c.probe == nil
			})
			s = h.probe(query)
			s.send(clientFrame(ws.OpPing, true, "control"))
			s.expect(ws.OpPong, "control")
			s.text("2probe")
			s.expect(ws.OpText, "3probe")
			h.probe(query).expectCloseFrame(ws.StatusPolicyViolation) // one upgrade at a time
			s.text("5")
			s.text("4second try")
			h.expectMessage("second try", false)
		})
	}
}

func TestUpgradeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, Config{}, nil)
		query, _ := h.openPolling()
		s := h.probe(query)
		s.text("2probe")
		s.expect(ws.OpText, "3probe")
		begin := time.Now()
		h.poll(query, "6") // not at once: the client would poll in a loop
		if took := time.Since(begin); took != noopDelay {
			t.Errorf("the poll after the probe took %v, want %v", took, noopDelay)
		}
		_ = s.conn.SetReadDeadline(time.Time{})
		if _, err := s.r.ReadByte(); err == nil {
			t.Error("the WebSocket sent something")
		}
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("the WebSocket was closed after %v, want 10s", took)
		}
		h.post(query, "4polling goes on")
		h.expectMessage("polling goes on", false)
	})
}

func TestUpgradesSwitchedOff(t *testing.T) {
	h := newHost(t, Config{NoUpgrades: true}, nil)
	query, _ := h.openPolling()
	h.probe(query).expectCloseFrame(ws.StatusPolicyViolation)
	h.post(query, "4polling goes on")
	h.expectMessage("polling goes on", false)
}

// TestCloseDuringUpgrade closes between the probe and the upgrade packet: what
// was queued arrives over the WebSocket.
func TestCloseDuringUpgrade(t *testing.T) {
	h := newHost(t, Config{CloseTimeout: patience}, nil)
	query, c := h.openPolling()
	s := h.probe(query)
	s.text("2probe")
	s.expect(ws.OpText, "3probe")
	if err := c.Send(NewFrame([]byte("last words"))); err != nil {
		t.Fatalf("Send: %v", err)
	}
	c.Close(ReasonForcedClose)
	h.expectClose(ReasonForcedClose)
	s.text("5")
	s.expect(ws.OpText, "4last words")
	s.expectCloseFrame(ws.StatusNormalClosure)
}

func TestFailureDuringUpgrade(t *testing.T) {
	h := newHost(t, Config{}, nil)
	query, _ := h.openPolling()
	s := h.probe(query)
	s.text("2probe")
	s.expect(ws.OpText, "3probe")
	if status, _, _ := h.do("POST", query, "garbage"); status != 400 {
		t.Errorf("POST got %d, want 400", status)
	}
	h.expectClose(ReasonParseError)
	if _, _, err := s.read(); err == nil {
		t.Error("the WebSocket sent something")
	}
}

// TestUpgradeLosesNothing upgrades again and again while both sides send, as the
// official client does it: it polls until the probe is answered, waits for its
// poll and its POST to be answered, and says 5.
func TestUpgradeLosesNothing(t *testing.T) {
	const rounds, messages = 60, 200
	h := newHost(t, Config{}, nil)
	for round := range rounds {
		query, c := h.openPolling()
		var sending sync.WaitGroup
		sending.Go(func() {
			for i := range messages {
				if err := c.Send(NewFrame(fmt.Appendf(nil, "s%d", i))); err != nil {
					t.Errorf("Send: %v", err)
				}
			}
		})
		fromServer, fromClient := 0, 0
		take := func(packets string) {
			for packet := range strings.SplitSeq(packets, "\x1e") {
				switch {
				case packet == fmt.Sprintf("4s%d", fromServer):
					fromServer++
				case packet != "6":
					t.Fatalf("round %d: got %.40q, want message %d", round, packet, fromServer)
				}
			}
		}
		post := func(n int) {
			var body []string
			for range n {
				body = append(body, fmt.Sprintf("4c%d", fromClient))
				fromClient++
			}
			h.post(query, strings.Join(body, "\x1e"))
		}
		s := h.probe(query)
		probed := make(chan struct{})
		go func() {
			defer close(probed)
			s.text("2probe")
			if op, payload, err := s.read(); err != nil || op != ws.OpText || string(payload) != "3probe" {
				t.Errorf("probe: %v %q %v", op, payload, err)
			}
		}()
		for polling := true; polling; {
			post(3)
			status, body, _ := h.do("GET", query, "")
			if status != 200 {
				t.Fatalf("round %d: poll got %d %q", round, status, body)
			}
			take(body)
			select {
			case <-probed:
				polling = false
			default:
			}
		}
		post(1)
		s.text("5")
		for i := range 3 {
			s.text(fmt.Sprintf("4c%d", fromClient+i))
		}
		fromClient += 3
		for fromServer < messages {
			_, payload := s.recv()
			take(string(payload))
		}
		for i := range fromClient {
			h.expectMessage(fmt.Sprintf("c%d", i), false)
		}
		sending.Wait()
		c.Close(ReasonForcedClose)
		s.expectCloseFrame(ws.StatusNormalClosure)
		h.expectClose(ReasonForcedClose)
	}
}
