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

func TestBroadcastReachesTheRoomOnAllNodes(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		for i, m := range c.nodes {
			m.edge.connect(fmt.Sprintf("in%d", i), "r")
			m.edge.connect(fmt.Sprintf("out%d", i))
		}
		at := c.nodes[a].emit(t, to("r"), "news")
		synctest.Wait()
		for i, m := range c.nodes {
			expect(t, "in the room", m.edge.received(fmt.Sprintf("in%d", i)), "news")
			expect(t, "outside", m.edge.received(fmt.Sprintf("out%d", i)))
			expect(t, "offset", m.edge.offsets[fmt.Sprintf("in%d", i)], at)
		}
		done := c.nodes[b].seen.delivered(domain.KindBroadcast)
		if len(done) != 1 || done[0].Sockets != 1 || done[0].Offset != at || done[0].From != c.nodes[a].ID() {
			t.Errorf("observed %+v", done)
		}
	})
}

func TestAllNodesSeeOneOrder(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *cluster) {
		for _, m := range c.nodes {
			m.edge.connect("s")
		}
		var senders sync.WaitGroup
		for i, m := range c.nodes {
			senders.Go(func() {
				for j := range 50 {
					m.emit(t, to(), fmt.Sprintf("%d-%d", i, j))
				}
			})
		}
		senders.Wait()
		synctest.Wait()
		first := c.nodes[0].edge.received("s")
		if len(first) != 150 {
			t.Fatalf("received %d of 150", len(first))
		}
		for _, m := range c.nodes[1:] {
			expect(t, "order", m.edge.received("s"), first...)
		}
	})
}

// A reader that is held keeps an emit outstanding, so that local changes meet it in flight.
func TestCase10_LocalChangesBehindMessagesInFlight(t *testing.T) {
	change := map[string]func(e *edge){
		"leave":      func(e *edge) { e.leave("s", "r") },
		"disconnect": func(e *edge) { e.rooms.Remove("s") },
	}
	for name, change := range change {
		t.Run("a farewell is not lost by "+name, func(t *testing.T) {
			inCluster(t, 2, func(t *testing.T, c *cluster) {
				m := c.nodes[a]
				m.edge.connect("s", "r")
				m.transport.Faults().Hold()
				m.emit(t, to("r"), "bye")
				if m.InOrder(root, func(domain.Offset) { change(m.edge) }) {
					t.Error("the change was made before what is in flight came back")
				}
				m.transport.Faults().Resume()
				synctest.Wait()
				expect(t, "received", m.edge.received("s"), "bye")
				m.emit(t, to("r"), "later")
				synctest.Wait()
				expect(t, "after the change", m.edge.received("s"), "bye")
			})
		})
	}
	t.Run("a newcomer does not get what was sent before it joined", func(t *testing.T) {
		inCluster(t, 2, func(t *testing.T, c *cluster) {
			m := c.nodes[a]
			m.edge.connect("s")
			m.transport.Faults().Hold()
			before := m.emit(t, to("r"), "before")
			var joined domain.Offset
			m.InOrder(root, func(at domain.Offset) { m.edge.join("s", "r"); joined = at })
			m.emit(t, to("r"), "after")
			m.transport.Faults().Resume()
			synctest.Wait()
			expect(t, "received", m.edge.received("s"), "after")
			if joined != before {
				t.Errorf("joined as of %q, want %q", joined, before)
			}
		})
	})
	t.Run("nothing outstanding, at once", func(t *testing.T) {
		inCluster(t, 1, func(t *testing.T, c *cluster) {
			made := false
			if !c.nodes[a].InOrder(root, func(domain.Offset) { made = true }) || !made {
				t.Error("the change was not made at once")
			}
		})
	})
	t.Run("a publish that failed holds nothing up", func(t *testing.T) {
		inCluster(t, 1, func(t *testing.T, c *cluster) {
			m := c.nodes[a]
			m.transport.Faults().NextAppends(inmemory.AppendFault{Delay: time.Second, Outcome: inmemory.AppendRefused})
			failed := make(chan error)
			go func() {
				_, err := m.Broadcast(t.Context(), root, to(), packet(t, "x"))
				failed <- err
			}()
			synctest.Wait()
			made := make(chan struct{})
			if m.InOrder(root, func(domain.Offset) { close(made) }) {
				t.Error("made before the append ended")
			}
			if err := <-failed; !errors.Is(err, domain.ErrNotPublished) {
				t.Errorf("error %v, want ErrNotPublished", err)
			}
			<-made
		})
	})
}

