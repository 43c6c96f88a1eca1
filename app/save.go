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

// await puts a record back for the next lease.
func (k *keeper) await(r *record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.queue = append(k.queue, r)
}

// saving is a record on its way into the store.
type saving struct {
	record  *record
	session *domain.Session
	changes uint64
	last    bool // it is not tried again if it fails
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
		s, lost := k.begin(r, at)
		if lost != nil {
			lost()
		}
		switch {
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
		k.remove(ctx, deletes[i])
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

// begin takes a record off the list, as it is now; nil when there is nothing to store. lost is what is to be told to its
// holder, nil for nothing.
func (k *keeper) begin(r *record, at places) (s *saving, lost func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queued = false
	defer func() { r.saving = s != nil }()
	switch r.state {
	case recordGone, recordLeft:
		return nil, nil
	case recordEnded:
		return &saving{record: r, changes: r.changes, last: r.expired()}, nil
	case recordAway:
		if r.outlived() || r.missing() && r.unkept() {
			_ = r.gone()
			return nil, nil
		}
	case recordTaken:
		if r.outlived() {
			_ = r.gone()
			return nil, nil
		}
		if r.deleted != nil {
			return &saving{record: r, changes: r.changes}, nil
		}
	case recordLive:
		if !r.missing() {
			break
		}
		switch may, wait := r.mayStoreAnew(&at); {
		case wait:
			r.queued = true
			k.await(r)
			return nil, nil
		case !may:
			return nil, r.taken()
		}
	case recordReturning:
	}
	s = &saving{record: r, changes: r.changes, session: r.session(&at)}
	if !r.tried { // it may be stored from now on, whatever becomes of the answer
		r.tried, r.savedAt, r.keptFor = true, time.Now(), s.session.KeepFor
	}
	return s, nil
}

// putBack puts a record back on the list, once. The caller holds the record's lock.
func (k *keeper) putBack(r *record) {
	if !r.queued {
		r.queued = true
		k.again(r)
	}
}

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
		r.revision = 0 // it need not be that somebody else has the session
		k.putBack(r)
		return true
	case errors.Is(s.err, domain.ErrSessionLost):
		if r.state != recordTaken {
			lost = r.taken()
		}
		if r.discarded {
			r.done() // whoever has it may have it
		}
		return true // and it is looked at again with the next lease
	case s.err == nil && s.session == nil:
		lost = r.gone()
		return true
	case s.err != nil && s.last:
		_ = r.gone()
		return true
	case s.err != nil:
		k.putBack(r)
		return false
	}
	r.saved(s.session, s.changes)
	if s.session.Away && r.state == recordTaken || r.state == recordAway && r.stored == r.changes {
		r.state = recordLeft
		k.drop(r)
	}
	return true
}
