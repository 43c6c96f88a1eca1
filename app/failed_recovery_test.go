package app_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// A client says a position that was never written: its recovery fails, and its session is as it was before.
func TestCase15_ARecoveryThatIsRefusedLeavesTheHold(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me", "r")
		pass(soon)
		me.vanish()
		wantOutcome(t, me.recoverSaying(was, "9"+was.emit(t, to("nobody"), "x"), 1<<20), domain.RecoveryUnknown, "behind the end")
		if me.lost.Load() != 0 || was.edge.session("me") == nil {
			t.Error("whoever says anything ends the hold")
		}
		pass(20 * time.Minute) // it is stored anew, and the lease speaks for it
		no(t, is.Operate(t.Context(), root, &domain.Disconnect{Target: to("r")}))
		pass(5 * time.Second)
		wantOutcome(t, me.recoverAt(is), domain.RecoveryUnknown, "no such session")
	})
}

// inFailedRecovery is a half-open client whose recovery on its own node has failed when its old hold was at an end.
func inFailedRecovery(t *testing.T, test func(t *testing.T, was, is *member, me *client)) {
	t.Helper()
	inWatched(t, func(t *testing.T, c *cluster, store *watched) {
		was, is := c.nodes[b], c.nodes[a]
		me := was.connect(t, "me", "r")
		pass(soon)
		me.vanish()
		failing := func(context.Context, []*domain.Session) []error { return []error{domain.ErrNoSession} }
		store.onTaking.Store(&failing)
		wantOutcome(t, me.recoverAt(was), domain.RecoveryUnknown, "")
		if me.lost.Load() != 1 {
			t.Fatal("the old hold is not at an end: the test shows nothing")
		}
		test(t, was, is, me)
	})
}

// The record that comes back was stored as live, by a node that lives and does not hold it: its lease must not speak
// for it.
func TestCase15_AKickAfterAFailedRecoveryHolds(t *testing.T) {
	for _, after := range []time.Duration{time.Millisecond, 5 * time.Second} {
		inFailedRecovery(t, func(t *testing.T, _, is *member, me *client) {
			no(t, is.Operate(t.Context(), root, &domain.Disconnect{Target: to("r")}))
			pass(after)
			wantOutcome(t, me.recoverAt(is), domain.RecoveryUnknown, "ordered to disconnect")
		})
	}
}

func TestCase16_AFailedRecoveryLeavesASessionThatIsAway(t *testing.T) {
	inFailedRecovery(t, func(t *testing.T, was, is *member, me *client) {
		is.emit(t, to("r"), "1")
		pass(time.Minute)
		wantOutcome(t, me.recoverAt(was), domain.Recovered, "")
		me.wantEvents("1")
		me.wantRooms("r")
	})
	inFailedRecovery(t, func(t *testing.T, _, is *member, me *client) {
		pass(window + time.Second)
		wantOutcome(t, me.recoverAt(is), domain.RecoveryUnknown, "no such session")
	})
}

// The store cannot be reached for longer than anything is waited for, and what comes back was stored as live.
func TestCase15_AKickWhileTheStoreIsAwayHolds(t *testing.T) {
	for name, taken := range map[string]bool{"claimed": true, "away": false} {
		for _, away := range []time.Duration{70 * time.Second, window + 30*time.Second} {
			t.Run(fmt.Sprint(name, " ", away), func(t *testing.T) {
				inRecovery(t, 2, func(t *testing.T, c *cluster) {
					was, is := c.nodes[a], c.nodes[b]
					me := was.connect(t, "me", "r")
					pass(soon)
					store, session := is.transport.Sessions(), was.edge.session("me")
					if taken {
						_, err := store.Claim(t.Context(), me.session, "claimer")
						no(t, err)
						session.SetData(domain.TextValue("newer"))
						if err := session.Saved(t.Context()); !errors.Is(err, domain.ErrSessionLost) {
							t.Fatal(err)
						}
					}
					was.transport.Faults().Cut()
					if taken {
						no(t, store.GiveBack(t.Context(), me.session, "claimer"))
					} else {
						me.cut()
					}
					pass(soon)
					no(t, is.Operate(t.Context(), root, &domain.Disconnect{Target: to("r")}))
					pass(away)
					was.transport.Faults().Mend()
					pass(10 * time.Second)
					if o := me.recoverAt(is); o.Outcome == domain.Recovered {
						t.Error("who was ordered to disconnect is back")
					}
				})
			})
		}
	}
}

