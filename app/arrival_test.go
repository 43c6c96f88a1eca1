package app_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// watched is a session store that lets a test in on what a node does with it.
type watched struct {
	ports.Sessions
	claims  atomic.Int32
	claimed atomic.Bool // every claim finds that somebody else has the session
	// onTaking is called, once, instead of a save that takes a session; nil: nothing is.
	onTaking atomic.Pointer[func(ctx context.Context, sessions []*domain.Session) []error]
}

func (s *watched) Unwrap() any { return s.Sessions }

func (s *watched) Claim(ctx context.Context, id domain.SessionID, claimer domain.NodeID) (*domain.Session, error) {
	s.claims.Add(1)
	if s.claimed.Load() {
		return nil, domain.ErrSessionClaimed
	}
	return s.Sessions.Claim(ctx, id, claimer)
}

func (s *watched) Save(ctx context.Context, sessions []*domain.Session) []error {
	if len(sessions) == 1 && sessions[0].Returning {
		if taking := s.onTaking.Swap(nil); taking != nil {
			return (*taking)(ctx, sessions)
		}
	}
	return s.Sessions.Save(ctx, sessions)
}

// inWatched is a cluster of three nodes that keep sessions, the second of them watched.
func inWatched(t *testing.T, test func(t *testing.T, c *cluster, store *watched)) {
	t.Helper()
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		var store *watched
		for i := range 3 {
			c.store = func(_ *member, inner ports.Sessions) ports.Sessions {
				if i != b {
					return inner
				}
				store = &watched{Sessions: inner}
				return store
			}
			c.add(app.Config{Recovery: app.Recovery{Window: window}})
		}
		pass(soon)
		test(t, c, store)
	})
}

// Who takes a session may die, or leave it; whoever comes meanwhile waits for that.
func TestCase14_AClaimIsWaitedFor(t *testing.T) {
	for name, until := range map[string]time.Duration{"lapses": time.Hour, "is given back": time.Second} {
		t.Run(name, func(t *testing.T) {
			inRecovery(t, 2, func(t *testing.T, c *cluster) {
				was, is := c.nodes[a], c.nodes[b]
				me := was.connect(t, "me", "r")
				pass(soon)
				me.cut()
				pass(soon)
				store := was.transport.Sessions()
				if _, err := store.Claim(t.Context(), me.session, "claimer"); err != nil {
					t.Fatal(err)
				}
				is.emit(t, to("r"), "1")
				var wg sync.WaitGroup
				if until < inmemory.DefaultClaimFor {
					wg.Go(func() {
						<-time.After(until)
						if err := store.GiveBack(t.Context(), me.session, "claimer"); err != nil {
							t.Error(err)
						}
					})
				}
				began := time.Now()
				wantOutcome(t, me.recoverAt(is), domain.Recovered, "1 packets")
				if waited := time.Since(began); waited > min(until, inmemory.DefaultClaimFor)+time.Second {
					t.Errorf("it took %s", waited)
				}
				wg.Wait()
				me.wantEvents("1")
			})
		})
	}
}

func TestCase14_AClaimIsNotWaitedForForEver(t *testing.T) {
	inWatched(t, func(t *testing.T, c *cluster, store *watched) {
		me := c.nodes[a].connect(t, "me")
		pass(soon)
		me.cut()
		store.claimed.Store(true)
		began := time.Now()
		wantOutcome(t, me.recoverAt(c.nodes[b]), domain.RecoveryUnknown, "takes too long")
		if waited := time.Since(began); waited > 11*time.Second {
			t.Errorf("it took %s", waited)
		}
		if n := store.claims.Load(); n < 20 || n > 400 {
			t.Errorf("the session was asked for %d times", n)
		}
		// Who does not wait is not waited for.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		_, outcome := c.nodes[b].Recover(ctx, root, me.session, "", nil)
		wantOutcome(t, outcome, domain.RecoveryUnknown, "takes too long")
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("it took %s, longer than the client has waited", waited)
		}
	})
}