func TestCase11_WhichWayAMessageGoes(t *testing.T) {
	tests := []struct {
		name       string
		target     domain.Target
		whileHeld  int // what the sender's own socket has before its node reads
		own, other int
		offset     bool
	}{
		{name: "broadcast", target: to("r"), own: 1, other: 1, offset: true},
		{name: "volatile", target: domain.Target{Rooms: []string{"r"}, Flags: domain.Flags{Volatile: true}},
			whileHeld: 1, own: 1, other: 1},
		{name: "local", target: domain.Target{Rooms: []string{"r"}, Flags: domain.Flags{Local: true}},
			whileHeld: 1, own: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inCluster(t, 2, func(t *testing.T, c *cluster) {
				c.nodes[a].edge.connect("s", "r")
				c.nodes[b].edge.connect("s", "r")
				c.nodes[a].transport.Faults().Hold()
				c.nodes[a].emit(t, test.target, "x")
				synctest.Wait()
				if got := len(c.nodes[a].edge.received("s")); got != test.whileHeld {
					t.Errorf("before the log came back: %d, want %d", got, test.whileHeld)
				}
				c.nodes[a].transport.Faults().Resume()
				synctest.Wait()
				for i, want := range []int{test.own, test.other} {
					if got := len(c.nodes[i].edge.received("s")); got != want {
						t.Errorf("node %d delivered %d times, want %d", i, got, want)
					}
					for _, at := range c.nodes[i].edge.offsets["s"] {
						if (at != "") != test.offset {
							t.Errorf("node %d: offset %q, want one: %v", i, at, test.offset)
						}
					}
				}
			})
		})
	}
	t.Run("local waits for what is in flight", func(t *testing.T) {
		inCluster(t, 1, func(t *testing.T, c *cluster) {
			m := c.nodes[a]
			m.edge.connect("s")
			m.transport.Faults().Hold()
			m.emit(t, to(), "first")
			m.emit(t, domain.Target{Flags: domain.Flags{Local: true}}, "second")
			m.transport.Faults().Resume()
			synctest.Wait()
			expect(t, "order", m.edge.received("s"), "first", "second")
		})
	})
}

func TestRoomOperationsReachAllNodesInOrder(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		for i, m := range c.nodes {
			m.edge.connect(fmt.Sprint("s", i), "old")
		}
		operate := func(op domain.RoomOperation) {
			if err := c.nodes[a].Operate(t.Context(), root, op); err != nil {
				t.Fatal(err)
			}
		}
		operate(&domain.Join{Target: to("old"), Rooms: []string{"new"}})
		c.nodes[a].emit(t, to("new"), "hello")
		operate(&domain.Leave{Target: to("new"), Rooms: []string{"old"}})
		c.nodes[a].emit(t, to("old"), "nobody")
		local := domain.Target{Rooms: []string{"new"}, Flags: domain.Flags{Local: true}}
		operate(&domain.Disconnect{Target: local})
		c.nodes[a].emit(t, to(), "all")
		synctest.Wait()
		expect(t, "on the node that called", c.nodes[a].edge.received("s0"), "hello")
		expect(t, "on the other", c.nodes[b].edge.received("s1"), "hello", "all")
		for _, kind := range []domain.Kind{domain.KindJoin, domain.KindLeave} {
			if seen := c.nodes[b].seen.delivered(kind); len(seen) != 1 || seen[0].Sockets != 1 || seen[0].Offset == "" {
				t.Errorf("of a %s was observed %+v", kind, seen)
			}
		}
	})
}

func TestPublishSaysHowItEnded(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		m := c.nodes[a]
		m.edge.connect("s")
		for _, test := range []struct {
			outcome inmemory.AppendOutcome
			want    error
		}{
			{inmemory.AppendRefused, domain.ErrNotPublished},
			{inmemory.AppendLost, domain.ErrUnknown},
			{inmemory.AppendAnswerLost, domain.ErrUnknown},
		} {
			m.transport.Faults().NextAppends(inmemory.AppendFault{Outcome: test.outcome})
			if at, err := m.Broadcast(t.Context(), root, to(), packet(t, "x")); !errors.Is(err, test.want) || at != "" {
				t.Errorf("outcome %d: offset %q, error %v, want %v", test.outcome, at, err, test.want)
			}
		}
		synctest.Wait()
		// Only the message whose answer was lost is there, and numbers given up with an error are no gap.
		expect(t, "received", m.edge.received("s"), "x")
		m.emit(t, to(), "y")
		synctest.Wait()
		expect(t, "received", m.edge.received("s"), "x", "y")
		if gaps := observed[*domain.Gap](m.seen); len(gaps) != 0 {
			t.Errorf("gaps were reported: %+v", gaps)
		}
	})
}

