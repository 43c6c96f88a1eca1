package engineio

import (
	"io"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A client that floods is not read for long when its connection is closed, though the time to close is not over.
func TestFloodAfterTheEnd(t *testing.T) {
	h := newHost(t, Config{CloseTimeout: time.Hour}, nil)
	client, conn := h.openWebSocket()
	conn.Close(ReasonForcedClose)
	h.expectClose(ReasonForcedClose)
	go func() { _, _ = io.Copy(io.Discard, client.conn) }() // ends with the connection
	frame := clientFrame(ws.OpText, true, "4on and on")
	sent := 0
	for ; sent < 10*maxLate; sent++ {
		if _, err := client.conn.Write(frame); err != nil {
			break
		}
	}
	if sent < maxLate || sent > 2*maxLate {
		t.Errorf("%d messages were read after the end, want about %d", sent, maxLate)
	}
}
