package app_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// W10: kill -9. The record is older than the lease, and may be older than what the log holds.
func TestCase16_ClientsOfAKilledNodeRecover(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me", "r")
		for i := range 100 {
			is.emit(t, to("r"), fmt.Sprint(i))
		}
		pass(5 * time.Second)
		me.drain()
		c.memory.Trim(20) // the room change is in the log no more
		for i := range 5 {
			is.emit(t, to("r"), fmt.Sprint(100+i))
		}
		pass(soon)
		me.drain()
		me.join("s")
		pass(50 * time.Millisecond) // as of the last save
		was.kill()
		is.emit(t, to("s"), "105")
		pass(soon)
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
		me.wantRooms("r", "s")
		want := make([]string, 106)
		for i := range want {
			want[i] = fmt.Sprint(i)
		}
		me.wantEvents(want...)
	})
}

func TestCase16_ALeaseEndsTheSessions(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me, late := was.connect(t, "me"), was.connect(t, "late")
		pass(10 * time.Minute) // they live as long as their node
		was.kill()
		pass(window)
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
		pass(11 * time.Second)
		wantOutcome(t, late.recoverAt(is), domain.RecoveryExpired, "gone for longer")
		wantOutcome(t, late.recoverAt(is), domain.RecoveryUnknown, "no such session")
		// One that is away is kept for exactly the window.
		me.cut()
		pass(window - time.Second)
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
		me.cut()
		pass(window + time.Second)
		wantOutcome(t, me.recoverAt(is), domain.RecoveryUnknown, "no such session")
	})
}

// Records outlive the time for which they are stored, as long as their sockets live.
func TestCase16_RecordsAreRefreshed(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was := c.nodes[a]
		var clients []*client
		for i := range 10 {
			clients = append(clients, was.connect(t, fmt.Sprint("c", i)))
		}
		pass(3 * time.Hour)
		was.kill()
		for _, me := range clients {
			wantOutcome(t, me.recoverAt(c.nodes[b]), domain.Recovered, "")
		}
	})
}

// A Node.js server asks for no lease: the record of a killed node's socket must not be there for long.
func TestCase16_ARecordOutlivesItsLeaseByMinutes(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, store := c.nodes[a], c.nodes[b].transport.Sessions()
		me := was.connect(t, "me")
		pass(10 * time.Minute)
		was.kill()
		pass(window + 10*time.Second)
		if _, err := store.Claim(t.Context(), me.session, "somebody"); err != nil {
			t.Errorf("as long as the lease holds: %v", err)
		}
		no(t, store.GiveBack(t.Context(), me.session, "somebody"))
		pass(2*window + 10*time.Second)
		if _, err := store.Claim(t.Context(), me.session, "somebody"); !errors.Is(err, domain.ErrNoSession) {
			t.Errorf("three leases after the end of the node: %v", err)
		}
	})
}

func TestCase16_ANodeThatClosesLeavesItsSessions(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was := c.nodes[a]
		me := was.connect(t, "me")
		session := was.edge.session("me")
		no(t, was.FlushSessions(t.Context()))
		no(t, session.Saved(t.Context()))
		no(t, was.Close())
		c.nodes[b].emit(t, to(), "1")
		pass(time.Minute)
		wantOutcome(t, me.recoverAt(c.nodes[b]), domain.Recovered, "")
		me.wantEvents("1")
		<-session.End() // too late to have any effect
		if err := was.FlushSessions(t.Context()); !errors.Is(err, domain.ErrClosed) {
			t.Errorf("flush of a closed node: %v", err)
		}
		wantOutcome(t, second(was.Recover(t.Context(), root, me.session, "", nil)), domain.RecoveryUnknown, "closed")
	})
}

func TestCase17_WhatTheLogHoldsIsMeasured(t *testing.T) {
	inRecovery(t, 1, func(t *testing.T, c *cluster) {
		n := c.nodes[a]
		me := n.connect(t, "me")
		pass(10 * time.Second)
		if held, ok := n.LogHolds(root); !ok || held.Trimmed || held.Entries == 0 {
			t.Errorf("the log holds %+v, %t", held, ok)
		}
		me.cut()
		n.emit(t, to(), "lost")
		pass(soon)
		c.memory.Trim(1)
		pass(10 * time.Second)
		pass(time.Minute)
		short := observed[*domain.LogTooShort](n.seen)
		if len(short) != 1 || short[0].Enough || short[0].Window != window || !short[0].Held.Trimmed {
			t.Fatalf("it was observed: %+v", short)
		}
		pass(3 * time.Minute) // heartbeats alone fill it
		if short := observed[*domain.LogTooShort](n.seen); len(short) != 2 || !short[1].Enough {
			t.Errorf("it was observed: %+v", short)
		}
	})
}