// A node stands still between its claim and its save, and goes on when its claim has lapsed. Its client has waited.
func TestCase14_ANodeThatStoodStillTriesAgain(t *testing.T) {
	for _, arrives := range []bool{false, true} {
		t.Run(fmt.Sprintf("its save arrives %t", arrives), func(t *testing.T) {
			inWatched(t, func(t *testing.T, c *cluster, store *watched) {
				was, is := c.nodes[a], c.nodes[b]
				me := was.connect(t, "me", "r") // its node has not noticed that it is gone
				pass(soon)
				me.vanish()
				taking := func(ctx context.Context, sessions []*domain.Session) []error {
					if arrives {
						if errs := store.Sessions.Save(ctx, sessions); errs != nil {
							t.Error(errs)
						}
					}
					<-time.After(15 * time.Second)
					return slices.Repeat([]error{ctx.Err()}, len(sessions))
				}
				store.onTaking.Store(&taking)
				var outcome domain.Recovery
				var wg sync.WaitGroup
				wg.Go(func() { outcome = me.recoverAt(is) })
				wg.Wait()
				wantOutcome(t, outcome, domain.Recovered, "")
				pass(soon)
				if was.edge.session("me") != nil {
					t.Error("the socket is still on the old node")
				}
				was.emit(t, to("r"), "1")
				me.wantEvents("1")
				me.join("s")
				pass(soon)
				me.cut()
				pass(soon)
				wantOutcome(t, me.recoverAt(c.nodes[2]), domain.Recovered, "")
				me.wantRooms("r", "s")
			})
		})
	}
}

// The client did not wait, and is on another node when its first one goes on.
func TestCase14_WhoStoodStillTakesNothingBack(t *testing.T) {
	inWatched(t, func(t *testing.T, c *cluster, store *watched) {
		is, other := c.nodes[b], c.nodes[2]
		me := c.nodes[a].connect(t, "me", "r")
		pass(soon)
		me.cut()
		still := func(ctx context.Context, sessions []*domain.Session) []error {
			<-time.After(15 * time.Second)
			return store.Sessions.Save(ctx, sessions)
		}
		store.onTaking.Store(&still)
		var outcome domain.Recovery
		var wg sync.WaitGroup
		wg.Go(func() { _, outcome = is.Recover(t.Context(), root, me.session, "", nil) })
		pass(soon)
		wantOutcome(t, me.recoverAt(other), domain.Recovered, "")
		wg.Wait()
		wantOutcome(t, outcome, domain.RecoveryUnknown, "meanwhile")
		pass(soon)
		if other.edge.session("me") == nil {
			t.Error("the client was put out")
		}
		other.emit(t, to("r"), "1")
		me.wantEvents("1")
	})
}

// A save that takes a session is on its way for long: the node has taken it once more since, and its client is in.
func TestCase14_ALateSaveChangesNothing(t *testing.T) {
	inWatched(t, func(t *testing.T, c *cluster, store *watched) {
		is := c.nodes[b]
		me := c.nodes[a].connect(t, "me")
		pass(soon)
		me.cut()
		late := make(chan []*domain.Session, 1)
		lost := func(ctx context.Context, sessions []*domain.Session) []error {
			late <- sessions
			<-ctx.Done()
			return slices.Repeat([]error{ctx.Err()}, len(sessions))
		}
		store.onTaking.Store(&lost)
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
		me.join("r")
		pass(soon)
		saves := <-late
		older := *saves[0]
		older.Revision = 99 // however often it was saved: the count is the older hold's
		for _, save := range [][]*domain.Session{saves, {&older}} {
			if errs := store.Sessions.Save(t.Context(), save); errs == nil {
				t.Errorf("a save of an older hold was taken, revision %d", save[0].Revision)
			}
		}
		me.cut()
		pass(soon)
		wantOutcome(t, me.recoverAt(c.nodes[2]), domain.Recovered, "")
		me.wantRooms("r")
	})
}

// An entry and its repeat are so far from each other that they are read again in two pages.
func TestCase03_ARepeatOnAnotherPageIsNotReplayed(t *testing.T) {
	inRecovery(t, 1, func(t *testing.T, c *cluster) {
		was := c.nodes[a]
		me := was.connect(t, "me", "r")
		pass(soon)
		me.cut()
		repeated := func(publish func()) {
			var wg sync.WaitGroup
			was.transport.Faults().NextAppends(inmemory.AppendFault{
				Outcome: inmemory.AppendRepeated, AnswerDelay: time.Second,
			})
			wg.Go(publish)
			<-time.After(soon)
			for range 1500 {
				c.nodes[1].emit(t, to("nobody"), "x")
			}
			wg.Wait()
		}
		c.add(app.Config{Recovery: app.Recovery{Window: window}})
		pass(soon)
		repeated(func() { was.emit(t, to("r"), "1") })
		repeated(func() {
			if err := was.Operate(t.Context(), root, &domain.Join{Target: to("me"), Rooms: []string{"s"}}); err != nil {
				t.Error(err)
			}
		})
		late := c.add(app.Config{Recovery: app.Recovery{Window: window}})
		pass(soon)
		wantOutcome(t, me.recoverAt(late), domain.Recovered, "1 packets")
		me.wantEvents("1")
		me.wantRooms("r", "s")
	})
}
