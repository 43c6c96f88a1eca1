package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// SessionsHarness says how to open a session store.
type SessionsHarness struct {
	// Open makes an empty store, for one test alone; it is closed with the test (t.Cleanup). A claim lapses there
	// after claimFor.
	Open func(t *testing.T, claimFor time.Duration) SessionsCluster
}

// SessionsCluster is one store, as several processes see it.
type SessionsCluster struct {
	// Member connects once more. It is closed with the test.
	Member func() ports.Sessions
}

// Sessions tests an implementation of ports.Sessions.
func Sessions(t *testing.T, h SessionsHarness) {
	run := func(name string, claimFor time.Duration, test func(t *testing.T, k *sessionsKit)) {
		t.Run(name, func(t *testing.T) {
			c := h.Open(t, claimFor)
			test(t, &sessionsKit{t: t, a: c.Member(), b: c.Member()})
		})
	}
	const long, short = time.Minute, 500 * time.Millisecond
	run("Save/round trip", long, saveRoundTrip)
	run("Save/first", long, saveFirst)
	run("Save/later", long, saveLater)
	run("Save/record is a copy", long, saveCopies)
	run("Save/context", long, sessionsContext)
	run("Claim/nothing there", long, claimNothing)
	run("Claim/exclusive", long, claimExclusive)
	run("Claim/owner has lost it", long, claimTakesAway)
	run("Claim/saved by the claimer", long, claimSaved)
	run("Claim/given back", long, claimGivenBack)
	run("Claim/deleted by the claimer", long, claimDeleted)
	run("Claim/lapses", short, claimLapses)
	run("Claim/a save that is late", long, claimLateSave)
	run("Claim/many at once", long, claimMany)
	run("Claim/against its owner", long, claimRace)
	run("Claim/that has lapsed takes nothing", short, claimTooLate)
	run("Delete", long, deleteSession)
	run("Delete/a save that is late", long, deleteBeforeSave)
	run("Expiry", long, expiry)
	run("Save/many", long, saveMany)
	run("Lease", long, leases)
}

// sessionsKit is what one test works with: two connections to one store.
type sessionsKit struct {
	t    *testing.T
	a, b ports.Sessions
}

const sampleSession domain.SessionID = "ppppppppppppppppppp-"

// session is a record with every field in use.
func session(owner domain.NodeID, revision uint64) *domain.Session {
	return &domain.Session{
		ID:        sampleSession,
		Socket:    "abcdefghijklmnopqrst",
		Namespace: "/räume",
		Owner:     owner,
		Revision:  revision,
		Claim:     1,
		Data:      JSONValue(`{"name":"Zoë","key":{"_placeholder":true,"num":0}}`, []byte{1, 2, 0xff}),
		Stays: []domain.Stay{
			{Room: "abcdefghijklmnopqrst"},
			{Room: "部屋", From: "1526919030474-55"},
			{Room: "left", From: "1526919030474-55", Until: "1526919030475-0"},
		},
		Whole:   "1526919030473-7",
		Began:   "1526919030474-0",
		AsOf:    "1526919030476-0",
		Epoch:   "7",
		KeepFor: time.Minute,
	}
}

// taken is the record that a claimer saves.
func taken(by domain.NodeID, claim uint64) *domain.Session {
	s := session(by, 1)
	s.Claim, s.Away, s.Returning = claim, true, true
	return s
}

// save saves one session.
func save(ctx context.Context, store ports.Sessions, s *domain.Session) error {
	return errors.Join(store.Save(ctx, []*domain.Session{s})...)
}

func (k *sessionsKit) save(store ports.Sessions, s *domain.Session) {
	k.t.Helper()
	if err := save(deadline(k.t), store, s); err != nil {
		k.t.Fatalf("Save of revision %d by %s: %v", s.Revision, s.Owner, err)
	}
}

