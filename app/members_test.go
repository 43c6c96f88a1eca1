package app_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

func TestOnMemberTellsTheApplication(t *testing.T) {
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		var mu sync.Mutex
		var told []string
		var first *member
		first = c.add(app.Config{OnMember: func(ctx context.Context, namespace string, change domain.MemberChange) {
			// It may call the node: it does not run where the log is read.
			if _, err := first.FetchSockets(ctx, namespace, domain.Target{Flags: domain.Flags{Local: true}}); err != nil {
				t.Error(err)
			}
			mu.Lock()
			told = append(told, change.Event.String()+" "+change.Member.Info.Name)
			mu.Unlock()
			panic("costs this call alone")
		}})
		config := app.Config{
			Name: "one", Version: "v2", Address: "10.0.0.7:80", Capabilities: []string{"video"}, Order: app.OrderLocalFirst,
		}
		one := c.add(config)
		synctest.Wait()
		members := first.Nodes(root)
		i := slices.IndexFunc(members, func(m domain.Member) bool { return m.ID == one.ID() })
		if len(members) != 2 || i < 0 {
			t.Fatalf("the nodes are %+v", members)
		}
		for _, want := range members {
			if got, ok := first.Member(root, want.ID); !ok || got.Info.Address != want.Info.Address || got.Self != want.Self {
				t.Errorf("%s is %+v (%v) by its id, want %+v", want.ID, got, ok, want)
			}
		}
		for _, namespace := range []string{root, "/nobody"} {
			if got, ok := first.Member(namespace, "ffffffffffffffff"); ok {
				t.Errorf("there is no such node in %s, but: %+v", namespace, got)
			}
		}
		info := members[i].Info
		if info.Name != "one" || info.Version != "v2" || info.Address != "10.0.0.7:80" || info.StartedAt.IsZero() {
			t.Errorf("it tells of itself: %+v", info)
		}
		expect(t, "capabilities", info.Capabilities, "video", domain.CapabilityLocalFirst)

		one.transport.Faults().Cut()
		pass(8800 * time.Millisecond)
		one.transport.Faults().Mend()
		pass(5 * time.Second)
		if err := one.AnnounceDraining(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		_ = one.Close()
		two := c.add(app.Config{Name: "two"})
		synctest.Wait()
		two.kill()
		pass(15 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		expect(t, "told", told, "joined one", "suspect one", "back one", "updated one", "left one",
			"joined two", "suspect two", "lost two")
		if dropped := observed[*domain.Dropped](first.seen); len(dropped) != len(told) {
			t.Errorf("%d panics were reported, want %d", len(dropped), len(told))
		}
	})
}

// W13 of the Node.js adapter: whoever writes into the stream counts as a server, and is waited for.
func TestCase22_WhoMerelyPublishesIsNoMember(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		outside := c.memory.Member()
		emitter, err := app.NewEmitter(outside.Log())
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		if _, err := emitter.Broadcast(ctx, root, to(), packet(t, "x")); err != nil {
			t.Fatal(err)
		}
		foreign := &domain.Message{Node: "a foreign uid", Namespace: root, Body: &domain.Broadcast{Packet: packet(t, "x")}}
		if _, err := outside.Log().Append(ctx, foreign); err != nil {
			t.Fatal(err)
		}
		// Somebody who merely listens, to find out what goes on.
		ears, err := outside.Channel().Listen(ctx, root, "a curious one", &stranger{channel: outside.Channel()})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		_, fetchErr := c.nodes[a].FetchSockets(ctx, root, to())
		_, ackErr := c.nodes[a].BroadcastWithAck(ctx, root, to(), packet(t, "q"))
		if fetchErr != nil || ackErr != nil || time.Since(start) > soon {
			t.Errorf("after %s: %v, %v", time.Since(start), fetchErr, ackErr)
		}
		if got := c.nodes[a].NodeCount(root); got != 2 {
			t.Errorf("%d nodes, want 2", got)
		}
		_, _ = ears.Close(), outside.Close()
	})
}

func TestCase26_RecoveryInSomeNodesOnly(t *testing.T) {
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		with := c.add(app.Config{Recovery: app.Recovery{Window: time.Minute}})
		without := c.add(app.Config{})
		pass(time.Minute)
		alike := c.add(app.Config{Recovery: app.Recovery{Window: time.Minute}})
		pass(time.Minute)
		for _, test := range []struct {
			name  string
			node  *member
			here  bool
			about []domain.NodeID
		}{
			{"a node with it", with, true, []domain.NodeID{without.ID()}},
			{"the node without it", without, false, []domain.NodeID{with.ID(), alike.ID()}},
			{"another node with it", alike, true, []domain.NodeID{without.ID()}},
		} {
			var about []domain.NodeID
			for _, e := range observed[*domain.RecoveryMixed](test.node.seen) {
				about = append(about, e.Node)
				if e.Here != test.here {
					t.Errorf("%s says that it is on there: %v", test.name, e.Here)
				}
			}
			expect(t, test.name, about, test.about...)
		}
	})
}
