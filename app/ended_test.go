package app_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// A node stands still while its client comes back elsewhere and is put out there. What it still holds, however much of the
// log it has lost meanwhile, does not bring the client back.
func TestCase15_ANodeThatStoodStillBringsNobodyBack(t *testing.T) {
	stop := func(m *member) { m.transport.Faults().Freeze() }
	goOn := func(m *member) { m.transport.Faults().Thaw() }
	cut := func(m *member) { m.transport.Faults().Cut() }
	mend := func(m *member) { m.transport.Faults().Mend() }
	for name, test := range map[string]struct {
		out, in func(m *member)
		log     func(c *cluster) // what happens to it meanwhile
		still   time.Duration
	}{
		"frozen, and the log is whole":                 {stop, goOn, func(*cluster) {}, 20 * time.Second},
		"frozen, and the log began anew":               {stop, goOn, func(c *cluster) { c.memory.Reset() }, 20 * time.Second},
		"frozen, and the log was trimmed":              {stop, goOn, func(c *cluster) { c.memory.Trim(1) }, 20 * time.Second},
		"cut off, and the log began anew":              {cut, mend, func(c *cluster) { c.memory.Reset() }, time.Minute},
		"frozen for long, and the log is whole":        {stop, goOn, func(*cluster) {}, time.Hour},
		"frozen for long, and the log began anew":      {stop, goOn, func(c *cluster) { c.memory.Reset() }, time.Hour},
		"frozen for long, and the log was trimmed":     {stop, goOn, func(c *cluster) { c.memory.Trim(1) }, time.Hour},
		"cut off for long, and the log was trimmed":    {cut, mend, func(c *cluster) { c.memory.Trim(1) }, time.Hour},
		"cut off for long, and the log began anew":     {cut, mend, func(c *cluster) { c.memory.Reset() }, time.Hour},
		"frozen for as long as the end is remembered":  {stop, goOn, func(c *cluster) { c.memory.Reset() }, 7 * time.Minute},
		"cut off for as long as its record was stored": {cut, mend, func(c *cluster) { c.memory.Reset() }, 395 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inRecovery(t, 2, func(t *testing.T, c *cluster) {
				was, is := c.nodes[a], c.nodes[b]
				me := was.connect(t, "me", "r")
				pass(soon)
				test.out(was)
				pass(time.Second)
				wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
				pass(time.Second)
				<-is.edge.session("me").End()
				test.log(c)
				pass(test.still)
				test.in(was)
				for range 3 {
					pass(5 * time.Second)
					if o := me.recoverAt(is); o.Outcome == domain.Recovered {
						t.Error("who was put out is back")
						break
					}
				}
				if was.edge.session("me") != nil {
					t.Error("the socket is still on the old node")
				}
			})
		})
	}
}

// A node claims a session and stands still; its claim lapses, and the owner, which has read an order to disconnect, deletes
// the session. The owner's lease, which is read then, is behind the order, and the save that follows is too late.
func TestCase15_AClaimThatLapsedBringsNobodyBack(t *testing.T) {
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		c.add(app.Config{Recovery: app.Recovery{Window: window}})
		c.store = func(_ *member, inner ports.Sessions) ports.Sessions { return &hesitant{Sessions: inner} }
		c.add(app.Config{Recovery: app.Recovery{Window: window}})
		pass(soon)
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me", "r")
		pass(soon)
		me.vanish()
		var outcome domain.Recovery
		var wg sync.WaitGroup
		wg.Go(func() { outcome = me.recoverAt(is) })
		pass(soon)
		no(t, was.Operate(t.Context(), root, &domain.Disconnect{Target: to("r")}))
		wg.Wait()
		wantOutcome(t, outcome, domain.RecoveryUnknown, "no such session")
		if is.edge.session("me") != nil {
			t.Error("who was ordered to disconnect is back")
		}
	})
}

// hesitant is a session store that takes its time to say whose lease it is.
type hesitant struct{ ports.Sessions }

func (s *hesitant) Unwrap() any { return s.Sessions }

func (s *hesitant) Lease(ctx context.Context, node domain.NodeID) (*domain.Lease, error) {
	<-time.After(4500 * time.Millisecond) // longer than a claim holds, and not too long for a recovery
	return s.Sessions.Lease(ctx, node)
}

// The first save of a session is on its way for long: it comes after the session has ended.
func TestCase15_ASaveThatIsLateBringsNobodyBack(t *testing.T) {
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		late := make(chan []*domain.Session, 1)
		c.store = func(_ *member, inner ports.Sessions) ports.Sessions { return &slow{Sessions: inner, late: late} }
		c.add(app.Config{Recovery: app.Recovery{Window: window}})
		c.store = nil
		c.add(app.Config{Recovery: app.Recovery{Window: window}})
		pass(soon)
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me")
		pass(40 * time.Millisecond)
		saves := <-late
		<-was.edge.session("me").End()
		if errs := was.transport.Sessions().Save(t.Context(), saves); !errors.Is(errors.Join(errs...), domain.ErrSessionLost) {
			t.Errorf("the save that was late: %v", errs)
		}
		wantOutcome(t, me.recoverAt(is), domain.RecoveryUnknown, "no such session")
	})
}