func (k *sessionsKit) saveFails(store ports.Sessions, s *domain.Session, why string) {
	k.t.Helper()
	if err := save(deadline(k.t), store, s); !errors.Is(err, domain.ErrSessionLost) {
		k.t.Errorf("Save of revision %d by %s, %s: %v, want ErrSessionLost", s.Revision, s.Owner, why, err)
	}
}

// claim takes the session and compares it with what was saved.
func (k *sessionsKit) claim(store ports.Sessions, claimer domain.NodeID, want *domain.Session) {
	k.t.Helper()
	got, err := store.Claim(deadline(k.t), want.ID, claimer)
	if err != nil {
		k.t.Fatalf("Claim by %s: %v", claimer, err)
	}
	k.compare(want, got)
}

func (k *sessionsKit) compare(want, got *domain.Session) {
	k.t.Helper()
	w, g := *want, *got
	w.KeepFor, g.KeepFor = 0, 0 // a word to the store, not part of the record
	if diff := differ(w, g); diff != "" {
		k.t.Errorf("the session was saved and claimed differently:\n%s", diff)
	}
}

func (k *sessionsKit) claimFails(store ports.Sessions, claimer domain.NodeID, why string) {
	k.t.Helper()
	s, err := store.Claim(deadline(k.t), sampleSession, claimer)
	if !errors.Is(err, domain.ErrNoSession) || s != nil {
		k.t.Errorf("Claim by %s, %s: a session %t, %v; want none and ErrNoSession", claimer, why, s != nil, err)
	}
}

func (k *sessionsKit) claimWaits(store ports.Sessions, claimer domain.NodeID, why string) {
	k.t.Helper()
	s, err := store.Claim(deadline(k.t), sampleSession, claimer)
	if !errors.Is(err, domain.ErrSessionClaimed) || errors.Is(err, domain.ErrNoSession) || s != nil {
		k.t.Errorf("Claim by %s, %s: a session %t, %v; want none and ErrSessionClaimed", claimer, why, s != nil, err)
	}
}

func (k *sessionsKit) giveBack(store ports.Sessions, claimer domain.NodeID) {
	k.t.Helper()
	if err := store.GiveBack(deadline(k.t), sampleSession, claimer); err != nil {
		k.t.Errorf("GiveBack by %s: %v", claimer, err)
	}
}

func saveRoundTrip(_ *testing.T, k *sessionsKit) {
	bare := session(nodeA, 1)
	bare.ID, bare.Data, bare.Stays = "bare", domain.Value{}, nil
	bare.Began, bare.AsOf, bare.Epoch = "", "", ""
	null := session(nodeA, 1)
	null.ID, null.Namespace, null.Data = "null", "/", JSONValue("null")
	away := session(nodeA, 1)
	away.ID, away.Away, away.Claim = "away", true, 1<<53-1
	coming := session(nodeA, 1)
	coming.ID = "coming"
	k.save(k.a, coming)
	coming = taken(nodeA, 2)
	coming.ID, coming.Revision, coming.Away = "coming", 2, true
	plain := session(nodeA, 1)
	plain.ID, plain.Data = "plain", JSONValue(`{"a":[1,2.5,"x",null,true]}`)
	for _, s := range []*domain.Session{session(nodeA, 1), bare, null, away, coming, plain} {
		k.save(k.a, s)
		k.claim(k.b, nodeB, s)
	}
}

func saveFirst(_ *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	k.save(k.a, session(nodeA, 1)) // the same revision again is no error
	k.saveFails(k.b, session(nodeB, 1), "where another's is stored")
	k.claim(k.b, nodeB, session(nodeA, 1))
}

func saveLater(_ *testing.T, k *sessionsKit) {
	k.saveFails(k.a, session(nodeA, 2), "where nothing is stored")
	k.save(k.a, session(nodeA, 1))
	k.save(k.a, session(nodeA, 2))
	third := session(nodeA, 5)
	third.Stays = append(third.Stays, domain.Stay{Room: "new", From: "1526919030477-0"})
	k.save(k.a, third)
	k.save(k.a, third)
	k.saveFails(k.a, session(nodeA, 4), "where revision 5 is stored")
	k.saveFails(k.b, session(nodeB, 6), "where another's is stored")
	k.claim(k.b, nodeB, third)
}