// W4, W10: what was trimmed cannot be replayed, and that is said.
func TestCase17_WhatWasTrimmedIsAGap(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		me := c.nodes[a].connect(t, "me")
		pass(soon)
		me.cut()
		for range 3 {
			c.nodes[a].emit(t, to(), "x")
		}
		pass(soon)
		c.memory.Trim(1)
		// The nodes that were there have it in memory; a new one needs the log.
		late := c.add(app.Config{Recovery: app.Recovery{Window: window}})
		pass(soon)
		wantOutcome(t, me.recoverAt(late), domain.RecoveryGap, "no longer holds")
		wantOutcome(t, me.recoverAt(late), domain.RecoveryUnknown, "no such session")
	})
}

func TestCase17_ALogThatBeganAnewIsAGap(t *testing.T) {
	onBoth(t, func(t *testing.T, was, is *member) {
		pass(2 * time.Second)
		me, here := was.connect(t, "me"), was.connect(t, "here", "r")
		pass(soon)
		me.cut()
		was.emit(t, to(), "1")
		pass(soon)
		was.memory.Reset()
		pass(2 * time.Second)
		wantOutcome(t, me.recoverAt(is), domain.RecoveryGap, "")
		// Whoever was connected can recover in the new log.
		here.drain()
		here.offsets = nil
		here.cut()
		is.emit(t, to("r"), "2")
		pass(soon)
		wantOutcome(t, here.recoverAt(is), domain.Recovered, "")
		here.wantEvents("1", "2")
	})
}

// Redis lost everything, the sessions as well: those that are connected are not thrown out for it.
func TestCase17_SessionsThatTheStoreLostAreStoredAgain(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me", "r")
		pass(soon)
		c.memory.ForgetSessions()
		c.memory.Reset()
		pass(2 * time.Second)
		if me.lost.Load() != 0 {
			t.Error("the session counts as lost")
		}
		me.cut()
		is.emit(t, to("r"), "1")
		pass(soon)
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
		me.wantEvents("1")
	})
}

// A client that has got nothing for long says a position that the log holds no more; but what was sent to it before it
// last answered has arrived.
func TestCase17_AQuietClientHasMissedNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, was, _ *member) {
		me, other := was.connect(t, "me", "r"), was.connect(t, "other", "r")
		var answered atomic.Pointer[time.Time]
		now := time.Now()
		answered.Store(&now)
		was.edge.session("me").Arrivals(func() time.Time { return *answered.Load() })
		was.emit(t, to("r"), "1")
		pass(time.Minute)
		me.drain()
		other.drain()
		arrived := time.Now()
		answered.Store(&arrived)
		pass(3 * time.Second)
		was.emit(t, to("r"), "2") // it went out after the last answer
		pass(soon)
		me.vanish()
		me.events, me.offsets = me.events[:1], me.offsets[:1] // and did not arrive
		other.cut()
		other.offsets = other.offsets[:1]
		me.cut()
		me.events, me.offsets = me.events[:1], me.offsets[:1]
		for range 50 {
			was.emit(t, to("nobody"), "x")
		}
		pass(soon)
		was.memory.Trim(53)
		late := clusterWith(t, was).add(app.Config{Recovery: app.Recovery{Window: window}})
		pass(soon)
		wantOutcome(t, other.recoverAt(late), domain.RecoveryGap, "no longer holds")
		wantOutcome(t, me.recoverAt(late), domain.Recovered, "1 packets")
		me.wantEvents("1", "2")
		no(t, late.Close())
	})
}

// clusterWith is a cluster of more nodes on a member's broker. The test closes them.
func clusterWith(t *testing.T, m *member) *cluster { return &cluster{t: t, memory: m.memory} }

// A kick and a comeback elsewhere meet: the kick wins.
func TestCase15_AKickReachesAClientThatIsBackElsewhere(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me")
		pass(soon)
		was.transport.Faults().Cut()
		deleted := was.edge.session("me").End()
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
		pass(10 * time.Second)
		if is.edge.session("me") == nil {
			t.Fatal("the client is not back")
		}
		was.transport.Faults().Mend()
		<-deleted
		pass(soon)
		if is.edge.session("me") != nil {
			t.Error("the client is still there")
		}
		wantOutcome(t, me.recoverAt(is), domain.RecoveryUnknown, "no such session")
	})
}

