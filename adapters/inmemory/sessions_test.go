package inmemory_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/domain"
)

func session(id domain.SessionID, owner domain.NodeID, keepFor time.Duration) *domain.Session {
	return &domain.Session{ID: id, Owner: owner, Revision: 1, KeepFor: keepFor}
}

func TestClaimTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newCluster(t, inmemory.Config{}).Member().Sessions()
		ctx := t.Context()
		claim := func(what string, wanted error) {
			t.Helper()
			if _, err := store.Claim(ctx, "id", "b"); !errors.Is(err, wanted) {
				t.Errorf("%s: Claim: %v, want %v", what, err, wanted)
			}
		}
		if err := errors.Join(store.Save(ctx, []*domain.Session{session("id", "a", time.Minute)})...); err != nil {
			t.Fatalf("Save: %v", err)
		}
		claim("at first", nil)
		pass(inmemory.DefaultClaimFor - 1)
		claim("just before the claim lapses", domain.ErrSessionClaimed)
		pass(1)
		claim("when it has lapsed", nil)
		pass(55 * time.Second)
		claim("two seconds before the session expires", nil)
		pass(2500 * time.Millisecond)
		taken := session("id", "b", time.Minute)
		taken.Claim = 1
		if err := errors.Join(store.Save(ctx, []*domain.Session{taken})...); err != nil {
			t.Errorf("a claim outlives the session, so that it can be saved: %v", err)
		}
		pass(time.Minute)
		claim("when the new session has expired", domain.ErrNoSession)
	})
}

func TestSaveNeedsAWholeSession(t *testing.T) {
	store := newCluster(t, inmemory.Config{}).Member().Sessions()
	for _, s := range []*domain.Session{
		session("", "a", time.Minute), session("id", "", time.Minute), session("id", "a", 0), {ID: "id", Owner: "a", KeepFor: 1},
	} {
		if err := errors.Join(store.Save(t.Context(), []*domain.Session{s})...); err == nil {
			t.Errorf("%+v was saved", *s)
		}
	}
}

func TestExpiredSessionsAreSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, inmemory.Config{})
		store := c.Member().Sessions()
		save := func(id string) {
			t.Helper()
			if err := errors.Join(store.Save(t.Context(), []*domain.Session{session(domain.SessionID(id), "a", time.Minute)})...); err != nil {
				t.Fatalf("Save: %v", err)
			}
		}
		for i := range 1000 {
			save(fmt.Sprint("old ", i))
		}
		pass(2 * time.Minute)
		save("new")
		if n := c.SessionCount(); n != 1 {
			t.Errorf("%d sessions are kept, want the new one alone", n)
		}
	})
}
