package app_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/domain"
)

// A reader that catches up reads minutes in a moment. A request that waits for it has not waited for minutes.
func TestCase19_ARequestOvertakesNothingWhileTheReaderCatchesUp(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		asker, behind := c.nodes[a], c.nodes[b]
		behind.edge.connect("s")
		faults := behind.transport.Faults()
		faults.Hold()
		for range 9 {
			asker.emit(t, to(), "backlog")
			pass(time.Second)
		}
		if err := asker.Operate(t.Context(), root, &domain.Join{Rooms: []string{"r"}}); err != nil {
			t.Fatal(err)
		}
		faults.OnRead(func(*domain.Entry) time.Duration { return 10 * time.Millisecond })
		faults.Resume()
		pass(25 * time.Millisecond) // it has read the first entries
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		sockets, err := asker.FetchSockets(ctx, root, to("r"))
		if err != nil {
			t.Error(err)
		}
		expect(t, "fetched", ids(sockets), "s")
		synctest.Wait()
	})
}
