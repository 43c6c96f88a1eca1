package inmemory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
)

// sweepPause is the time between two searches for sessions that have expired.
const sweepPause = time.Minute

// memberSessions is the cluster's session store as a member sees it.
type memberSessions struct{ *Member }

// Save stores copies of sessions.
func (ms memberSessions) Save(ctx context.Context, sessions []*domain.Session) []error {
	errs := make([]error, len(sessions))
	failed := false
	err := ms.do(ctx, "save", func(store *sessionStore, now time.Time) error {
		for i, s := range sessions {
			if errs[i] = store.save(s, now); errs[i] != nil {
				errs[i] = fmt.Errorf("save session: %w", errs[i])
				failed = true
			}
		}
		return nil
	})
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	} else if !failed {
		return nil
	}
	return errs
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

// Delete ends a session.
func (ms memberSessions) Delete(
	ctx context.Context, id domain.SessionID, owner domain.NodeID, remember time.Duration,
) error {
	return ms.do(ctx, "delete", func(store *sessionStore, now time.Time) error {
		return store.remove(id, owner, now, remember)
	})
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
	ended   map[domain.SessionID]time.Time // until when it is known
	leases  map[domain.NodeID]leaseRecord
	sweepAt time.Time
}

type leaseRecord struct {
	lease   domain.Lease
	expires time.Time
}

type sessionRecord struct {
	session domain.Session
	expires time.Time
	// The claim is over when claimedUntil has come.
	claimer      domain.NodeID
	claimedUntil time.Time
}

func newSessionStore() sessionStore {
	return sessionStore{
		records: make(map[domain.SessionID]*sessionRecord), ended: make(map[domain.SessionID]time.Time),
		leases: make(map[domain.NodeID]leaseRecord),
	}
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

var errIncomplete = errors.New("it needs an id, an owner, a revision from 1 and a time to be kept for")

func (st *sessionStore) save(s *domain.Session, now time.Time) error {
	if s.ID == "" || s.Owner == "" || s.Revision == 0 || s.KeepFor <= 0 {
		return errIncomplete
	}
	st.sweep(now)
	r := st.find(s.ID, now)
	switch {
	case now.Before(st.ended[s.ID]):
		return domain.ErrSessionLost
	case r == nil && (s.Revision > 1 || s.Returning):
		return domain.ErrSessionLost
	case r == nil:
		r = &sessionRecord{}
		st.records[s.ID] = r
	case r.owner(now) != s.Owner:
		return domain.ErrSessionLost
	case r.claimed(now) && (s.Revision > 1 || s.Claim <= r.session.Claim), !r.claimed(now) && older(s, &r.session):
		return domain.ErrSessionLost
	}
	*r = sessionRecord{session: copySession(s), expires: now.Add(s.KeepFor)}
	return nil
}

// older reports whether a record was written before another one of its owner.
func older(s, than *domain.Session) bool {
	return s.Claim < than.Claim || s.Claim == than.Claim && s.Revision < than.Revision
}

func (st *sessionStore) claim(
	id domain.SessionID, claimer domain.NodeID, now time.Time, claimFor time.Duration,
) (*domain.Session, error) {
	r := st.find(id, now)
	switch {
	case r == nil:
		return nil, domain.ErrNoSession
	case r.claimed(now):
		return nil, domain.ErrSessionClaimed
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

func (st *sessionStore) remove(id domain.SessionID, owner domain.NodeID, now time.Time, remember time.Duration) error {
	st.sweep(now)
	if r := st.find(id, now); r != nil && r.owner(now) != owner {
		return domain.ErrSessionLost
	}
	delete(st.records, id)
	st.ended[id] = now.Add(remember)
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
	for id, until := range st.ended {
		if !now.Before(until) {
			delete(st.ended, id)
		}
	}
	for node, r := range st.leases {
		if !now.Before(r.expires) {
			delete(st.leases, node)
		}
	}
}

// Renew stores a copy of a lease.
func (ms memberSessions) Renew(ctx context.Context, l *domain.Lease) error {
	if l.Node == "" || l.KeepFor <= 0 {
		return errors.New("renew lease: it needs a node and a time to be kept for")
	}
	copied := domain.Lease{Node: l.Node, AsOf: maps.Clone(l.AsOf), Lost: maps.Clone(l.Lost), KeepFor: l.KeepFor}
	return ms.do(ctx, "renew lease for", func(store *sessionStore, now time.Time) error {
		store.sweep(now)
		store.leases[l.Node] = leaseRecord{lease: copied, expires: now.Add(l.KeepFor)}
		return nil
	})
}

// Lease returns a node's lease.
func (ms memberSessions) Lease(ctx context.Context, node domain.NodeID) (*domain.Lease, error) {
	var lease *domain.Lease
	err := ms.do(ctx, "read lease for", func(store *sessionStore, now time.Time) error {
		r, ok := store.leases[node]
		if !ok || !now.Before(r.expires) {
			return domain.ErrNoLease
		}
		lease = &domain.Lease{
			Node: node, AsOf: maps.Clone(r.lease.AsOf), Lost: maps.Clone(r.lease.Lost), KeepFor: r.expires.Sub(now),
		}
		return nil
	})
	return lease, err
}

// copySession copies what a node may change later. Values are never changed.
func copySession(s *domain.Session) domain.Session {
	copied := *s
	copied.Stays = slices.Clone(s.Stays)
	return copied
}
