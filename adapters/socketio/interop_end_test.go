package socketio_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// ender is a server that can end connections, of Node.js or ours.
type ender struct {
	url        string
	disconnect func(closeConnections bool)
	// reason is why the last socket has ended.
	reason func() string
}

// largest is the largest message that an ender takes.
const largest = 10_000

func nodeEnder(t *testing.T) ender {
	t.Helper()
	s := nodejs.StartServer(t, nodejs.ServerConfig{Options: map[string]any{"maxHttpBufferSize": largest}})
	return ender{
		url:        s.URL(),
		disconnect: func(closeConnections bool) { s.DisconnectSockets(nodejs.Target{}, closeConnections) },
		reason:     func() string { return s.Wait(nodejs.OfKind(nodejs.Disconnect)).Reason },
	}
}

func ourEnder(t *testing.T) ender {
	t.Helper()
	m := startCluster(t, 1, socketio.Config{Engine: engineio.Config{MaxPayload: largest}})[0]
	return ender{
		url: m.url,
		disconnect: func(closeConnections bool) {
			if err := m.DisconnectSockets(t.Context(), closeConnections); err != nil {
				t.Error(err)
			}
		},
		reason: func() string {
			_, reason, _ := strings.Cut(receive(t, "the server's reason", m.left), " ")
			return reason
		},
	}
}

// TestSameEndAsNodeJS ends connections in the ways that there are, at a server of Node.js and at ours, and compares what
// the official client and the server say of it. Where this server differs on purpose, the case says what it says.
func TestSameEndAsNodeJS(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		theirs, ours, clients := nodeEnder(t), ourEnder(t), version.Start(t)
		for _, transport := range transports {
			for _, test := range []struct {
				name string
				end  func(c *nodejs.Client, s ender)
				ours map[string][]string // what it may be, by transport, where it is another
			}{
				{"the client leaves", func(c *nodejs.Client, _ ender) { c.Disconnect() }, nil},
				{"the client is put out", func(_ *nodejs.Client, s ender) { s.disconnect(false) }, nil},
				{"the client's connection is closed", func(_ *nodejs.Client, s ender) { s.disconnect(true) }, nil},
				{"the connection breaks", func(c *nodejs.Client, _ ender) { c.Break() }, nil},
				// Node.js answers the POST with 413 and notices that the client has gone. Ours closes the connection, which
				// the client learns from that answer or from that of its poll.
				{
					"a message that is too large",
					func(c *nodejs.Client, _ ender) { c.Emit("e", strings.Repeat("x", 2*largest)) },
					map[string][]string{"polling": {
						"client: transport close, server: transport error", "client: transport error, server: transport error",
					}},
				},
				// Node.js says what the documentation of Socket.IO has for connections that the server closes.
				{
					"a packet of too many attachments",
					func(c *nodejs.Client, _ ender) { c.Emit("e", slices.Repeat([]any{nodejs.Binary{1}}, 11)...) },
					map[string][]string{"polling": {parseError}, "websocket": {parseError}, "upgrade": {parseError}},
				},
			} {
				t.Run(transport.name+"/"+test.name, func(t *testing.T) {
					seen := func(whose string, s ender) string {
						c := clients.Connect(t.Name()+whose, s.url, nodejs.ConnectOptions{
							Transports: transport.use, NoReconnection: true,
						})
						if transport.use == nil {
							c.Wait(nodejs.OfKind(nodejs.Upgrade))
						}
						test.end(c, s)
						e := c.Wait(nodejs.OfKind(nodejs.Disconnect))
						return fmt.Sprintf("client: %s, server: %s", e.Reason, s.reason())
					}
					want, got := seen(" of Node.js", theirs), seen("", ours)
					wants := []string{want}
					if others, differs := test.ours[transport.name]; differs {
						if got == want {
							t.Errorf("no difference any more: both say %s", got)
						}
						wants = others
					}
					if !slices.Contains(wants, got) {
						t.Errorf("%s, want %q", got, wants)
					}
				})
			}
		}
	})
}

const parseError = "client: transport close, server: parse error"
