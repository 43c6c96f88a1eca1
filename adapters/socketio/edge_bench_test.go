package socketio_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

// BenchmarkDeliver hands one broadcast to a room of so many WebSockets. What it allocates must not grow with them.
func BenchmarkDeliver(b *testing.B) {
	for _, sockets := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(sockets), func(b *testing.B) {
			node := &loneNode{}
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
			d := &domain.Delivery{Namespace: "/", Packet: p}
			b.ReportAllocs()
			for b.Loop() {
				if n := node.edge.Deliver(b.Context(), d); n != sockets {
					b.Fatalf("%d sockets reached, want %d", n, sockets)
				}
			}
		})
	}
}