// A claim that fails gives a session back to a node that has dropped it meanwhile: its lease must not speak for it.
func TestCase16_ASessionThatComesBackIsNotTakenForNewer(t *testing.T) {
	for _, killed := range []bool{false, true} {
		inRecovery(t, 2, func(t *testing.T, c *cluster) {
			was, is := c.nodes[a], c.nodes[b]
			me := was.connect(t, "me", "r")
			pass(soon)
			session := was.edge.session("me")
			store := is.transport.Sessions()
			if _, err := store.Claim(t.Context(), me.session, "claimer"); err != nil {
				t.Fatal(err)
			}
			session.SetData(domain.TextValue("newer"))
			if err := session.Saved(t.Context()); !errors.Is(err, domain.ErrSessionLost) || me.lost.Load() != 1 {
				t.Fatalf("saved: %v; told %d times", err, me.lost.Load())
			}
			no(t, is.Operate(t.Context(), root, &domain.Join{Target: to("r"), Rooms: []string{"s"}}))
			pass(5 * time.Second) // its lease is renewed
			if killed {
				was.kill()
			}
			no(t, store.GiveBack(t.Context(), me.session, "claimer"))
			pass(5 * time.Second)
			wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
			me.wantRooms("r", "s")
			pass(2 * time.Minute)
		})
	}
}

// What the owner of a session could not store because somebody had claimed it, and then took along when it ended, is
// found in the log: the lease speaks for what is stored, not for what the owner knew.
func TestCase16_TheLeaseSpeaksForWhatIsStored(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me", "r")
		pass(5 * time.Second)
		store := is.transport.Sessions()
		if _, err := store.Claim(t.Context(), me.session, "claimer"); err != nil {
			t.Fatal(err)
		}
		no(t, is.Operate(t.Context(), root, &domain.Join{Target: to("r"), Rooms: []string{"s"}}))
		pass(5 * time.Second) // the save was refused, and the lease renewed
		if me.lost.Load() != 1 {
			t.Fatal("the owner does not know that somebody has claimed the session")
		}
		was.kill()
		no(t, store.GiveBack(t.Context(), me.session, "claimer"))
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
		me.wantRooms("r", "s")
	})
}

// What was asked for before the node closes is in the sessions that it stores, and a farewell comes before it.
func TestCase16_ANodeThatClosesMakesWhatWasAskedFor(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, n *member) error{
		"Close": func(_ *testing.T, n *member) error { return n.Close() },
		"Drain": func(t *testing.T, n *member) error { return n.Drain(t.Context()) },
	} {
		inRecovery(t, 2, func(t *testing.T, c *cluster) {
			was, is := c.nodes[a], c.nodes[b]
			me := was.connect(t, "me", "r")
			pass(soon)
			was.transport.Faults().OnRead(func(*domain.Entry) time.Duration { return 300 * time.Millisecond })
			was.transport.Faults().NextAppends(inmemory.AppendFault{Delay: 200 * time.Millisecond})
			published := make(chan struct{})
			go func() {
				defer close(published)
				was.emit(t, to("r"), "farewell")
			}()
			synctest.Wait()
			me.leave("r")
			no(t, end(t, was))
			<-published
			is.emit(t, to("r"), "for others")
			wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
			me.wantRooms()
			me.wantEvents("farewell")
			if t.Failed() {
				t.Logf("after %s", name)
			}
		})
	}
}

// A handler that waits for a save while its node closes is waited for, not waited for ever; also when the store is away.
func TestCase16_ClosingWhileAHandlerWaitsForASave(t *testing.T) {
	for _, away := range []bool{false, true} {
		inRecovery(t, 2, func(t *testing.T, c *cluster) {
			was, is := c.nodes[a], c.nodes[b]
			was.connect(t, "me")
			pass(soon)
			session := was.edge.session("me")
			saved := make(chan error, 1)
			release := make(chan struct{})
			was.edge.mu.Lock()
			was.edge.onServer = func(context.Context, domain.Packet, func(domain.Value)) {
				<-release
				session.SetData(domain.TextValue("newer"))
				saved <- session.Saved(t.Context())
			}
			was.edge.mu.Unlock()
			no(t, is.ServerSideEmit(t.Context(), root, packet(t, "x")))
			synctest.Wait()
			if away {
				was.transport.Faults().Cut()
				was.killed = true // it cannot say goodbye
			}
			closed := make(chan error, 1)
			go func() { closed <- was.Close() }()
			synctest.Wait()
			close(release)
			if err := <-saved; (err != nil) != away || away && !errors.Is(err, domain.ErrClosed) {
				t.Errorf("with the store away %t: saved: %v", away, err)
			}
			if err := <-closed; (err != nil) != away {
				t.Errorf("with the store away %t: closed: %v", away, err)
			}
		})
	}
}
