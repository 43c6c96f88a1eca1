package app_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// A replay is pulled in parts, and is limited; see case 18.
func TestCase18_AReplayIsPulled(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me")
		pass(soon)
		me.cut()
		emit := func(from, until int) (names []string) {
			for i := from; i < until; i++ {
				names = append(names, fmt.Sprintf("%06d", i))
				is.emit(t, to(), names[len(names)-1])
			}
			pass(soon)
			return names
		}
		want := emit(0, 100)
		const size = len(`["000000"]`)
		back, outcome := is.Recover(t.Context(), root, me.session, "", nil)
		wantOutcome(t, outcome, domain.Recovered, "100 packets")
		for _, part := range []struct{ bytes, packets int }{{1, 1}, {size, 1}, {3*size + 1, 3}, {10 * size, 10}} {
			missed, err := back.Next(t.Context(), part.bytes)
			no(t, err)
			if len(missed) != part.packets {
				t.Errorf("%d packets in %d bytes, want %d", len(missed), part.bytes, part.packets)
			}
			for _, d := range missed {
				me.events = append(me.events, d.Packet.Event())
			}
		}
		// While it is on its way more comes, it is cut off, and goes on elsewhere.
		want = append(want, emit(100, 110)...)
		missed, err := back.Next(t.Context(), 10*size)
		no(t, err)
		for _, d := range missed {
			me.events = append(me.events, d.Packet.Event())
			me.offsets = append(me.offsets, d.Offset)
		}
		no(t, is.Operate(t.Context(), root, &domain.Join{Target: to("me"), Rooms: []string{"r"}}))
		pass(soon)
		if entered, err := back.Enter(t.Context(), 10, nil); entered || err != nil {
			t.Errorf("it enters %t before it has all, %v", entered, err)
		}
		back.Abandon()
		back.Abandon()
		pass(soon)
		wantOutcome(t, me.recoverSaying(was, me.seen(), 5*size), domain.Recovered, "")
		me.wantEvents(want...)
		me.wantRooms("r")
	})
}

func TestCase18_TooMuchIsAGap(t *testing.T) {
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		n := c.add(app.Config{Recovery: app.Recovery{Window: window, ReplayBytes: 100}})
		emit := func(count int) {
			for range count {
				n.emit(t, to(), "0123456789")
			}
			pass(soon)
		}
		me := n.connect(t, "me")
		pass(soon)
		me.cut()
		emit(8)
		wantOutcome(t, me.recoverAt(n), domain.RecoveryGap, "more than is replayed")
		// The limit holds for what comes while it is on its way, too.
		me = n.connect(t, "me too")
		pass(soon)
		me.cut()
		emit(7)
		back, outcome := n.Recover(t.Context(), root, me.session, "", nil)
		wantOutcome(t, outcome, domain.Recovered, "")
		emit(1)
		if _, err := back.Next(t.Context(), 1); !errors.Is(err, domain.ErrGap) {
			t.Errorf("next: %v", err)
		}
	})
}

// A comeback's connection to the node ends with the node.
func TestAComebackEndsWithItsNode(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		me := c.nodes[a].connect(t, "me")
		pass(soon)
		me.cut()
		back, outcome := c.nodes[b].Recover(t.Context(), root, me.session, "", nil)
		wantOutcome(t, outcome, domain.Recovered, "")
		over, cancel := context.WithCancel(t.Context())
		cancel()
		c.nodes[a].emit(t, to(), "1")
		pass(soon)
		if missed, err := back.Next(over, 1); err != nil && !errors.Is(err, context.Canceled) || err == nil && len(missed) != 1 {
			t.Errorf("next: %v", err)
		}
		no(t, c.nodes[b].Close())
		if _, err := back.Enter(t.Context(), 1, nil); !errors.Is(err, domain.ErrClosed) {
			t.Errorf("enter: %v", err)
		}
		back.Abandon()
		wantOutcome(t, me.recoverAt(c.nodes[a]), domain.Recovered, "")
		me.wantEvents("1")
	})
}

// W6: clients come and go between two nodes under load. Each gets each packet once, in the log's order.
func TestW6_NothingIsLostOrRepeatedUnderLoad(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inRecovery(t, 3, func(t *testing.T, c *cluster) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				var clients []*client
				for i := range 5 {
					clients = append(clients, c.nodes[i%2].connect(t, fmt.Sprint("c", i), "r"))
				}
				pass(soon)
				stop := make(chan struct{})
				var wg sync.WaitGroup
				var want []string
				wg.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						case <-time.After(time.Millisecond):
						}
						name := fmt.Sprintf("%06d", i)
						want = append(want, name)
						c.nodes[rnd.IntN(3)].emit(t, to("r"), name)
					}
				})
				for round := range 30 {
					<-time.After(7 * time.Millisecond)
					me := clients[round%len(clients)]
					me.home.InOrder(root, func(at domain.Offset) {
						e := me.home.edge
						e.session(me.socket).Away(at)
						e.mu.Lock()
						e.rooms.Remove(me.socket)
						delete(e.sessions, me.socket)
						e.mu.Unlock()
					})
					<-time.After(50 * time.Millisecond) // changes are made and stored
					me.drain()
					if outcome := me.recoverSaying(c.nodes[(round/5)%3], me.seen(), 100); outcome.Outcome != domain.Recovered {
						t.Fatalf("round %d: %v", round, outcome)
					}
				}
				close(stop)
				wg.Wait()
				pass(soon)
				for _, me := range clients {
					me.drain()
					if !slices.Equal(me.events, want) {
						t.Errorf("%s has %d of %d packets, in order and once %t", me.socket, len(me.events), len(want),
							slices.IsSorted(me.events) && len(slices.Compact(slices.Clone(me.events))) == len(me.events))
					}
				}
			})
		})
	}
}
