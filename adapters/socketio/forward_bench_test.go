package socketio_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
)

// BenchmarkTunnel says what an idle WebSocket costs that runs through another node: the heap and the stacks of both nodes
// and of the client's end, for clients that upgraded at their own node and for those that did at another. The difference
// is the tunnel. The kernel's buffers are not in it.
func BenchmarkTunnel(b *testing.B) {
	const n = 1000
	all := stops(b, 2, nil)
	for i, name := range []string{"at its own node", "at another node"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				v := newWanderer(b)
				var clients []*client
				before := memory()
				for range n {
					v.sid = ""
					v.open(all[0])
					clients = append(clients, v.upgrade(all[i]))
				}
				v.client.CloseIdleConnections()
				b.ReportMetric((memory()-before)/n, "B/client")
				for _, c := range clients {
					_ = c.conn.Close()
				}
				eventually(b, "all are gone", func() bool { return all[0].Connections() == 0 && all[1].Stats().Forward.Tunnels == 0 })
			}
		})
	}
}

// BenchmarkForward is a POST at the client's own node, and at another.
func BenchmarkForward(b *testing.B) {
	all := stops(b, 2, nil)
	for i, name := range []string{"at its own node", "at another node"} {
		b.Run(name, func(b *testing.B) {
			v := newWanderer(b)
			v.open(all[0])
			target := v.query("polling")
			for b.Loop() {
				got, err := v.ask(b.Context(), all[i], http.MethodPost, target, strings.NewReader("3"))
				if err != nil || got.text != "ok" {
					b.Fatal(got, err)
				}
			}
		})
	}
}

// memory is what the heap and the stacks take.
func memory() float64 {
	for range 3 {
		runtime.GC() // pools are emptied by the second, what they held is gone with the third
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}
