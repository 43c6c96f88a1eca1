package engineio

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// TestCloseAmidTraffic closes a server while clients of every kind come, talk,
// upgrade and go. Each connection that was opened must be closed exactly once,
// after its last message, and no goroutine may be left (TestMain looks).
func TestCloseAmidTraffic(t *testing.T) {
	for round := range 10 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			r := &recorder{onMessage: echo}
			h := newHost(t, Config{QueuePackets: 64}, r)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var clients sync.WaitGroup
			for i := range 24 {
				clients.Go(func() {
					for ctx.Err() == nil {
						switch i % 3 {
						case 0:
							h.roamPolling(ctx)
						case 1:
							h.roamWebSocket(ctx, "EIO=4&transport=websocket")
						case 2:
							h.roamUpgrade(ctx)
						}
					}
				})
			}
			seen := make(map[*Conn][]string)
			for range 300 + 50*round {
				e := h.next()
				seen[e.conn] = append(seen[e.conn], e.kind)
			}
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				if err := h.server.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			for done := false; !done; {
				select {
				case e := <-h.events:
					seen[e.conn] = append(seen[e.conn], e.kind)
				case <-closed:
					done = true
				}
			}
			cancel()
			clients.Wait()
			for len(h.events) > 0 {
				e := <-h.events
				seen[e.conn] = append(seen[e.conn], e.kind)
			}
			for c, kinds := range seen {
				for i, kind := range kinds {
					if (kind == "open") != (i == 0) || (kind == "close") != (i == len(kinds)-1) {
						t.Fatalf("connection %s was told %q", c.ID(), kinds)
					}
				}
				if len(kinds) < 2 {
					t.Fatalf("connection %s was never closed", c.ID())
				}
			}
		})
	}
}

// roamPolling is a client that opens, talks a little and vanishes. Its errors
// are those of a server that closes.
func (h *host) roamPolling(ctx context.Context) {
	_, body, _, err := h.try(ctx, "GET", "EIO=4&transport=polling", "")
	sid := sidPattern.FindStringSubmatch(body)
	if err != nil || sid == nil {
		return
	}
	query := "EIO=4&transport=polling&sid=" + sid[1]
	for _, body := range []string{"4a\x1e4b", "bAQID", "4c\x1e1"} {
		if status, _, _, err := h.try(ctx, "POST", query, body); err != nil || status != 200 {
			return
		}
		if status, _, _, err := h.try(ctx, "GET", query, ""); err != nil || status != 200 {
			return
		}
	}
}

// roamWebSocket is the same over a WebSocket, which it may break off.
func (h *host) roamWebSocket(ctx context.Context, query string) {
	dialer := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return h.listener.dial() }}
	conn, _, _, err := dialer.Dial(ctx, "ws://host/?"+query)
	if err != nil {
		return
	}
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(io.Discard, conn) })
	defer reading.Wait()
	defer conn.Close()
	for _, text := range []string{"2probe", "5", "4a", "4b", "4c"} {
		if text[0] != '4' && !strings.Contains(query, "sid=") {
			continue // that is for upgrades
		}
		if _, err := conn.Write(clientFrame(ws.OpText, true, text)); err != nil {
			return
		}
	}
	_, _ = conn.Write(clientFrame(ws.OpClose, true, "\x03\xe8"))
}

// roamUpgrade opens over polling and upgrades without much care.
func (h *host) roamUpgrade(ctx context.Context) {
	_, body, _, err := h.try(ctx, "GET", "EIO=4&transport=polling", "")
	sid := sidPattern.FindStringSubmatch(body)
	if err != nil || sid == nil {
		return
	}
	var polling sync.WaitGroup
	polling.Go(func() { _, _, _, _ = h.try(ctx, "GET", "EIO=4&transport=polling&sid="+sid[1], "") })
	h.roamWebSocket(ctx, "EIO=4&transport=websocket&sid="+sid[1])
	polling.Wait()
}
