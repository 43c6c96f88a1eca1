package engineio

import (
	"testing"

	"github.com/gobwas/ws"
)

// TestTraffic counts what has data, in both directions and over both transports.
func TestTraffic(t *testing.T) {
	h := newHost(t, Config{}, nil)
	before, _ := h.openWebSocket()
	before.send(clientFrame(ws.OpText, true, "4not counted"))
	h.expect("message")
	if s := h.server.Stats(); s.Traffic != (Traffic{}) {
		t.Errorf("counted without being asked: %+v", s.Traffic)
	}
	h.server.CountTraffic()

	query, c := h.openPolling()
	opened := h.server.Stats().Traffic // the open packet, whose length is that of its JSON
	if opened.PacketsOut != 1 || opened.BytesOut < 50 || opened.PacketsIn != 0 {
		t.Errorf("after a handshake: %+v", opened)
	}
	h.post(query, "4hello\x1e3\x1e4\x1ebAQID") // a pong and an empty message are nothing
	for range 3 {
		h.expect("message")
	}
	if err := c.Send(NewFrame([]byte("text"), []byte{1, 2, 3})); err != nil {
		t.Fatal(err)
	}
	h.poll(query, "4text\x1ebAQID")
	if got, want := h.server.Stats().Traffic, (Traffic{PacketsIn: 2, BytesIn: 8, PacketsOut: 3, BytesOut: opened.BytesOut + 7}); got != want {
		t.Errorf("by polling: %+v, want %+v", got, want)
	}

	socket := h.upgrade(query)
	socket.text("4more")
	h.expect("message")
	if err := c.Send(NewBinaryFrame([]byte{1})); err != nil {
		t.Fatal(err)
	}
	socket.expect(ws.OpBinary, "\x01")
	if got, want := h.server.Stats().Traffic, (Traffic{PacketsIn: 3, BytesIn: 12, PacketsOut: 4, BytesOut: opened.BytesOut + 8}); got != want {
		t.Errorf("by WebSocket: %+v, want %+v", got, want)
	}
}

// TestPollingIsAGauge follows connections through all ways in which they change.
func TestPollingIsAGauge(t *testing.T) {
	h := newHost(t, Config{}, nil)
	want := func(what string, open, polling int) {
		t.Helper()
		eventually(t, what, func() bool {
			s := h.server.Stats()
			return s.Open == open && s.Polling == polling
		})
	}
	query, first := h.openPolling()
	_, second := h.openPolling()
	_, third := h.openWebSocket()
	want("two of three poll", 3, 2)
	h.upgrade(query)
	want("one polls", 3, 1)
	second.Close(ReasonForcedClose)
	want("none polls", 2, 0)
	first.Close(ReasonForcedClose)
	third.Close(ReasonForcedClose)
	want("none is left", 0, 0)
}
