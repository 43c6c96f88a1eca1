package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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

// W12 of the Node.js adapter: a node that stands still (SIGSTOP) makes every request take its whole timeout.
func TestCase21_AFrozenNodeCostsOneDeadline(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		for i, m := range c.nodes {
			m.edge.connect(fmt.Sprint("s", i))
		}
		frozen := c.nodes[2]
		fetch := func(what string, wantMissing bool) (waited time.Duration) {
			t.Helper()
			start := time.Now()
			sockets, err := c.nodes[a].FetchSockets(t.Context(), root, to())
			want := []string{"s0", "s1", "s2"}
			if wantMissing {
				want = want[:2]
				var partial *domain.PartialError
				if !errors.As(err, &partial) {
					t.Fatalf("%s: error %v, want a partial one", what, err)
				}
				expect(t, what+": missing", partial.Missing, frozen.ID())
			} else if err != nil {
				t.Errorf("%s: %v", what, err)
			}
			expect(t, what, ids(sockets), want...)
			return time.Since(start)
		}
		frozen.transport.Faults().Hold()
		frozen.transport.Faults().Cut()
		if waited := fetch("the first", true); waited != 5*time.Second {
			t.Errorf("the first took %s, want its deadline of 5s", waited)
		}
		suspect := observed[*domain.MemberChanged](c.nodes[a].seen)
		if last := suspect[len(suspect)-1].Change; last.Event != domain.MemberSuspect || last.Member.ID != frozen.ID() {
			t.Errorf("the last change was %s of %s, want suspect", last.Event, last.Member.ID)
		}
		for range 3 {
			if waited := fetch("a later one", true); waited > 300*time.Millisecond {
				t.Errorf("a later one took %s", waited)
			}
		}
		// It thaws. The answer to the next question is in time, and it is waited for again.
		frozen.transport.Faults().Mend()
		frozen.transport.Faults().Resume()
		if waited := fetch("thawed", false); waited > soon {
			t.Errorf("thawed: took %s", waited)
		}
		for _, member := range c.nodes[a].Nodes(root) {
			if member.Suspect {
				t.Errorf("%s is still suspect", member.ID)
			}
		}
	})
}

// A node that lives, but whose application does not answer, is waited for every time.
func TestASlowHandlerIsNoFrozenNode(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		c.nodes[b].edge.onServer = func(context.Context, domain.Packet, func(domain.Value)) {}
		for range 2 {
			start := time.Now()
			_, err := c.nodes[a].ServerSideEmitWithAck(t.Context(), root, packet(t, "q"))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want the deadline", err)
			}
			if waited := time.Since(start); waited != 5*time.Second {
				t.Errorf("waited %s, want 5s", waited)
			}
		}
	})
}

// W14 of the Node.js adapter: callbacks stay behind on other nodes.
func TestNothingStaysBehindAfterTheDeadline(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		for i, m := range c.nodes {
			m.edge.connect(fmt.Sprint("s", i), "r")
			m.edge.silent[fmt.Sprint("s", i)] = true
		}
		c.nodes[2].transport.Faults().Hold()
		var asked sync.WaitGroup
		for range 200 {
			asked.Go(func() {
				target := domain.Target{Rooms: []string{"r"}, Flags: domain.Flags{Timeout: 100 * time.Millisecond}}
				_, err := c.nodes[a].BroadcastWithAck(t.Context(), root, target, packet(t, "q"))
				var partial *domain.PartialError
				if !errors.As(err, &partial) || partial.MissingAcks != 2 || len(partial.Missing) != 1 {
					t.Errorf("error %v, want two acks and one node missing", err)
				}
				_, err = c.nodes[a].FetchSockets(t.Context(), root, target) // parked at the node that has not read so far
				if err == nil {
					t.Error("nobody is missing")
				}
			})
		}
		asked.Wait()
		c.nodes[2].transport.Faults().Resume()
		pass(10 * time.Second)
		for i, m := range c.nodes {
			if left := m.Backlog(); left != (app.Backlog{}) {
				t.Errorf("node %d has work left: %+v", i, left)
			}
		}
	})
}

func TestOneExpectedResponder(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		c.nodes[b].edge.connect("s1")
		// Nobody needs to wait for what a third node says of somebody else's socket.
		c.nodes[2].transport.Faults().Hold()
		start := time.Now()
		one := domain.Target{Rooms: []string{"s1"}, Flags: domain.Flags{ExpectSingleResponse: true}}
		answers, err := c.nodes[a].BroadcastWithAck(t.Context(), root, one, packet(t, "q"))
		if len(answers) != 1 || err != nil {
			t.Errorf("answers %v, error %v", answers, err)
		}
		if waited := time.Since(start); waited > soon {
			t.Errorf("waited %s for a node that has nothing to say", waited)
		}
		c.nodes[2].transport.Faults().Resume()
	})
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
