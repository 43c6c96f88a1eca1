package socketio_test

import (
	"io"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
)

// A broadcast costs allocations a node, not a socket; and one to a room, nothing for the sockets that are not in it.
func TestBroadcastAllocatesNothingASocket(t *testing.T) {
	const some, many = 1, 101
	deliver := func(h *harness, room string, sockets int) float64 {
		p, err := domain.NewPacket([]byte(`["message",{"room":"lobby","body":"some text for each of those who are in the room"}]`))
		if err != nil {
			t.Fatal(err)
		}
		d := &domain.Delivery{Namespace: "/", Packet: p, Target: domain.Target{Rooms: []string{room}}}
		return testing.AllocsPerRun(500, func() {
			if n := h.node.edge.Deliver(t.Context(), d); n != sockets {
				t.Errorf("%d sockets reached, want %d", n, sockets)
			}
		})
	}
	h := serve(t, socketio.Config{})
	join := func(sockets int, rooms ...string) {
		for range sockets {
			c, id := h.join("/")
			go func() { _, _ = io.Copy(io.Discard, c.conn) }() // ends with the connection
			s, _ := h.Socket(domain.SocketID(id))
			if err := s.Join(t.Context(), rooms...); err != nil {
				t.Fatal(err)
			}
		}
	}
	join(some, "few", "all")
	alone := deliver(h, "few", some)
	join(many-some, "all")
	beside, together := deliver(h, "few", some), deliver(h, "all", many)
	t.Logf("%.0f allocations for one socket, %.0f beside %d that are not in the room, %.0f for %d", alone, beside, many-some, together, many)
	// Now and then a pool is empty: a collection clears it, and the race detector has it lose some.
	if beside > alone+2 || together > alone+many/4 {
		t.Error("the allocations grow with the sockets")
	}
}
