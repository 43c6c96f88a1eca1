package app

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
)

// pass stores and deletes what has changed. What fails is kept for the next pass; the error is the first.
func (k *keeper) pass(ctx context.Context) error {
	queue := k.take()
	var failure error
	for part := range slices.Chunk(queue, savesAtOnce) {
		if failure != nil {
			k.again(part...)
			continue
		}
		failure = k.store(ctx, part)
	}
	if failure == nil {
		k.backOff = 0
		return nil
	}
	k.backOff = min(max(2*k.backOff, firstBackOff), lastBackOff)
	k.backOff -= time.Duration(rand.Int64N(int64(k.backOff)/2 + 1))
	return failure
}

// again puts records back on the list.
func (k *keeper) again(records ...*record) {
	k.mu.Lock()
	k.queue = append(k.queue, records...)
	k.mu.Unlock()
	signal(k.changed)
}

// saving is a record on its way into the store.
type saving struct {
	record  *record
	session *domain.Session
	changes uint64
	err     error
}

// store stores some records, and deletes those that have ended.
func (k *keeper) store(ctx context.Context, records []*record) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	storing := make(chan struct{})
	k.mu.Lock()
	k.storing = storing
	k.mu.Unlock()
	defer close(storing)
	var saves, deletes []*saving
	places := make(map[*namespace]places)
	for _, r := range records {
		at, ok := places[r.ns]
		if !ok {
			at = k.node.placesOf(r.ns)
			places[r.ns] = at
		}
		switch s := k.begin(r, at); {
		case s == nil:
		case s.session == nil:
			deletes = append(deletes, s)
		default:
			saves = append(saves, s)
		}
	}
	sessions := make([]*domain.Session, len(saves))
	for i, s := range saves {
		sessions[i] = s.session
	}
	if len(sessions) > 0 {
		for i, err := range k.node.sessions.Save(ctx, sessions) {
			saves[i].err = err
		}
	}
	atOnce(len(deletes), func(i int) {
		deletes[i].err = k.remove(ctx, deletes[i].record)
	})
	failed := 0
	var failure error
	for _, s := range append(saves, deletes...) {
		if !k.end(s) {
			failed++
			failure = s.err
		}
	}
	if failed > 0 && ctx.Err() != context.Canceled {
		k.node.observe(ctx, &domain.SessionsFailed{Sessions: failed, Err: failure})
	}
	return failure
}

// remove deletes a session that has ended. When somebody has claimed it meanwhile, its client is on its way back, and an
// order in the log reaches it wherever it will be (case 15).
func (k *keeper) remove(ctx context.Context, r *record) error {
	n := k.node
	err := n.sessions.Delete(ctx, r.id, n.id)
	r.mu.Lock()
	ordered := r.isDeleted
	r.mu.Unlock()
	if !errors.Is(err, domain.ErrSessionLost) || ordered {
		return err
	}
	order := &domain.Disconnect{Target: domain.Target{Rooms: []string{string(r.socket)}}}
	if _, failure := n.append(ctx, r.ns, order); failure != nil {
		return failure
	}
	return err
}

// begin takes a record off the list, as it is now; nil when there is nothing to store.
func (k *keeper) begin(r *record, at places) (s *saving) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queued = false
	defer func() { r.saving = s != nil }()
	switch r.state {
	case recordGone, recordLeft:
		return nil
	case recordEnded:
		if r.expired() {
			_ = r.gone()
			return nil
		}
		return &saving{record: r, changes: r.changes}
	case recordAway:
		if r.outlived() {
			_ = r.gone()
			return nil
		}
	case recordTaken:
		if r.outlived() {
			_ = r.gone()
			return nil
		}
		if r.deleted != nil {
			return &saving{record: r, changes: r.changes}
		}
	case recordLive, recordReturning:
	}
	r.tried = true
	return &saving{record: r, changes: r.changes, session: r.session(&at)}
}

// forgotten reports whether the store may not have the record any more: it was emptied together with the log, or could
// not be reached for as long as the record was kept.
func (r *record) forgotten() bool {
	return r.state.held() && (r.anew || !r.savedAt.IsZero() && time.Since(r.savedAt) >= r.keptFor)
}

// expired reports whether nothing can be stored any more of what was stored once.
func (r *record) expired() bool {
	return !r.savedAt.IsZero() && time.Since(r.savedAt) > r.keeper.liveFor
}

// outlived reports whether a session that is away, or taken, is surely stored as live no more. Before, what is stored
// would be believed with each new lease, however long the store could not be reached.
func (r *record) outlived() bool { return time.Since(r.awayAt) >= r.keeper.liveFor }

// end takes note of how a save or a deletion has ended; false when it is tried again.
func (k *keeper) end(s *saving) (done bool) {
	r := s.record
	var lost func()
	r.mu.Lock()
	r.saving = false
	defer func() {
		r.mu.Unlock()
		if lost != nil {
			lost()
		}
	}()
	switch {
	case r.state == recordGone:
		return true
	case errors.Is(s.err, domain.ErrSessionLost) && r.forgotten():
		// It need not be that somebody else has the session. If so, the next save will be refused as well.
		r.anew, r.revision, r.savedAt = false, 0, time.Time{}
		if !r.queued {
			r.queued = true
			k.again(r)
		}
		return true
	case errors.Is(s.err, domain.ErrSessionLost):
		if r.state != recordTaken {
			lost = r.taken()
		}
		if s.session == nil && !r.isDeleted { // whoever has it now is ordered to disconnect
			r.isDeleted = true
			close(r.deleted)
		}
		return true // and it is looked at again with the next lease
	case s.err == nil && s.session == nil:
		lost = r.gone()
		return true
	case s.err != nil:
		if !r.queued {
			r.queued = true
			k.again(r)
		}
		return false
	}
	r.saved(s.session, s.changes)
	if s.session.Away && r.state == recordTaken || r.state == recordAway && r.stored == r.changes {
		r.state = recordLeft
		k.drop(r)
	}
	return true
}
