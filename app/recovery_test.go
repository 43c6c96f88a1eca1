package app_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

func TestRecoveryIsOffByDefault(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		n := c.nodes[a]
		if s := n.KeepSession(root, "me", nil, domain.Value{}, "", nil); s != nil || n.RecoveryWindow() != 0 {
			t.Errorf("a session %v is kept for %s", s, n.RecoveryWindow())
		}
		back, outcome := n.Recover(t.Context(), root, "p", "", nil)
		if back != nil {
			t.Error("somebody came back")
		}
		wantOutcome(t, outcome, domain.RecoveryDisabled, "keeps no sessions")
		if _, ok := n.LogHolds(root); ok || n.FlushSessions(t.Context()) != nil {
			t.Error("a node without sessions measures, or cannot flush")
		}
	})
}

func TestRecoveryConfigIsChecked(t *testing.T) {
	for _, r := range []app.Recovery{
		{Window: -1}, {Window: time.Millisecond}, {Window: window, HistoryBytes: -1}, {Window: window, ReplayBytes: -1},
		{Window: window, LeaseInterval: -1},
	} {
		m := inmemory.New(inmemory.Config{}).Member()
		if _, err := app.NewNode(m.Log(), m.Channel(), m.Sessions(), app.Config{Recovery: r}); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
}

func TestAClientGetsWhatItMissed(t *testing.T) {
	onBoth(t, func(t *testing.T, was, is *member) {
		c := was.connect(t, "me", "r")
		was.emit(t, to("r"), "1")
		is.emit(t, to(), "2")
		pass(soon)
		c.cut()
		was.emit(t, to("r"), "3")
		was.emit(t, to("other"), "not mine")
		is.emit(t, to("me"), "4")
		volatile := to("r")
		volatile.Flags.Volatile = true
		was.emit(t, volatile, "volatile")
		pass(soon)
		wantOutcome(t, c.recoverAt(is), domain.Recovered, "2 packets")
		was.emit(t, to("r"), "5")
		c.wantEvents("1", "2", "3", "4", "5")
		c.wantRooms("r")
		ended := observed[*domain.RecoveryEnded](is.seen)
		if len(ended) != 1 || ended[0].Replayed != 2 || ended[0].Socket != "me" {
			t.Errorf("it was observed that %+v", ended)
		}
		// And once more, on the way back.
		c.cut()
		is.emit(t, to("r"), "6")
		pass(soon)
		wantOutcome(t, c.recoverAt(was), domain.Recovered, "")
		c.wantEvents("1", "2", "3", "4", "5", "6")
	})
}

func TestCase12_RoomsAreThoseAtTheEntrysPlace(t *testing.T) {
	onBoth(t, func(t *testing.T, was, is *member) {
		c := was.connect(t, "me", "old")
		was.emit(t, to("old"), "1")
		pass(soon)
		c.vanish() // what follows it does not get
		is.emit(t, to("old"), "2")
		is.emit(t, to("new"), "before it joined")
		pass(soon)
		c.leave("old")
		c.join("new")
		synctest.Wait()
		is.emit(t, to("old"), "after it left")
		is.emit(t, to("new"), "3")
		pass(soon)
		c.home.edge.mu.Lock()
		clear(c.home.edge.got)
		clear(c.home.edge.offsets)
		c.home.edge.mu.Unlock()
		c.cut()
		no(t, is.Operate(t.Context(), root, &domain.Join{Target: to("new"), Rooms: []string{"while away"}}))
		is.emit(t, to("while away"), "4")
		no(t, is.Operate(t.Context(), root, &domain.Leave{Target: to("me"), Rooms: []string{"new"}}))
		is.emit(t, to("new"), "after it was made to leave")
		pass(soon)
		wantOutcome(t, c.recoverAt(is), domain.Recovered, "")
		c.wantRooms("while away")
		c.wantEvents("1", "2", "3", "4")
	})
}

// W10: a client that has got nothing yet says no offset; the official client may even say that of an older session.
func TestCase13_WhatTheClientSaysIsNotBelieved(t *testing.T) {
	for _, seen := range []domain.Offset{"", "hello", "1:1"} {
		onBoth(t, func(t *testing.T, was, is *member) {
			is.emit(t, to(), "before it came")
			pass(soon)
			c := was.connect(t, "me")
			pass(soon)
			c.cut()
			is.emit(t, to(), "1")
			pass(soon)
			wantOutcome(t, c.recoverSaying(is, seen, 1<<20), domain.Recovered, "")
			c.wantEvents("1")
		})
	}
}

// The new node's reader has not come as far as the client: it gets nothing twice.
func TestCase13_TheNewNodesReaderIsBehind(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me")
		pass(soon)
		is.transport.Faults().Hold()
		was.emit(t, to(), "1")
		was.emit(t, to(), "2")
		pass(soon)
		me.cut()
		var outcome domain.Recovery
		var wg sync.WaitGroup
		wg.Go(func() { outcome = me.recoverAt(is) })
		synctest.Wait()
		is.transport.Faults().Resume()
		wg.Wait()
		wantOutcome(t, outcome, domain.Recovered, "")
		was.emit(t, to(), "3")
		me.wantEvents("1", "2", "3")

		// A position that was never written is none.
		me.cut()
		pass(soon)
		wantOutcome(t, me.recoverSaying(is, "1:999999", 1<<20), domain.RecoveryUnknown, "behind the end")
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "") // it was given back
		// And a reader that does not come is not waited for for ever.
		me.cut()
		was.emit(t, to(), "4")
		pass(soon)
		is.transport.Faults().Hold()
		at := was.emit(t, to(), "5")
		wantOutcome(t, me.recoverSaying(is, at, 1<<20), domain.RecoveryUnknown, "has not read as far")
		is.transport.Faults().Resume()
	})
}