func saveCopies(_ *testing.T, k *sessionsKit) {
	s := session(nodeA, 1)
	k.save(k.a, s)
	s.Stays[0].Room, s.Socket = "changed", "changed"
	k.claim(k.b, nodeB, session(nodeA, 1))
}

// claimTooLate takes a session whose claim has lapsed when nothing is left of it: its record has expired.
func claimTooLate(t *testing.T, k *sessionsKit) {
	brief := session(nodeA, 1)
	brief.KeepFor = 200 * time.Millisecond
	k.save(k.a, brief)
	k.claim(k.b, nodeB, brief)
	eventually(t, "the claim to lapse and the session to expire", func() bool {
		_, err := k.a.Claim(deadline(t), sampleSession, nodeC)
		return errors.Is(err, domain.ErrNoSession)
	})
	k.saveFails(k.b, taken(nodeB, 2), "after its claim has lapsed and the session has expired")
	k.claimFails(k.a, nodeA, "after that")
}

func sessionsContext(t *testing.T, k *sessionsKit) {
	if err := save(cancelled(), k.a, session(nodeA, 1)); err == nil {
		t.Error("Save with a context that is over returned no error")
	}
	if _, err := k.a.Claim(cancelled(), "unknown", nodeA); err == nil || errors.Is(err, domain.ErrNoSession) {
		t.Errorf("Claim with a context that is over: %v, want the context's error", err)
	}
	if err := k.a.GiveBack(cancelled(), sampleSession, nodeA); err == nil {
		t.Error("GiveBack with a context that is over returned no error")
	}
	if err := k.a.Delete(cancelled(), sampleSession, nodeA, time.Minute); err == nil {
		t.Error("Delete with a context that is over returned no error")
	}
}

func claimNothing(t *testing.T, k *sessionsKit) {
	k.claimFails(k.a, nodeA, "where nothing is stored")
	k.giveBack(k.a, nodeA)
	if err := k.a.Delete(deadline(t), sampleSession, nodeA, time.Minute); err != nil {
		t.Errorf("Delete where nothing is stored: %v", err)
	}
}

func claimExclusive(t *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	k.claim(k.b, nodeB, session(nodeA, 1))
	k.claimWaits(k.a, nodeC, "while it is claimed")
	k.claimWaits(k.b, nodeB, "while it is claimed by itself")
	k.claimWaits(k.a, nodeA, "while its session is claimed")
	// Whoever has not claimed it cannot end the claim; whether that is an error is not said.
	_ = k.a.GiveBack(deadline(t), sampleSession, nodeC)
	_ = k.a.GiveBack(deadline(t), sampleSession, nodeA)
	k.claimWaits(k.a, nodeC, "after others have given back what they did not have")
}

func claimTakesAway(t *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	k.claim(k.b, nodeB, session(nodeA, 1))
	k.saveFails(k.a, session(nodeA, 1), "while it is claimed")
	k.saveFails(k.a, session(nodeA, 2), "while it is claimed")
	k.saveFails(k.a, session(nodeC, 1), "while it is claimed")
	if err := k.a.Delete(deadline(t), sampleSession, nodeA, time.Minute); !errors.Is(err, domain.ErrSessionLost) {
		t.Errorf("Delete by the old owner while it is claimed: %v, want ErrSessionLost", err)
	}
}

