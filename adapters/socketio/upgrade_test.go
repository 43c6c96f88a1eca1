package socketio_test

import (
	"context"
	"testing"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// The sockets of a client that upgrades are told of it, once each; those of one that begins with WebSocket are not.
func TestInteropOnUpgrade(t *testing.T) {
	eachClient(t, func(t *testing.T, version nodejs.ClientVersion) {
		node := startCluster(t, 1, socketio.Config{})[0]
		upgraded := make(chan string, 10)
		hold := make(chan struct{})
		for _, ns := range []*socketio.Namespace{node.Namespace, node.Of("/guarded")} {
			ns.OnConnect(func(_ context.Context, s *socketio.Socket) error {
				if s.Transport() == engineio.Polling {
					<-hold // so that the upgrade comes meanwhile
				}
				return nil
			})
			ns.OnUpgrade(func(_ context.Context, s *socketio.Socket) {
				upgraded <- string(s.ID()) + " " + string(s.Transport())
			})
		}
		node.OnUpgrade(func(context.Context, *socketio.Socket) { panic("oh") })
		clients := version.Start(t)
		options := nodejs.ConnectOptions{Auth: map[string]any{"token": "good"}}
		alice := clients.Connect("alice", node.url, options)
		alice.Wait(nodejs.OfKind(nodejs.Upgrade))
		close(hold)
		if got, want := receive(t, "the upgrade", upgraded), alice.ID()+" websocket"; got != want {
			t.Errorf("told of %s, want %s", got, want)
		}
		if f := receive(t, "the failure", node.failures); f.Event != "upgrade" || string(f.Socket.ID()) != alice.ID() {
			t.Errorf("the failure is %+v", f)
		}
		later := alice.Share("later", "/guarded", map[string]any{"token": "good"})
		options.Transports = []string{"websocket"}
		direct := clients.Connect("direct", node.url, options)
		if _, err := later.EmitWithAck(patience, "where"); err != nil {
			t.Error(err)
		}
		if _, err := direct.EmitWithAck(patience, "echo", 1, 2); err != nil {
			t.Error(err)
		}
		if len(upgraded) > 0 {
			t.Errorf("told of %s, too", <-upgraded)
		}
	})
}
