package socketio_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

// BenchmarkDeliver hands one broadcast to a room of so many WebSockets. What it allocates must not grow with them. With
// recovery every packet gets its offset.
func BenchmarkDeliver(b *testing.B) {
	for name, window := range map[string]time.Duration{"plain": 0, "recovery": time.Minute} {
		b.Run(name, func(b *testing.B) { benchmarkDeliver(b, window) })
	}
}

func benchmarkDeliver(b *testing.B, window time.Duration) {
	for _, sockets := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(sockets), func(b *testing.B) {
			node := &loneNode{window: window, kept: make(chan *keptSession, sockets)}
			server, err := socketio.NewServer(node, socketio.Config{})
			if err != nil {
				b.Fatal(err)
			}
			web := httptest.NewServer(server)
			defer web.Close()
			defer server.Close()
			h := &harness{Server: server, t: b, node: node, http: web}
			for range sockets {
				c, _ := h.join("/")
				go func() { _, _ = io.Copy(io.Discard, c.conn) }()
			}
			p, err := domain.NewPacket([]byte(`["message",{"room":"lobby","body":"about a hundred bytes of text for each of those who are in the room"}]`))
			if err != nil {
				b.Fatal(err)
			}
			d := &domain.Delivery{Namespace: "/", Packet: p, Offset: "1795376911010-0"}
			b.ReportAllocs()
			for b.Loop() {
				if n := node.edge.Deliver(b.Context(), d); n != sockets {
					b.Fatalf("%d sockets reached, want %d", n, sockets)
				}
			}
		})
	}
}
