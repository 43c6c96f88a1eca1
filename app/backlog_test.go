package app_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

func TestBacklog(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		n, other := c.nodes[a], c.nodes[b]
		release := make(chan struct{})
		other.edge.mu.Lock()
		other.edge.onServer = func(_ context.Context, _ domain.Packet, reply func(domain.Value)) {
			<-release
			reply(domain.Value{})
		}
		other.edge.mu.Unlock()
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			_, err := n.ServerSideEmitWithAck(t.Context(), root, packet(t, "q"))
			no(t, err)
		}()
		synctest.Wait()
		n.transport.Faults().Hold()
		n.emit(t, to("r"), "1")
		n.InOrder(root, func(domain.Offset) {})
		if got, want := n.Backlog(), (app.Backlog{Questions: 1, Changes: 2}); got != want {
			t.Errorf("who asks and has not read what it has published has %+v, want %+v", got, want)
		}
		if got, want := other.Backlog(), (app.Backlog{Handlers: 1}); got != want {
			t.Errorf("who is asked has %+v, want %+v", got, want)
		}
		close(release)
		n.transport.Faults().Resume()
		<-asked
		pass(soon)
		for _, m := range c.nodes {
			if got := m.Backlog(); got != (app.Backlog{}) {
				t.Errorf("afterwards there is still %+v", got)
			}
		}
	})
}