// slow is a session store that has not got the first saves yet.
type slow struct {
	ports.Sessions
	late chan []*domain.Session
}

func (s *slow) Unwrap() any { return s.Sessions }

func (s *slow) Save(ctx context.Context, sessions []*domain.Session) []error {
	select {
	case s.late <- sessions:
		return slices.Repeat([]error{context.DeadlineExceeded}, len(sessions))
	default:
		return s.Sessions.Save(ctx, sessions)
	}
}

// The store cannot be reached for so long that the record would have expired; but its client is elsewhere since, and is
// put out there when the store can be reached again.
func TestCase15_AnEndIsTriedOnceMore(t *testing.T) {
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me")
		pass(soon)
		was.transport.Faults().Freeze()
		deleted := was.edge.session("me").End()
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
		pass(10 * time.Minute)
		was.transport.Faults().Thaw()
		<-deleted
		pass(soon)
		if is.edge.session("me") != nil {
			t.Error("the client is still there")
		}
	})
}

// A store that cannot be reached for longer than it keeps anything, and a log of which nothing is lost: nobody has taken
// the session, so it is stored anew.
func TestCase16_SessionsOutliveAStoreThatIsAway(t *testing.T) {
	for name, test := range map[string]struct {
		log  func(c *cluster)
		lost int32
	}{
		"the log is whole": {func(*cluster) {}, 0},
		"it was trimmed":   {func(c *cluster) { c.memory.Trim(1) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inRecovery(t, 2, func(t *testing.T, c *cluster) {
				was, is := c.nodes[a], c.nodes[b]
				me := was.connect(t, "me", "r")
				pass(soon)
				was.transport.Faults().Cut()
				is.emit(t, to("nobody"), "x")
				is.emit(t, to("nobody"), "y")
				pass(20 * time.Minute)
				test.log(c)
				was.transport.Faults().Mend()
				pass(10 * time.Second)
				if n := me.lost.Load(); n != test.lost {
					t.Errorf("it was said %d times that the session is lost, want %d", n, test.lost)
				}
				if test.lost > 0 || t.Failed() {
					return
				}
				me.cut()
				is.emit(t, to("r"), "1")
				pass(soon)
				wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
				me.wantEvents("1")
			})
		})
	}
}

// A client is lost before there was anything to come back to. Whoever has claimed its session by then may have it; if he
// leaves it, nobody has it.
func TestCase15_ADiscardedSessionPutsNobodyOut(t *testing.T) {
	for name, taken := range map[string]bool{"taken": true, "given back": false} {
		t.Run(name, func(t *testing.T) {
			inWatched(t, func(t *testing.T, c *cluster, store *watched) {
				was, is := c.nodes[a], c.nodes[b]
				me := was.connect(t, "me", "r")
				pass(soon)
				session := was.edge.session("me")
				claimed := make(chan struct{})
				taking := func(ctx context.Context, sessions []*domain.Session) []error {
					close(claimed)
					<-time.After(time.Second)
					if taken {
						return store.Sessions.Save(ctx, sessions)
					}
					return []error{domain.ErrNoSession}
				}
				store.onTaking.Store(&taking)
				var outcome domain.Recovery
				var wg sync.WaitGroup
				wg.Go(func() { outcome = me.recoverAt(is) })
				<-claimed
				was.edge.drop("me", session)
				session.Discard()
				wg.Wait()
				pass(5 * time.Second)
				if taken {
					wantOutcome(t, outcome, domain.Recovered, "")
					if is.edge.session("me") == nil {
						t.Error("the client was put out")
					}
					return
				}
				wantOutcome(t, me.recoverAt(was), domain.RecoveryUnknown, "no such session")
			})
		})
	}
	inRecovery(t, 2, func(t *testing.T, c *cluster) {
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me")
		pass(soon)
		session := was.edge.session("me")
		was.transport.Faults().Cut()
		session.Discard()
		wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
		deleted := session.End() // it is put out after all
		was.transport.Faults().Mend()
		<-deleted
		pass(soon)
		if is.edge.session("me") != nil {
			t.Error("the client is still there")
		}
	})
}