func claimSaved(_ *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	k.save(k.a, session(nodeA, 2))
	k.claim(k.b, nodeB, session(nodeA, 2))
	own := taken(nodeB, 2)
	own.AsOf = "1526919030480-0"
	k.save(k.b, own)
	k.save(k.b, own)
	k.saveFails(k.a, session(nodeA, 3), "after another has claimed and saved it")
	k.giveBack(k.b, nodeB) // too late: it is no longer a claim
	own.Revision = 2
	k.save(k.b, own)
	k.claim(k.a, nodeC, own)
	k.save(k.a, taken(nodeC, 3))
	// A node may take over what is its own, when the client comes back to where it was. The old socket has lost it.
	k.claim(k.a, nodeC, taken(nodeC, 3))
	old := taken(nodeC, 3)
	old.Revision = 2
	k.saveFails(k.a, old, "for the old socket, while its own node has claimed it")
	k.save(k.a, taken(nodeC, 4))
	k.claim(k.b, nodeB, taken(nodeC, 4))
}

// claimLateSave lets saves come late that a node had made of a session which it has taken over from itself since.
func claimLateSave(t *testing.T, k *sessionsKit) {
	later := session(nodeA, 2)
	late := func(why string, all ...*domain.Session) {
		t.Helper()
		for _, s := range all {
			k.saveFails(k.a, s, why)
		}
	}
	k.save(k.a, session(nodeA, 1))
	k.claim(k.a, nodeA, session(nodeA, 1))
	late("while the node has claimed it again", session(nodeA, 1), later)
	k.save(k.a, taken(nodeA, 7))
	late("after the node has taken it over", session(nodeA, 1), later)
	// A claim that has ended without a save leaves no claim behind it, and its save may come late as well.
	k.claim(k.a, nodeA, taken(nodeA, 7))
	k.giveBack(k.a, nodeA)
	k.save(k.a, taken(nodeA, 8))
	k.claim(k.b, nodeB, taken(nodeA, 8))
	late("while another has claimed it", taken(nodeA, 9))
	k.giveBack(k.b, nodeB)
	k.saveFails(k.b, taken(nodeB, 9), "after it was given back, although its claim would be greater")
	k.claim(k.b, nodeB, taken(nodeA, 8))
	k.save(k.b, taken(nodeB, 9))
	late("after another has taken it over", taken(nodeA, 10))
}

func claimGivenBack(_ *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	k.save(k.a, session(nodeA, 2))
	k.claim(k.b, nodeB, session(nodeA, 2))
	k.giveBack(k.b, nodeB)
	k.giveBack(k.b, nodeB)
	k.claim(k.b, nodeC, session(nodeA, 2))
	k.giveBack(k.b, nodeC)
	k.save(k.a, session(nodeA, 3)) // its owner is who it was
	k.saveFails(k.b, session(nodeB, 4), "after it was given back")
	k.claim(k.b, nodeB, session(nodeA, 3))
}

func claimDeleted(t *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	k.claim(k.b, nodeB, session(nodeA, 1))
	if err := k.b.Delete(deadline(t), sampleSession, nodeB, time.Minute); err != nil {
		t.Fatalf("Delete by the claimer: %v", err)
	}
	k.claimFails(k.a, nodeA, "after it was deleted")
	k.giveBack(k.b, nodeB)
	k.claimFails(k.a, nodeA, "after it was deleted, and given back too late")
	k.saveFails(k.a, session(nodeA, 2), "after it was deleted")
}

func claimLapses(t *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	k.claim(k.b, nodeB, session(nodeA, 1))
	var again *domain.Session
	eventually(t, "the claim to lapse", func() bool {
		s, err := k.a.Claim(deadline(t), sampleSession, nodeC)
		if err != nil && !errors.Is(err, domain.ErrSessionClaimed) {
			t.Fatalf("Claim: %v", err)
		}
		again = s
		return err == nil
	})
	k.compare(session(nodeA, 1), again)
	saved := taken(nodeC, 2)
	k.save(k.a, saved) // before this claim lapses as well
	k.giveBack(k.b, nodeB)
	k.saveFails(k.b, taken(nodeB, 2), "after its claim has lapsed")
	k.claim(k.b, nodeB, saved)
}

