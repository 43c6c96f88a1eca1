package socketio_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// TestCompress sends what is worth compressing to a client that polls.
func TestCompress(t *testing.T) {
	h := serve(t, socketio.Config{})
	p := h.poll()
	s := h.Sockets()[0]
	long := strings.Repeat("again and ", 200)
	for _, test := range []struct {
		name string
		emit func() error
		want bool
	}{
		{"a broadcast", func() error { _, err := h.Emit(t.Context(), "e", long); return err }, true},
		{"a broadcast that asks for it", func() error { _, err := h.Compress(true).Emit(t.Context(), "e", long); return err }, true},
		{"a broadcast that forbids it", func() error { _, err := h.Compress(false).Emit(t.Context(), "e", long); return err }, false},
		{"an emit", func() error { return s.Emit(t.Context(), "e", long) }, true},
		{"an emit that forbids it", func() error { return s.Compress(false).Emit(t.Context(), "e", long) }, false},
		{"a short one", func() error { return s.Emit(t.Context(), "e", "once") }, false},
	} {
		if err := test.emit(); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		response, err := http.Get(p.url) // Go's client asks for gzip, and says when it got that
		body := p.do(response, err)
		if response.Uncompressed != test.want || !strings.HasPrefix(body, `42["e"`) {
			t.Errorf("%s: compressed is %v, want %v: %.30q", test.name, response.Uncompressed, test.want, body)
		}
	}
}

// TestDeflateInterop has the official client, which offers permessage-deflate,
// send and receive what is deflated.
func TestDeflateInterop(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		nodes := startCluster(t, 1, socketio.Config{Engine: engineio.Config{Deflate: true}})
		clients := version.Start(t)
		options := nodejs.ConnectOptions{Transports: []string{"websocket"}}
		plain := options
		plain.Extra = map[string]any{"perMessageDeflate": false}
		for name, o := range map[string]nodejs.ConnectOptions{"deflates": options, "does not": plain} {
			client := clients.Connect(name, nodes[0].url, o)
			s, ok := nodes[0].Socket(domain.SocketID(client.ID()))
			if !ok || (len(s.Handshake().Headers["sec-websocket-extensions"]) > 0) != (name == "deflates") {
				t.Fatalf("%s: unexpected offer, or no socket", name)
			}
			for _, value := range []string{"short", strings.Repeat("long and ", 5_000)} {
				got, err := client.EmitWithAck(patience, "echo", value, nodejs.Binary(value))
				if err != nil || !strings.HasPrefix(got.String(), `[["`+value+`",{"$bin":"`) {
					t.Errorf("%s: %.60s (%v)", name, got, err)
				}
			}
		}
	})
}