// A node is cut off while the first save of a session is under way: it was stored, and it is told nothing. Its client is
// put out elsewhere, and what the node stores when it is back, for the first time as it thinks, is refused.
func TestCase15_AFirstSaveWithoutAnAnswerBringsNobodyBack(t *testing.T) {
	for name, noticed := range map[string]bool{"the socket is live": false, "it is away": true} {
		for _, away := range []time.Duration{time.Minute, time.Hour} {
			t.Run(name, func(t *testing.T) {
				inCluster(t, 0, func(t *testing.T, c *cluster) {
					c.store = func(_ *member, inner ports.Sessions) ports.Sessions { return &mumbling{Sessions: inner} }
					c.add(app.Config{Recovery: app.Recovery{Window: window}})
					c.store = nil
					c.add(app.Config{Recovery: app.Recovery{Window: window}})
					pass(soon)
					was, is := c.nodes[a], c.nodes[b]
					me := was.connect(t, "me")
					pass(40 * time.Millisecond) // saved, and not yet tried again
					was.transport.Faults().Cut()
					wantOutcome(t, me.recoverAt(is), domain.Recovered, "")
					<-is.edge.session("me").End()
					pass(away - time.Minute)
					if noticed {
						me.home = was
						me.cut()
					}
					pass(time.Minute)
					c.memory.Reset()
					was.transport.Faults().Mend()
					pass(10 * time.Second)
					wantOutcome(t, me.recoverAt(is), domain.RecoveryUnknown, "no such session")
				})
			})
		}
	}
}

// A node leaves with ends that are still to be done: it does them, also where somebody is taking the session.
func TestCase15_ANodeThatLeavesDoesTheEnds(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, n *member) error{
		"Close": func(_ *testing.T, n *member) error { return n.Close() },
		"Drain": func(t *testing.T, n *member) error { return n.Drain(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			inWatched(t, func(t *testing.T, c *cluster, store *watched) {
				was, is := c.nodes[a], c.nodes[b]
				me, other := was.connect(t, "me"), was.connect(t, "other")
				pass(soon)
				claimed := make(chan struct{})
				taking := func(ctx context.Context, sessions []*domain.Session) []error {
					close(claimed)
					<-time.After(time.Second)
					return store.Sessions.Save(ctx, sessions)
				}
				store.onTaking.Store(&taking)
				mine, others := was.edge.session("me"), was.edge.session("other")
				var wg sync.WaitGroup
				wg.Go(func() {
					back, outcome := is.Recover(t.Context(), root, me.session, "", nil)
					if back == nil {
						t.Errorf("the outcome is %v", outcome)
						return
					}
					entered, err := back.Enter(t.Context(), 1<<20, nil)
					if entered || !errors.Is(err, domain.ErrDisconnected) {
						t.Errorf("it enters %t, %v", entered, err)
					}
				})
				<-claimed
				ended := []<-chan struct{}{mine.End(), others.End()}
				no(t, leave(t, was))
				for _, deleted := range ended {
					<-deleted
				}
				wg.Wait()
				pass(soon)
				for _, who := range []*client{me, other} {
					wantOutcome(t, who.recoverAt(c.nodes[2]), domain.RecoveryUnknown, "no such session")
				}
			})
		})
	}
}

// Who has been put out is on his way back elsewhere, and the log is slow to take the order that reaches him there. What
// others have said of their sessions is stored all the same, and the end is done when the order is in the log.
func TestCase16_AnOrderThatIsSlowHoldsUpNoSave(t *testing.T) {
	for name, fails := range map[string]bool{"slow": false, "refused at first": true} {
		t.Run(name, func(t *testing.T) {
			inRecovery(t, 2, func(t *testing.T, c *cluster) {
				was, is := c.nodes[a], c.nodes[b]
				me, other := was.connect(t, "me"), was.connect(t, "other")
				pass(soon)
				me.vanish()
				was.transport.Faults().Hold() // it does not read that somebody has the session
				session, others := was.edge.session("me"), was.edge.session("other")
				wantOutcome(t, me.recoverSaying(is, "", 1<<20), domain.Recovered, "")
				fault := inmemory.AppendFault{Delay: 4 * time.Second}
				if fails {
					fault.Outcome = inmemory.AppendRefused
				}
				was.transport.Faults().NextAppends(fault)
				deleted := session.End()
				pass(soon)
				others.SetData(domain.TextValue("newer"))
				pass(50 * time.Millisecond)
				store := is.transport.Sessions()
				s, err := store.Claim(t.Context(), other.session, "somebody")
				no(t, err)
				if text, _ := s.Data.Text(); text != "newer" {
					t.Errorf("%q is stored", text)
				}
				no(t, store.GiveBack(t.Context(), other.session, "somebody"))
				select {
				case <-deleted:
					t.Error("the end is done, and nobody was told")
				default:
				}
				if fails { // it reads that somebody has the session before it tries again
					pass(4 * time.Second)
					was.transport.Faults().Resume()
					synctest.Wait()
				}
				<-deleted
				pass(soon)
				if is.edge.session("me") != nil {
					t.Error("the client is still there")
				}
				was.transport.Faults().Resume()
			})
		})
	}
}
