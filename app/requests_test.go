package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

func ids(sockets []domain.SocketDetails) []string {
	names := make([]string, len(sockets))
	for i, s := range sockets {
		names[i] = string(s.ID)
	}
	slices.Sort(names)
	return names
}

func TestFetchSocketsSeesWhatWasPublishedBefore(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		for i, m := range c.nodes {
			m.edge.connect(fmt.Sprint("s", i))
		}
		// The request is on the channel and everybody's reader stands still: it must not overtake the join.
		for _, m := range c.nodes {
			m.transport.Faults().Hold()
		}
		err := c.nodes[a].Operate(t.Context(), root, &domain.Join{Rooms: []string{"r"}})
		if err != nil {
			t.Fatal(err)
		}
		fetched := make(chan []domain.SocketDetails)
		go func() {
			sockets, err := c.nodes[a].FetchSockets(t.Context(), root, to("r"))
			if err != nil {
				t.Error(err)
			}
			fetched <- sockets
		}()
		synctest.Wait()
		for _, m := range c.nodes {
			m.transport.Faults().Resume()
		}
		expect(t, "fetched", ids(<-fetched), "s0", "s1", "s2")
		local := domain.Target{Flags: domain.Flags{Local: true}}
		sockets, err := c.nodes[b].FetchSockets(t.Context(), root, local)
		expect(t, "local", ids(sockets), "s1")
		if err != nil {
			t.Error(err)
		}
	})
}

func TestARequestNamesWhoIsMissing(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		for i, m := range c.nodes {
			m.edge.connect(fmt.Sprint("s", i))
		}
		c.nodes[2].transport.Faults().Cut()
		start := time.Now()
		target := domain.Target{Flags: domain.Flags{Timeout: time.Second}}
		sockets, err := c.nodes[a].FetchSockets(t.Context(), root, target)
		expect(t, "fetched", ids(sockets), "s0", "s1")
		var partial *domain.PartialError
		if !errors.As(err, &partial) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v, want a PartialError at the deadline", err)
		}
		expect(t, "missing", partial.Missing, c.nodes[2].ID())
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("waited %s, want the timeout of 1s", waited)
		}
		c.nodes[2].transport.Faults().Mend()
		synctest.Wait()
	})
}

func TestARequestDoesNotWaitForTheDead(t *testing.T) {
	for _, test := range []struct {
		name    string
		leave   func(*member)
		missing bool
	}{
		{"a goodbye is nothing missing", func(m *member) { _ = m.Close() }, false},
		{"silence is", (*member).kill, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			inCluster(t, 3, func(t *testing.T, c *cluster) {
				gone := c.nodes[2]
				gone.edge.onServer = func(ctx context.Context, _ domain.Packet, _ func(domain.Value)) { <-ctx.Done() }
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				ended := make(chan error)
				go func() {
					_, err := c.nodes[a].ServerSideEmitWithAck(ctx, root, packet(t, "q"))
					ended <- err
				}()
				synctest.Wait()
				test.leave(gone)
				start := time.Now()
				err := <-ended
				var partial *domain.PartialError
				if errors.As(err, &partial) != test.missing {
					t.Errorf("error %v, want a partial one: %v", err, test.missing)
				}
				if test.missing {
					expect(t, "missing", partial.Missing, gone.ID())
				}
				if waited := time.Since(start); waited > 15*time.Second {
					t.Errorf("waited %s for a dead node", waited)
				}
			})
		})
	}
}

func TestServerSideEmit(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		for i, m := range c.nodes[1:] {
			m.edge.onServer = func(_ context.Context, p domain.Packet, reply func(domain.Value)) {
				if reply != nil {
					reply(domain.TextValue(fmt.Sprint(p.Event(), i)))
					reply(domain.TextValue("a second answer counts for nothing"))
				}
			}
		}
		answers, err := c.nodes[a].ServerSideEmitWithAck(t.Context(), root, packet(t, "q"))
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, v := range answers {
			text, _ := v.Text()
			texts = append(texts, text)
		}
		slices.Sort(texts)
		expect(t, "answers", texts, "q0", "q1")
	})
	t.Run("alone there is nobody to ask", func(t *testing.T) {
		inCluster(t, 1, func(t *testing.T, c *cluster) {
			answers, err := c.nodes[a].ServerSideEmitWithAck(t.Context(), root, packet(t, "q"))
			if len(answers) != 0 || err != nil {
				t.Errorf("answers %v, error %v", answers, err)
			}
		})
	})
}