// A comeback that fails in the middle leaves a session that is away, and is not kept alive for ever.
func TestCase16_AComebackThatFailsLeavesItsSession(t *testing.T) {
	for _, later := range []time.Duration{time.Minute, 30 * time.Minute} {
		inCluster(t, 0, func(t *testing.T, c *cluster) {
			for range 2 {
				c.add(app.Config{Recovery: app.Recovery{Window: window, HistoryBytes: 1}})
			}
			pass(soon)
			was, is := c.nodes[a], c.nodes[b]
			me := was.connect(t, "me", "r")
			pass(soon)
			me.cut()
			back, outcome := is.Recover(t.Context(), root, me.session, "", nil)
			wantOutcome(t, outcome, domain.Recovered, "")
			for i := range 600 {
				was.emit(t, to("r"), fmt.Sprint(i))
			}
			synctest.Wait()
			pass(soon)
			is.transport.Faults().Cut()
			if _, err := back.Next(t.Context(), 1000); err == nil {
				t.Fatal("no failure: the test shows nothing")
			}
			back.Abandon()
			is.transport.Faults().Mend()
			pass(later)
			if later < window {
				wantOutcome(t, me.recoverAt(was), domain.Recovered, "600 packets")
				return
			}
			wantOutcome(t, me.recoverAt(was), domain.RecoveryUnknown, "no such session")
		})
	}
}

// A client that goes in and out of rooms all the time has a small record; one that has seen nothing since cannot recover.
func TestCase12_RoomsThatWereLeftAreForgotten(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me, early := was.connect(t, "me"), was.connect(t, "early")
		for i := range 3000 {
			room := fmt.Sprint("r", i)
			was.emit(t, to("nobody"), "x")
			me.join(room)
			early.join(room)
			was.emit(t, to("nobody"), "x")
			me.leave(room)
			early.leave(room)
		}
		me.join("r")
		was.emit(t, to("r"), "1")
		pass(soon)
		store := is.transport.Sessions()
		s, err := store.Claim(t.Context(), me.session, "somebody")
		no(t, err)
		no(t, store.GiveBack(t.Context(), me.session, "somebody"))
		if len(s.Stays) > 600 || s.Whole == "" {
			t.Errorf("one socket's record has %d stays, complete from %q on", len(s.Stays), s.Whole)
		}
		me.cut()
		early.cut()
		was.emit(t, to("r"), "2")
		pass(soon)
		wantOutcome(t, early.recoverSaying(is, "", 1<<20), domain.RecoveryGap, "more rooms")
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
		me.wantEvents("1", "2")
		me.wantRooms("r")
	})
}

// A client that hops between the nodes without closing anything does not fill the log, and is on one node in the end.
func TestCase14_OrdersForOneClientAreFew(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		me := c.nodes[a].connect(t, "me", "r")
		pass(soon)
		const hops = 201
		for i := range hops {
			me.vanish()
			wantOutcome(t, me.recoverAt(c.nodes[1-i%2]), domain.Recovered, "")
			pass(10 * time.Millisecond)
		}
		pass(5 * time.Second)
		orders := len(c.nodes[a].seen.delivered(domain.KindDisconnect))
		if orders == 0 || orders > 10 {
			t.Errorf("%d orders for %d hops", orders, hops)
		}
		if c.nodes[a].edge.session("me") != nil || c.nodes[b].edge.session("me") == nil {
			t.Error("the client is not where it is")
		}
	})
}

// An order that was put off comes, even if nothing is said of the session any more.
func TestCase14_AnOrderThatWasPutOffComes(t *testing.T) {
	inRecovery(t, 3, func(t *testing.T, c *cluster) {
		me := c.nodes[a].connect(t, "me", "r")
		pass(soon)
		me.vanish()
		wantOutcome(t, me.recoverAt(c.nodes[b]), domain.Recovered, "")
		pass(200 * time.Millisecond) // it is stored, so the next who saves it is the next who has it
		me.vanish()
		wantOutcome(t, me.recoverAt(c.nodes[2]), domain.Recovered, "")
		pass(3 * time.Second)
		if c.nodes[b].edge.session("me") != nil {
			t.Error("the socket is still on the old node")
		}
	})
}
