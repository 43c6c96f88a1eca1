package socketio_test

import (
	"context"
	"io"
	"net/http/httptest"
	"testing"

	"github.com/gobwas/ws"

	"github.com/roombus/roombus/adapters/socketio"
)

// BenchmarkAnswer has a client send an event and wait for its acknowledgement. All that is allocated is the server's.
func BenchmarkAnswer(b *testing.B) {
	node := &loneNode{}
	server, err := socketio.NewServer(node, socketio.Config{})
	if err != nil {
		b.Fatal(err)
	}
	socketio.OnAck(server, "echo", func(_ context.Context, _ *socketio.Socket, text string) (string, error) { return text, nil })
	web := httptest.NewServer(server)
	defer web.Close()
	defer server.Close()
	h := &harness{Server: server, t: b, node: node, http: web}
	question := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(`420["echo","how are you?"]`))))
	answer := make([]byte, len(`430["how are you?"]`)+2)
	c, _ := h.join("/")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.conn.Write(question); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c.conn, answer); err != nil {
			b.Fatal(err)
		}
	}
}
