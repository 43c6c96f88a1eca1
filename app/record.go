package app

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

var _ ports.Session = (*record)(nil)

// record is a session as this node holds it: a ports.Session.
//
// It is locked after its namespace and before the keeper.
type record struct {
	keeper *keeper
	ns     *namespace
	id     domain.SessionID
	socket domain.SocketID
	claim  uint64

	mu    sync.Mutex
	state recordState
	data  domain.Value
	stays domain.Stays
	began domain.Offset
	asOf  domain.Offset
	lost  func() // nil when nobody needs to be told
	// arrivals tells what has arrived at the client; nil when nobody knows.
	arrivals func() time.Time
	// changes counts what was said of the session, stored how many of these are stored.
	changes, stored uint64
	// revision is that of the last save of which it is known that it was made; tried says that there was one of
	// which it may not be known.
	revision uint64
	tried    bool
	savedAt  time.Time
	keptFor  time.Duration // from then on
	awayAt   time.Time
	// vouched are the positions of the last lease before that: what is stored is surely true up to there, and need not
	// be any further.
	vouched map[string]domain.Offset
	queued  bool          // the keeper has it on its list
	saving  bool          // it is on its way into the store
	anew    bool          // the log began anew since the last save
	waiting chan struct{} // closed when there is news of a save; nil while nobody waits
	deleted chan struct{} // closed when an ended session is deleted, isDeleted then; nil before its end

	isDeleted bool
	// ordering says that an order is on its way that has whoever has taken the ended session disconnect.
	ordering bool
	// discarded says that whoever has claimed the ended session meanwhile may have it.
	discarded bool
}

type recordState uint8

const (
	recordLive recordState = iota
	// recordReturning: its client is on its way back. It is stored as away, in case that this node dies.
	recordReturning
	recordAway
	// recordTaken: somebody has claimed it, and may give it back, as it was. Then it is stored as away, or deleted if it
	// has ended; this node could not speak for it any more.
	recordTaken
	// recordLeft: it is stored as away, and there is nothing more to do.
	recordLeft
	recordEnded
	// recordGone: it is somebody else's, or deleted.
	recordGone
)

// held reports whether a client holds the session, or is about to.
func (s recordState) held() bool { return s == recordLive || s == recordReturning }

// ID is the private id.
func (r *record) ID() domain.SessionID { return r.id }

// Join says that the socket is in the rooms.
func (r *record) Join(rooms []string, at domain.Offset) {
	r.changeRooms(at, func(at domain.Offset) (changed bool) {
		for _, room := range rooms {
			changed = r.stays.Join(room, at) || changed
		}
		return changed
	})
}

// Leave says that the socket is in the rooms no longer.
func (r *record) Leave(rooms []string, at domain.Offset) {
	r.changeRooms(at, func(at domain.Offset) (changed bool) {
		for _, room := range rooms {
			changed = r.stays.Leave(room, at) || changed
		}
		return changed
	})
}

func (r *record) changeRooms(at domain.Offset, change func(at domain.Offset) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A position may be a part of a whole batch that was read; it is kept for long.
	if at = own(at); r.state == recordLive && change(at) {
		r.stays.Bound(r.keeper.node.log.Compare)
		r.trueAsOf(at)
		r.touch()
	}
}

// own is a copy of an offset that shares its bytes with nothing.
func own(at domain.Offset) domain.Offset { return domain.Offset(strings.Clone(string(at))) }

func (r *record) trueAsOf(at domain.Offset) {
	if r.keeper.node.log.Compare(at, r.asOf) > 0 {
		r.asOf = at
	}
}

// touch takes note of a change. The caller holds the lock.
func (r *record) touch() {
	r.changes++
	if !r.queued {
		r.queued = r.keeper.enqueue(r)
	}
	if !r.queued { // the node has closed
		_ = r.gone()
	}
}

// Arrivals says how to learn what has arrived at the client.
func (r *record) Arrivals(upTo func() time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrivals = upTo
}

// confirm lets the session begin behind what has arrived at the client, as far as it is known where that was. The caller
// holds the lock.
func (r *record) confirm(marks []mark) {
	if r.arrivals == nil || r.state != recordLive {
		return
	}
	arrived := r.arrivals()
	for i := len(marks) - 1; i >= 0 && !arrived.IsZero(); i-- {
		if marks[i].time.After(arrived) {
			continue
		}
		if r.keeper.node.log.Compare(marks[i].at, r.began) > 0 {
			r.began = marks[i].at
		}
		return
	}
}

// SetData replaces what the application keeps with the socket.
func (r *record) SetData(v domain.Value) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.held() {
		r.data = v
		r.touch()
	}
}

// Away says that the connection was lost.
func (r *record) Away(at domain.Offset) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == recordLive {
		r.confirm(r.ns.marks)
		r.leave(own(at))
	}
}

