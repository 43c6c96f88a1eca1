package inmemory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
)

// sweepPause is the time between two searches for sessions that have expired.
const sweepPause = time.Minute

// memberSessions is the cluster's session store as a member sees it.
type memberSessions struct{ *Member }

// Save stores a copy of s.
func (ms memberSessions) Save(ctx context.Context, s *domain.Session) error {
	if s.ID == "" || s.Owner == "" || s.Revision == 0 || s.KeepFor <= 0 {
		return errors.New("save session: it needs an id, an owner, a revision from 1 and a time to be kept for")
	}
	return ms.do(ctx, "save", func(store *sessionStore, now time.Time) error { return store.save(s, now) })
}

// Claim takes a session away from its owner.
func (ms memberSessions) Claim(
	ctx context.Context, id domain.SessionID, claimer domain.NodeID,
) (*domain.Session, error) {
	var claimed *domain.Session
	err := ms.do(ctx, "claim", func(store *sessionStore, now time.Time) (err error) {
		claimed, err = store.claim(id, claimer, now, ms.cluster.config.ClaimFor)
		return err
	})
	return claimed, err
}

// GiveBack ends a claim.
func (ms memberSessions) GiveBack(ctx context.Context, id domain.SessionID, claimer domain.NodeID) error {
	return ms.do(ctx, "give back", func(store *sessionStore, now time.Time) error {
		store.giveBack(id, claimer, now)
		return nil
	})
}

// Delete removes a session.
func (ms memberSessions) Delete(ctx context.Context, id domain.SessionID, owner domain.NodeID) error {
	return ms.do(ctx, "delete", func(store *sessionStore, now time.Time) error { return store.remove(id, owner, now) })
}

func (ms memberSessions) do(
	ctx context.Context, what string, call func(*sessionStore, time.Time) error,
) error {
	var problem error
	err := ms.connected(ctx, func() { problem = call(&ms.cluster.sessions, time.Now()) })
	if err = errors.Join(err, problem); err != nil {
		return fmt.Errorf("%s session: %w", what, err)
	}
	return nil
}

// sessionStore keeps the sessions. The cluster's lock guards it.
type sessionStore struct {
	records map[domain.SessionID]*sessionRecord
	sweepAt time.Time
}

type sessionRecord struct {
	session domain.Session
	expires time.Time
	// The claim is over when claimedUntil has come.
	claimer      domain.NodeID
	claimedUntil time.Time
}

func newSessionStore() sessionStore {
	return sessionStore{records: make(map[domain.SessionID]*sessionRecord)}
}

func (r *sessionRecord) claimed(now time.Time) bool {
	return r.claimer != "" && now.Before(r.claimedUntil)
}

// owner is who may write and delete the session: its claimer, or else who has saved it.
func (r *sessionRecord) owner(now time.Time) domain.NodeID {
	if r.claimed(now) {
		return r.claimer
	}
	return r.session.Owner
}

func (st *sessionStore) save(s *domain.Session, now time.Time) error {
	st.sweep(now)
	r := st.find(s.ID, now)
	switch {
	case r == nil && s.Revision > 1:
		return domain.ErrSessionLost
	case r == nil:
		r = &sessionRecord{}
		st.records[s.ID] = r
	case r.owner(now) != s.Owner:
		return domain.ErrSessionLost
	case r.claimed(now) && s.Revision > 1, !r.claimed(now) && s.Revision < r.session.Revision:
		return domain.ErrSessionLost
	}
	*r = sessionRecord{session: copySession(s), expires: now.Add(s.KeepFor)}
	return nil
}

func (st *sessionStore) claim(
	id domain.SessionID, claimer domain.NodeID, now time.Time, claimFor time.Duration,
) (*domain.Session, error) {
	r := st.find(id, now)
	if r == nil || r.claimed(now) {
		return nil, domain.ErrNoSession
	}
	r.claimer, r.claimedUntil = claimer, now.Add(claimFor)
	s := copySession(&r.session)
	return &s, nil
}

func (st *sessionStore) giveBack(id domain.SessionID, claimer domain.NodeID, now time.Time) {
	if r := st.find(id, now); r != nil && r.claimed(now) && r.claimer == claimer {
		r.claimer = ""
	}
}

func (st *sessionStore) remove(id domain.SessionID, owner domain.NodeID, now time.Time) error {
	r := st.find(id, now)
	if r == nil {
		return nil
	}
	if r.owner(now) != owner {
		return domain.ErrSessionLost
	}
	delete(st.records, id)
	return nil
}

// find returns the record of a session that has not expired. A claim outlives the expiry: the claimer may still save.
func (st *sessionStore) find(id domain.SessionID, now time.Time) *sessionRecord {
	r, ok := st.records[id]
	if !ok {
		return nil
	}
	if r.over(now) {
		delete(st.records, id)
		return nil
	}
	return r
}

func (r *sessionRecord) over(now time.Time) bool { return !now.Before(r.expires) && !r.claimed(now) }

// sweep removes what has expired and was not asked for again.
func (st *sessionStore) sweep(now time.Time) {
	if now.Before(st.sweepAt) {
		return
	}
	st.sweepAt = now.Add(sweepPause)
	for id, r := range st.records {
		if r.over(now) {
			delete(st.records, id)
		}
	}
}

// copySession copies what a node may change later. Values are never changed.
func copySession(s *domain.Session) domain.Session {
	copied := *s
	copied.Stays = slices.Clone(s.Stays)
	return copied
}