func claimMany(t *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	ctx := deadline(t)
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 100 {
		store := k.a
		if i%2 == 1 {
			store = k.b
		}
		wg.Go(func() {
			_, err := store.Claim(ctx, sampleSession, domain.NodeID(fmt.Sprintf("%016x", i)))
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, domain.ErrSessionClaimed):
				t.Errorf("Claim: %v", err)
			}
		})
	}
	wg.Wait()
	if n := won.Load(); n != 1 {
		t.Errorf("%d of 100 have claimed the session, want one", n)
	}
}

// claimRace claims a session while its owner goes on saving: a save that begins when the claim has been made fails,
// and what the claimer got is the last save that did not.
func claimRace(t *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	ctx := deadline(t)
	started := make(chan struct{})
	last := uint64(1)
	var claimed atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for revision := uint64(2); ctx.Err() == nil; revision++ {
			late := claimed.Load()
			err := save(ctx, k.a, session(nodeA, revision))
			switch {
			case err == nil && late:
				t.Error("a save succeeded that began after the claim")
				return
			case err == nil:
				last = revision
			case errors.Is(err, domain.ErrSessionLost):
				return
			default:
				t.Errorf("Save: %v", err)
				return
			}
			if revision == 10 {
				close(started)
			}
		}
	})
	select {
	case <-started:
	case <-ctx.Done():
		t.Fatal("ten saves took too long")
	}
	got, err := k.b.Claim(ctx, sampleSession, nodeB)
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	claimed.Store(true)
	wg.Wait()
	if got.Revision != last {
		t.Errorf("revision %d was claimed, but the owner had saved revision %d", got.Revision, last)
	}
}

