package client_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/gobwas/ws"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/client"
)

// BenchmarkReceive is what an event of 100 bytes costs a client that handles it, the reading included.
func BenchmarkReceive(b *testing.B) {
	p := startPuppet(b)
	s := newClient(b, p.web.URL, client.Config{}).Of("/")
	got := make(chan struct{}, 1)
	count := 0
	client.On(s, "news", func(context.Context, string) error {
		count++
		if count == b.N {
			got <- struct{}{}
		}
		return nil
	})
	h := p.join(s, `40{"sid":"s"}`)
	var frame bytes.Buffer
	if err := ws.WriteFrame(&frame, ws.NewTextFrame(append([]byte(`42["news","`), append(bytes.Repeat([]byte("x"), 100), `"]`...)...))); err != nil {
		b.Fatal(err)
	}
	const together = 100
	many := bytes.Repeat(frame.Bytes(), together)
	b.ReportAllocs()
	b.ResetTimer()
	for left := b.N; left > 0; left -= together {
		if _, err := h.conn.Write(many[:min(left, together)*frame.Len()]); err != nil {
			b.Fatal(err)
		}
	}
	<-got
}

// BenchmarkEmitWithAck is a question and its answer, with the server in the same process.
func BenchmarkEmitWithAck(b *testing.B) {
	io, url := startServer(b, socketio.Config{})
	socketio.OnAck(io, "echo", func(_ context.Context, _ *socketio.Socket, n int) (int, error) { return n, nil })
	s := newClient(b, url, client.Config{}).Of("/")
	connect(b, s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.EmitWithAck(b.Context(), "echo", 1); err != nil {
			b.Fatal(err)
		}
	}
}