// The handler of a server-side emit asks the cluster and waits: the answers come through the reader that handed it
// the event.
func TestCase07_AHandlerMayAskTheCluster(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		c.nodes[a].edge.connect("s0")
		c.nodes[b].edge.connect("s1")
		found := make(chan []string, 1)
		c.nodes[b].edge.onServer = func(ctx context.Context, _ domain.Packet, _ func(domain.Value)) {
			sockets, err := c.nodes[b].FetchSockets(ctx, root, to())
			if err != nil {
				t.Error(err)
			}
			found <- ids(sockets)
		}
		if err := c.nodes[a].ServerSideEmit(t.Context(), root, packet(t, "look")); err != nil {
			t.Fatal(err)
		}
		expect(t, "found", <-found, "s0", "s1")
	})
}

func TestBroadcastWithAck(t *testing.T) {
	collect := func(t *testing.T, m *member, target domain.Target) ([]string, error) {
		t.Helper()
		answers, err := m.BroadcastWithAck(t.Context(), root, target, packet(t, "q"))
		var texts []string
		for _, v := range answers {
			text, _ := v.Text()
			texts = append(texts, text)
		}
		slices.Sort(texts)
		return texts, err
	}
	connected := func(t *testing.T, test func(t *testing.T, c *cluster)) {
		t.Helper()
		inCluster(t, 3, func(t *testing.T, c *cluster) {
			c.nodes[0].edge.connect("s0", "r")
			c.nodes[1].edge.connect("s1", "r")
			c.nodes[1].edge.connect("s2", "r")
			test(t, c)
		})
	}
	t.Run("one answer a socket, also with nodes that have none", func(t *testing.T) {
		connected(t, func(t *testing.T, c *cluster) {
			start := time.Now()
			got, err := collect(t, c.nodes[a], to("r"))
			expect(t, "answers", got, "from s0", "from s1", "from s2")
			if err != nil {
				t.Error(err)
			}
			if waited := time.Since(start); waited > soon {
				t.Errorf("waited %s although all had answered", waited)
			}
			expect(t, "offset", c.nodes[a].edge.offsets["s0"], "")
		})
	})
	t.Run("a node that joins before the broadcast is in the log is asked too", func(t *testing.T) {
		connected(t, func(t *testing.T, c *cluster) {
			c.nodes[a].transport.Faults().NextAppends(inmemory.AppendFault{Delay: time.Second})
			type result struct {
				answers []string
				err     error
			}
			ended := make(chan result)
			go func() {
				answers, err := collect(t, c.nodes[a], to("r"))
				ended <- result{answers, err}
			}()
			synctest.Wait()
			c.add(app.Config{}).edge.connect("s3", "r")
			got := <-ended
			expect(t, "answers", got.answers, "from s0", "from s1", "from s2", "from s3")
			if got.err != nil {
				t.Error(got.err)
			}
		})
	})
	t.Run("a local one works in a cluster", func(t *testing.T) {
		connected(t, func(t *testing.T, c *cluster) {
			got, err := collect(t, c.nodes[b], domain.Target{Rooms: []string{"r"}, Flags: domain.Flags{Local: true}})
			expect(t, "answers", got, "from s1", "from s2")
			if err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("a volatile one counts its own sockets once", func(t *testing.T) {
		connected(t, func(t *testing.T, c *cluster) {
			got, err := collect(t, c.nodes[a], domain.Target{Rooms: []string{"r"}, Flags: domain.Flags{Volatile: true}})
			expect(t, "answers", got, "from s0", "from s1", "from s2")
			if err != nil {
				t.Error(err)
			}
			expect(t, "received", c.nodes[a].edge.received("s0"), "q")
		})
	})
	t.Run("a silent socket is counted as missing", func(t *testing.T) {
		connected(t, func(t *testing.T, c *cluster) {
			c.nodes[b].edge.silent["s2"] = true
			target := domain.Target{Rooms: []string{"r"}, Flags: domain.Flags{Timeout: time.Second}}
			got, err := collect(t, c.nodes[a], target)
			expect(t, "answers", got, "from s0", "from s1")
			var partial *domain.PartialError
			if !errors.As(err, &partial) || partial.MissingAcks != 1 || len(partial.Missing) != 0 {
				t.Errorf("error %v, want one missing ack", err)
			}
		})
	})
	t.Run("not published, no answers", func(t *testing.T) {
		connected(t, func(t *testing.T, c *cluster) {
			c.nodes[a].transport.Faults().NextAppends(inmemory.AppendFault{Outcome: inmemory.AppendRefused})
			got, err := collect(t, c.nodes[a], to("r"))
			if len(got) != 0 || !errors.Is(err, domain.ErrNotPublished) {
				t.Errorf("answers %v, error %v", got, err)
			}
		})
	})
}

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
		if infos := c.nodes[a].Nodes(root); len(infos) != 2 || infos[0].Info.Name == "" || infos[0].Info.StartedAt.IsZero() {
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
