package app_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

func TestMembership(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		counts := func() []int {
			var counts []int
			for _, m := range c.nodes {
				counts = append(counts, m.NodeCount(root))
			}
			return counts
		}
		expect(t, "at the start", counts(), 3, 3, 3)
		if infos := c.nodes[a].Nodes(root); len(infos) != 3 || infos[0].Info.Name == "" || infos[0].Info.StartedAt.IsZero() {
			t.Errorf("nodes %+v", infos)
		}
		pass(time.Minute)
		expect(t, "after a quiet minute", counts(), 3, 3, 3)

		late := c.add(app.Config{Name: "late"})
		synctest.Wait()
		expect(t, "with a fourth", counts(), 4, 4, 4, 4)
		_ = late.Close()
		synctest.Wait()
		expect(t, "after its goodbye", counts()[:3], 3, 3, 3)

		c.nodes[2].kill()
		pass(13 * time.Second)
		expect(t, "after a death", counts()[:2], 2, 2)
		changes := observed[*domain.MemberChanged](c.nodes[a].seen)
		last := changes[len(changes)-1].Change
		if last.Event != domain.MemberLost || last.Member.ID != c.nodes[2].ID() {
			t.Errorf("the last change was %s of %s", last.Event, last.Member.ID)
		}
	})
}

func TestCase08_AReaderThatWasAwayDropsNobody(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		c.nodes[a].transport.Faults().Hold()
		pass(15 * time.Second)
		c.nodes[a].transport.Faults().Resume()
		pass(2 * time.Second)
		for _, change := range observed[*domain.MemberChanged](c.nodes[a].seen) {
			if change.Change.Event == domain.MemberLost {
				t.Errorf("node %s was dropped", change.Change.Member.ID)
			}
		}
		if got := c.nodes[a].NodeCount(root); got != 3 {
			t.Errorf("%d nodes, want 3", got)
		}
	})
}

func TestNodeLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := inmemory.New(inmemory.Config{})
		transport := memory.Member()
		ctx := t.Context()
		if _, err := app.NewNode(nil, nil, nil, app.Config{}); err == nil {
			t.Error("a node without a log is no error")
		}
		bad := app.Config{HeartbeatInterval: time.Minute}
		if _, err := app.NewNode(transport.Log(), transport.Channel(), nil, bad); err == nil {
			t.Error("an interval beyond the timeout is no error")
		}
		node, err := app.NewNode(transport.Log(), transport.Channel(), nil, app.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := node.Broadcast(ctx, root, to(), packet(t, "x")); !errors.Is(err, app.ErrNotRunning) {
			t.Errorf("before Run: %v", err)
		}
		if err := node.Open(ctx, "no slash"); err == nil {
			t.Error("a namespace without a slash is no error")
		}
		if err := node.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if node.Run(ctx) == nil || node.Attach(newEdge()) == nil {
			t.Error("running twice, or attaching while running, is no error")
		}
		if _, err := node.Broadcast(ctx, "/opened-by-use", to(), packet(t, "x")); err != nil {
			t.Error(err)
		}

		// A call that waits for an answer ends with the node.
		other := memory.Member()
		silent, _ := app.NewNode(other.Log(), other.Channel(), nil, app.Config{})
		if err := errors.Join(silent.Open(ctx, root), silent.Run(ctx), node.Open(ctx, root)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		other.Faults().Cut()
		asked := make(chan error)
		go func() {
			_, err := node.FetchSockets(ctx, root, to())
			asked <- err
		}()
		synctest.Wait()
		if err := node.Close(); err != nil {
			t.Error(err)
		}
		if err := <-asked; !errors.Is(err, domain.ErrClosed) {
			t.Errorf("a waiting call ended with %v", err)
		}
		<-node.Done()
		if err := node.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
		if _, err := node.Broadcast(ctx, root, to(), packet(t, "x")); !errors.Is(err, domain.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		if err := node.Run(ctx); !errors.Is(err, domain.ErrClosed) {
			t.Errorf("run after Close: %v", err)
		}
		if !node.InOrder(root, func(domain.Offset) {}) {
			t.Error("after Close a change is not made at once")
		}
		other.Faults().Mend()
		_ = silent.Close()
		_, _, _ = transport.Close(), other.Close(), memory.Close()
	})
}