func TestRepeatedEntriesAreDropped(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		c.nodes[b].edge.connect("s")
		c.nodes[a].transport.Faults().NextAppends(inmemory.AppendFault{Outcome: inmemory.AppendRepeated})
		c.nodes[a].emit(t, to(), "once")
		synctest.Wait()
		expect(t, "received", c.nodes[b].edge.received("s"), "once")
		if repeats := observed[*domain.Repeated](c.nodes[b].seen); len(repeats) != 1 {
			t.Errorf("observed %d repeats, want 1", len(repeats))
		}
	})
}

func TestATrimmedReaderReportsItsGap(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		c.nodes[b].edge.connect("s")
		c.nodes[b].transport.Faults().Hold()
		for i := range 10 {
			c.nodes[a].emit(t, to(), fmt.Sprint(i))
		}
		c.memory.Trim(4)
		c.nodes[b].transport.Faults().Resume()
		synctest.Wait()
		expect(t, "received", c.nodes[b].edge.received("s"), "6", "7", "8", "9")
		gaps := observed[*domain.Gap](c.nodes[b].seen)
		if !slices.ContainsFunc(gaps, func(g *domain.Gap) bool { return g.Lost == 6 }) {
			t.Errorf("observed gaps %+v, want one of 6", gaps)
		}
	})
}

func TestALogThatBeginsAnewHoldsNoChangeUp(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		m := c.nodes[a]
		m.edge.connect("s")
		m.transport.Faults().Hold()
		m.emit(t, to(), "lost")
		made := make(chan struct{})
		m.InOrder(root, func(domain.Offset) { close(made) })
		c.memory.Reset()
		m.transport.Faults().Resume()
		<-made
		synctest.Wait()
		if resets := observed[*domain.Reset](m.seen); len(resets) != 1 {
			t.Errorf("observed %d resets, want 1", len(resets))
		}
	})
}

func TestAPanickingEdgeCostsOneEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, memory: inmemory.New(inmemory.Config{})}
		m := c.add(app.Config{})
		m.edge.connect("s")
		m.edge.onServer = func(context.Context, domain.Packet, func(domain.Value)) { panic("in the application") }
		other := c.add(app.Config{})
		synctest.Wait()
		if err := other.ServerSideEmit(t.Context(), root, packet(t, "boom")); err != nil {
			t.Fatal(err)
		}
		other.emit(t, to(), "next")
		synctest.Wait()
		expect(t, "received", m.edge.received("s"), "next")
		if dropped := observed[*domain.Dropped](m.seen); len(dropped) != 1 || dropped[0].Kind != domain.KindServerSideEmit {
			t.Errorf("observed %+v", dropped)
		}
		_, _ = m.Close(), other.Close()
		_, _, _ = m.transport.Close(), other.transport.Close(), c.memory.Close()
	})
}

func TestEmitterPublishesWithoutBeingANode(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		c.nodes[b].edge.connect("s", "r")
		transport := c.memory.Member()
		defer func() { _ = transport.Close() }()
		emitter, err := app.NewEmitter(transport.Log())
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		at, err := emitter.Broadcast(ctx, root, to("r"), packet(t, "job done"))
		if err != nil || at == "" {
			t.Errorf("broadcast: offset %q, error %v", at, err)
		}
		if _, err := emitter.Operate(ctx, root, &domain.Leave{Target: to("r"), Rooms: []string{"r"}}); err != nil {
			t.Error(err)
		}
		var events []string
		c.nodes[b].edge.onServer = func(_ context.Context, p domain.Packet, _ func(domain.Value)) {
			events = append(events, p.Event())
		}
		if _, err := emitter.ServerSideEmit(ctx, root, packet(t, "reload")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		expect(t, "received", c.nodes[b].edge.received("s"), "job done")
		expect(t, "server side", events, "reload")
		if got := c.nodes[b].edge.rooms.Size("r"); got != 0 {
			t.Errorf("%d sockets in the room, want none", got)
		}
		if got := c.nodes[b].NodeCount(root); got != 2 {
			t.Errorf("%d nodes, want 2: an emitter is none", got)
		}
		local := domain.Target{Flags: domain.Flags{Local: true}}
		if _, err := emitter.Broadcast(ctx, root, local, packet(t, "x")); err == nil {
			t.Error("a local broadcast of an emitter is no error")
		}
		if _, err := emitter.Operate(ctx, root, &domain.Leave{Target: local}); err == nil {
			t.Error("a local operation of an emitter is no error")
		}
		acked := domain.Target{Flags: domain.Flags{Timeout: time.Second}}
		if _, err := emitter.Broadcast(ctx, root, acked, packet(t, "x")); err == nil {
			t.Error("an emitter that waits for acks is no error")
		}
		if _, err := emitter.Broadcast(ctx, "chat", to(), packet(t, "x")); err == nil {
			t.Error("a namespace without a slash is no error")
		}
	})
}