// W10, half-open: the old node has not noticed that the connection is lost.
func TestCase14_AHalfOpenConnectionIsSuperseded(t *testing.T) {
	onBoth(t, func(t *testing.T, was, is *member) {
		c := was.connect(t, "me", "r")
		pass(soon)
		c.vanish()
		is.emit(t, to("r"), "1")
		pass(soon)
		old := c.lost
		if was != is {
			c.home.edge.mu.Lock()
			clear(c.home.edge.got) // it went into the void
			c.home.edge.mu.Unlock()
		}
		wantOutcome(t, c.recoverSaying(is, "", 1<<20), domain.Recovered, "")
		c.wantEvents("1")
		if was == is {
			if old.Load() != 1 {
				t.Errorf("the old connection was told %d times that it is lost", old.Load())
			}
			return
		}
		// An order dropped what was left of it.
		pass(soon)
		if was.edge.session("me") != nil {
			t.Error("the socket is still on the old node")
		}
		is.emit(t, to("r"), "2")
		c.wantEvents("1", "2")
	})
}

// The order is lost, but whoever saves the session next notices.
func TestCase14_WhoHasLostASessionIsTold(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me")
		pass(soon)
		was.transport.Faults().Hold()
		old, session := me.lost, was.edge.session("me")
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
		session.Join([]string{"r"}, "")
		err := session.Saved(t.Context())
		synctest.Wait() // who waits for a save and who holds the socket are told in no order
		if !errors.Is(err, domain.ErrSessionLost) || old.Load() != 1 {
			t.Errorf("saved: %v; told %d times", err, old.Load())
		}
		session.SetData(domain.Value{})
		session.Away("")
		select {
		case <-session.End(): // nothing is left to be deleted
		default:
			t.Error("the end of a lost session is not done")
		}
		was.transport.Faults().Resume()
		pass(soon)
		me.cut()
		wantOutcome(t, me.recoverAt(was), domain.Recovered, "")
	})
}

// Two connections want the session at the same time: one has it.
func TestCase14_OneOfManyHasTheSession(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		me := c.nodes[a].connect(t, "me")
		pass(soon)
		me.cut()
		pass(soon)
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				back, outcome := c.nodes[i%2].Recover(t.Context(), root, me.session, "", nil)
				if outcome.Outcome != domain.Recovered {
					return
				}
				entered, err := back.Enter(t.Context(), 1<<20, func([]*domain.Delivery, []string, ports.Session, domain.Offset) {})
				if entered && err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() == 0 {
			t.Error("nobody has the session")
		}
		pass(soon) // the saves tell all but one that they have lost it
		wantOutcome(t, second(c.nodes[b].Recover(t.Context(), "/other", me.session, "", nil)), domain.RecoveryUnknown, "another namespace")
	})
}

// W10: what is ordered while the client is away holds.
func TestCase15_AKickedClientStaysAway(t *testing.T) {
	onBoth(t, func(t *testing.T, was, is *member) {
		c := was.connect(t, "me", "banned")
		pass(soon)
		c.cut()
		no(t, is.Operate(t.Context(), root, &domain.Disconnect{Target: to("banned")}))
		pass(soon)
		wantOutcome(t, c.recoverAt(is), domain.RecoveryUnknown, "ordered to disconnect")
		wantOutcome(t, c.recoverAt(was), domain.RecoveryUnknown, "no such session") // it is deleted
	})
}

// The order comes while the client is on its way.
func TestCase15_AnOrderDuringTheComeback(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		is := c.nodes[b]
		me := c.nodes[a].connect(t, "me")
		pass(soon)
		me.cut()
		back, outcome := is.Recover(t.Context(), root, me.session, "", nil)
		wantOutcome(t, outcome, domain.Recovered, "")
		no(t, c.nodes[a].Operate(t.Context(), root, &domain.Disconnect{Target: to("me")}))
		pass(soon)
		if _, err := back.Enter(t.Context(), 1, nil); !errors.Is(err, domain.ErrDisconnected) {
			t.Errorf("enter: %v", err)
		}
		if _, err := back.Next(t.Context(), 1); err == nil {
			t.Error("a comeback that is over goes on")
		}
		back.Abandon()
		pass(soon)
		wantOutcome(t, me.recoverAt(is), domain.RecoveryUnknown, "no such session")
	})
}

func TestCase15_TheEndIsDoneWhenTheSessionIsDeleted(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me")
		pass(soon)
		session := was.edge.session("me")
		was.transport.Faults().Cut()
		deleted := session.End()
		if again := session.End(); again != deleted {
			t.Error("a second end is another one")
		}
		pass(10 * time.Second) // saves fail meanwhile
		select {
		case <-deleted:
			t.Error("the end is done while the store cannot be reached")
		default:
		}
		was.transport.Faults().Mend()
		wantOutcome(t, me.recoverAt(was), domain.RecoveryUnknown, "has ended")
		<-deleted
		wantOutcome(t, me.recoverAt(is), domain.RecoveryUnknown, "no such session")
		if len(observed[*domain.SessionsFailed](was.seen)) == 0 {
			t.Error("that it failed was not observed")
		}
		// One that was never stored is gone at once.
		var who ports.Session
		was.InOrder(root, func(at domain.Offset) { who = was.KeepSession(root, "who", nil, domain.Value{}, at, nil) })
		select {
		case <-who.End():
		default:
			t.Error("the end of a session that was never stored is not done")
		}
		// One that is away already as well.
		other := was.connect(t, "other")
		pass(soon)
		session = was.edge.session("other")
		other.cut()
		pass(soon)
		<-session.End()
		wantOutcome(t, other.recoverAt(is), domain.RecoveryUnknown, "no such session")
	})
}