func deleteSession(t *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	if err := k.b.Delete(deadline(t), sampleSession, nodeB, time.Minute); !errors.Is(err, domain.ErrSessionLost) {
		t.Errorf("Delete by a node that does not own it: %v, want ErrSessionLost", err)
	}
	for range 2 {
		if err := k.a.Delete(deadline(t), sampleSession, nodeA, time.Minute); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	k.claimFails(k.b, nodeB, "after it was deleted")
	for _, s := range []*domain.Session{session(nodeA, 1), session(nodeA, 2), session(nodeB, 1), taken(nodeB, 9)} {
		k.saveFails(k.a, s, "after it was deleted")
	}
	k.claimFails(k.b, nodeB, "after it was deleted, and saved in vain")
}

// deleteBeforeSave deletes what is not there yet: its save is on its way. For as long as that is remembered it is refused.
func deleteBeforeSave(t *testing.T, k *sessionsKit) {
	if err := k.a.Delete(deadline(t), sampleSession, nodeA, 300*time.Millisecond); err != nil {
		t.Fatalf("Delete of what is not there: %v", err)
	}
	k.saveFails(k.a, session(nodeA, 1), "that comes after its deletion")
	k.claimFails(k.b, nodeB, "after it was deleted")
	eventually(t, "the deletion to be forgotten", func() bool {
		err := save(deadline(t), k.a, session(nodeA, 1))
		if err != nil && !errors.Is(err, domain.ErrSessionLost) {
			t.Fatalf("Save: %v", err)
		}
		return err == nil
	})
}

func expiry(t *testing.T, k *sessionsKit) {
	gone := func(id domain.SessionID) bool { // a stranger's delete tells whether it is there, and leaves it
		err := k.b.Delete(deadline(t), id, nodeC, 0)
		if err != nil && !errors.Is(err, domain.ErrSessionLost) {
			t.Fatalf("Delete: %v", err)
		}
		return err == nil
	}
	short, long := session(nodeA, 1), session(nodeA, 2)
	short.KeepFor = 300 * time.Millisecond
	k.save(k.a, short)
	if gone(sampleSession) {
		t.Fatal("the session expired at once")
	}
	eventually(t, "the session to expire", func() bool { return gone(sampleSession) })
	k.claimFails(k.b, nodeB, "after it has expired")
	k.saveFails(k.a, long, "after it has expired")

	// The time counts from the newest save on. Another session of the same time says when the first's is over.
	k.save(k.a, short)
	k.save(k.a, long)
	clock := session(nodeA, 1)
	clock.ID, clock.KeepFor = "clock", short.KeepFor
	k.save(k.a, clock)
	eventually(t, "the time of the first save to pass", func() bool { return gone(clock.ID) })
	k.claim(k.b, nodeB, long)
}

// saveMany saves more sessions at once than go out in one piece; those that are lost cost themselves alone.
func saveMany(t *testing.T, k *sessionsKit) {
	id := func(i int) domain.SessionID { return domain.SessionID(fmt.Sprintf("many-%d", i)) }
	const foreign, unsaved = 3, 1200
	other := session(nodeB, 1)
	other.ID = id(foreign)
	k.save(k.b, other)
	all := make([]*domain.Session, 1300)
	for i := range all {
		all[i] = session(nodeA, 1)
		all[i].ID = id(i)
	}
	all[unsaved].Revision = 2
	errs := k.a.Save(deadline(t), all)
	if len(errs) != len(all) {
		t.Fatalf("Save of %d sessions returned %d errors", len(all), len(errs))
	}
	for i, err := range errs {
		if lost := i == foreign || i == unsaved; errors.Is(err, domain.ErrSessionLost) != lost || (err != nil) != lost {
			t.Errorf("session %d: %v, want lost %t", i, err, lost)
		}
	}
	for _, i := range []int{0, 499, 500, 1299} {
		k.claim(k.b, nodeC, all[i])
	}
	if errs := k.a.Save(deadline(t), nil); errs != nil {
		t.Errorf("Save of nothing: %v", errs)
	}
}

func leases(t *testing.T, k *sessionsKit) {
	if l, err := k.a.Lease(deadline(t), nodeA); !errors.Is(err, domain.ErrNoLease) || l != nil {
		t.Errorf("Lease of a node without one: %v, %v", l, err)
	}
	renew := func(l *domain.Lease) {
		t.Helper()
		if err := k.a.Renew(deadline(t), l); err != nil {
			t.Fatalf("Renew: %v", err)
		}
	}
	for _, want := range []domain.Lease{
		{}, {AsOf: map[string]domain.Offset{"stream": "1526919030474-55"}}, {
			AsOf: map[string]domain.Offset{"räume": "1526919030474-56", "stream": "1526919030474-57"},
			Lost: map[domain.SessionID]domain.Offset{sampleSession: "1526919030474-50", "other": "1526919030474-51"},
		},
	} {
		want.Node, want.KeepFor = nodeA, time.Minute
		renew(&want)
		l, err := k.b.Lease(deadline(t), nodeA)
		if err != nil {
			t.Fatalf("Lease: %v", err)
		}
		if l.Node != nodeA || !maps.Equal(l.AsOf, want.AsOf) || !maps.Equal(l.Lost, want.Lost) {
			t.Errorf("the lease was renewed as %+v and read as %+v", want, *l)
		}
	}
	renew(&domain.Lease{Node: nodeB, KeepFor: 300 * time.Millisecond})
	eventually(t, "the lease to end", func() bool {
		_, err := k.b.Lease(deadline(t), nodeB)
		if err != nil && !errors.Is(err, domain.ErrNoLease) {
			t.Fatalf("Lease: %v", err)
		}
		return err != nil
	})
	if _, err := k.b.Lease(deadline(t), nodeA); err != nil {
		t.Errorf("the other node's lease: %v", err)
	}
	if err := k.a.Renew(cancelled(), &domain.Lease{Node: nodeA, KeepFor: time.Minute}); err == nil {
		t.Error("Renew with a context that is over returned no error")
	}
	if _, err := k.a.Lease(cancelled(), nodeA); err == nil || errors.Is(err, domain.ErrNoLease) {
		t.Errorf("Lease with a context that is over: %v, want the context's error", err)
	}
}
