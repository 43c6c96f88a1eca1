package conformance

import (
	"errors"
	"fmt"
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
	run("Claim/many at once", long, claimMany)
	run("Claim/against its owner", long, claimRace)
	run("Delete", long, deleteSession)
	run("Expiry", long, expiry)
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
		Data:      JSONValue(`{"name":"Zoë","key":{"_placeholder":true,"num":0}}`, []byte{1, 2, 0xff}),
		Stays: []domain.Stay{
			{Room: "abcdefghijklmnopqrst"},
			{Room: "部屋", From: "1526919030474-55"},
			{Room: "left", From: "1526919030474-55", Until: "1526919030475-0"},
		},
		Began:   "1526919030474-0",
		AsOf:    "1526919030476-0",
		Epoch:   "7",
		KeepFor: time.Minute,
	}
}

func (k *sessionsKit) save(store ports.Sessions, s *domain.Session) {
	k.t.Helper()
	if err := store.Save(deadline(k.t), s); err != nil {
		k.t.Fatalf("Save of revision %d by %s: %v", s.Revision, s.Owner, err)
	}
}

func (k *sessionsKit) saveFails(store ports.Sessions, s *domain.Session, why string) {
	k.t.Helper()
	if err := store.Save(deadline(k.t), s); !errors.Is(err, domain.ErrSessionLost) {
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
	plain := session(nodeA, 1)
	plain.ID, plain.Data = "plain", JSONValue(`{"a":[1,2.5,"x",null,true]}`)
	for _, s := range []*domain.Session{session(nodeA, 1), bare, null, plain} {
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

func sessionsContext(t *testing.T, k *sessionsKit) {
	if err := k.a.Save(cancelled(), session(nodeA, 1)); err == nil {
		t.Error("Save with a context that is over returned no error")
	}
	if _, err := k.a.Claim(cancelled(), "unknown", nodeA); err == nil || errors.Is(err, domain.ErrNoSession) {
		t.Errorf("Claim with a context that is over: %v, want the context's error", err)
	}
	if err := k.a.GiveBack(cancelled(), sampleSession, nodeA); err == nil {
		t.Error("GiveBack with a context that is over returned no error")
	}
	if err := k.a.Delete(cancelled(), sampleSession, nodeA); err == nil {
		t.Error("Delete with a context that is over returned no error")
	}
}

func claimNothing(t *testing.T, k *sessionsKit) {
	k.claimFails(k.a, nodeA, "where nothing is stored")
	k.giveBack(k.a, nodeA)
	if err := k.a.Delete(deadline(t), sampleSession, nodeA); err != nil {
		t.Errorf("Delete where nothing is stored: %v", err)
	}
}

func claimExclusive(t *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	k.claim(k.b, nodeB, session(nodeA, 1))
	k.claimFails(k.a, nodeC, "while it is claimed")
	k.claimFails(k.b, nodeB, "while it is claimed by itself")
	k.claimFails(k.a, nodeA, "while its session is claimed")
	// Whoever has not claimed it cannot end the claim; whether that is an error is not said.
	_ = k.a.GiveBack(deadline(t), sampleSession, nodeC)
	_ = k.a.GiveBack(deadline(t), sampleSession, nodeA)
	k.claimFails(k.a, nodeC, "after others have given back what they did not have")
}

func claimTakesAway(t *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	k.claim(k.b, nodeB, session(nodeA, 1))
	k.saveFails(k.a, session(nodeA, 1), "while it is claimed")
	k.saveFails(k.a, session(nodeA, 2), "while it is claimed")
	k.saveFails(k.a, session(nodeC, 1), "while it is claimed")
	if err := k.a.Delete(deadline(t), sampleSession, nodeA); !errors.Is(err, domain.ErrSessionLost) {
		t.Errorf("Delete by the old owner while it is claimed: %v, want ErrSessionLost", err)
	}
}

func claimSaved(_ *testing.T, k *sessionsKit) {
	k.save(k.a, session(nodeA, 1))
	k.save(k.a, session(nodeA, 2))
	k.claim(k.b, nodeB, session(nodeA, 2))
	own := session(nodeB, 1)
	own.AsOf = "1526919030480-0"
	k.save(k.b, own)
	k.save(k.b, own)
	k.saveFails(k.a, session(nodeA, 3), "after another has claimed and saved it")
	k.giveBack(k.b, nodeB) // too late: it is no longer a claim
	k.save(k.b, session(nodeB, 2))
	k.claim(k.a, nodeC, session(nodeB, 2))
	k.save(k.a, session(nodeC, 1))
	// A node may take over what is its own, when the client comes back to where it was. The old socket has lost it.
	k.claim(k.a, nodeC, session(nodeC, 1))
	k.saveFails(k.a, session(nodeC, 2), "for the old socket, while its own node has claimed it")
	k.save(k.a, session(nodeC, 1))
	k.claim(k.b, nodeB, session(nodeC, 1))
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
	if err := k.b.Delete(deadline(t), sampleSession, nodeB); err != nil {
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
		if err != nil && !errors.Is(err, domain.ErrNoSession) {
			t.Fatalf("Claim: %v", err)
		}
		again = s
		return err == nil
	})
	k.compare(session(nodeA, 1), again)
	saved := session(nodeC, 1)
	k.save(k.a, saved) // before this claim lapses as well
	k.giveBack(k.b, nodeB)
	k.saveFails(k.b, session(nodeB, 1), "after its claim has lapsed")
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
			case !errors.Is(err, domain.ErrNoSession):
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
			err := k.a.Save(ctx, session(nodeA, revision))
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
	if err := k.b.Delete(deadline(t), sampleSession, nodeB); !errors.Is(err, domain.ErrSessionLost) {
		t.Errorf("Delete by a node that does not own it: %v, want ErrSessionLost", err)
	}
	for range 2 {
		if err := k.a.Delete(deadline(t), sampleSession, nodeA); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	k.claimFails(k.b, nodeB, "after it was deleted")
	k.saveFails(k.a, session(nodeA, 2), "after it was deleted")
	k.save(k.b, session(nodeB, 1))
	k.claim(k.a, nodeA, session(nodeB, 1))
}

func expiry(t *testing.T, k *sessionsKit) {
	gone := func(id domain.SessionID) bool { // a stranger's delete tells whether it is there, and leaves it
		err := k.b.Delete(deadline(t), id, nodeC)
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