// leave lets the client come back for the window from now on. The caller holds the lock.
func (r *record) leave(at domain.Offset) {
	r.state, r.awayAt = recordAway, time.Now()
	r.lost, r.arrivals = nil, nil
	r.trueAsOf(at)
	r.touch()
}

// nothing is left to be deleted.
var nothing = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Discard says that there is nothing to come back to.
func (r *record) Discard() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deleted == nil {
		r.discarded = true
		r.end()
	}
}

// End says that the client must not come back.
func (r *record) End() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discarded = false
	return r.end()
}

// end has the session deleted; what it returns is closed then. The caller holds the lock.
func (r *record) end() <-chan struct{} {
	if r.deleted != nil {
		return r.deleted
	}
	if r.state == recordGone || r.state == recordTaken {
		return nothing // of it is this socket's
	}
	r.deleted = make(chan struct{})
	r.lost = nil
	if !r.tried {
		_ = r.gone()
		return r.deleted
	}
	r.state = recordEnded
	if !r.keeper.hold(r) {
		_ = r.gone()
		return r.deleted
	}
	r.touch()
	r.keeper.hurry()
	return r.deleted
}

// Saved waits until everything that was said so far is stored.
func (r *record) Saved(ctx context.Context) error {
	r.mu.Lock()
	wanted := r.changes
	for {
		switch {
		case r.stored >= wanted:
			r.mu.Unlock()
			return nil
		case r.state == recordGone || r.state == recordTaken || r.state == recordEnded:
			r.mu.Unlock()
			if r.keeper.node.ctx.Err() != nil {
				return domain.ErrClosed
			}
			return domain.ErrSessionLost
		}
		if r.waiting == nil {
			r.waiting = make(chan struct{})
		}
		news := r.waiting
		r.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.keeper.done:
			return domain.ErrClosed
		}
		r.mu.Lock()
	}
}

// tell wakes those who wait for a save. The caller holds the lock.
func (r *record) tell() {
	if r.waiting != nil {
		close(r.waiting)
		r.waiting = nil
	}
}

// saved takes note of a save that holds so many changes. The caller holds the lock.
func (r *record) saved(s *domain.Session, changes uint64) {
	r.revision, r.anew = s.Revision, false
	r.savedAt, r.keptFor = time.Now(), s.KeepFor
	r.stored = max(r.stored, changes)
	r.tell()
}

func (r *record) ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state == recordEnded
}

// taken takes note that somebody has claimed the session, and returns what is to be told to its holder, nil for nothing.
// The caller holds the lock.
func (r *record) taken() (lost func()) {
	lost, r.lost, r.arrivals = r.lost, nil, nil
	r.state, r.vouched = recordTaken, r.keeper.lastLease()
	if r.awayAt.IsZero() {
		r.awayAt = time.Now()
	}
	r.revision = max(r.revision, 1) // it was stored: what is deleted since must not be stored anew
	r.keeper.orphan(r)
	r.tell()
	return lost
}

// gone ends the record for good and returns what is to be told to its holder, nil for nothing. The caller holds the lock.
func (r *record) gone() (lost func()) {
	lost, r.lost, r.arrivals = r.lost, nil, nil
	r.state = recordGone
	r.keeper.drop(r)
	r.done()
	r.tell()
	return lost
}

// done says that an ended session is deleted, or as good as that. The caller holds the lock.
func (r *record) done() {
	if r.deleted != nil && !r.isDeleted {
		r.isDeleted = true
		close(r.deleted)
	}
}

// briefly is for how long a record is stored whose window was over before the store could be reached: it replaces one
// that would be kept for longer.
const briefly = time.Millisecond

// session is the record as it is stored now. at is where the namespace stood before, or stands: up to there the rooms of
// a live socket are as they are here. The caller holds the lock.
func (r *record) session(at *places) *domain.Session {
	k := r.keeper
	r.confirm(at.marks)
	s := &domain.Session{
		ID: r.id, Socket: r.socket, Namespace: r.ns.name, Owner: k.node.id, Revision: r.revision + 1, Claim: r.claim,
		Data: r.data, Began: r.began, Epoch: at.epoch, KeepFor: k.liveFor,
	}
	if r.state == recordLive {
		r.trueAsOf(at.cursor)
		through := r.began // nothing is replayed from before it
		if k.node.log.Compare(at.prune, through) > 0 {
			through = at.prune
		}
		r.stays.Prune(through, k.node.log.Compare)
	} else {
		s.Away, s.Returning, s.KeepFor = true, r.state == recordReturning, k.window
		if r.state != recordReturning {
			s.KeepFor = max(s.KeepFor-time.Since(r.awayAt), briefly)
		}
	}
	r.stays.Bound(k.node.log.Compare)
	s.AsOf, s.Stays, s.Whole = r.asOf, r.stays.List(), r.stays.Whole()
	return s
}
