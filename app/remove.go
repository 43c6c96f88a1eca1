package app

import (
	"context"
	"errors"

	"github.com/roombus/roombus/domain"
)

// remove deletes a session that has ended. When somebody has claimed it meanwhile its client is on its way back, and is
// ordered to disconnect wherever it will be (case 15), unless there is nothing against its coming back.
func (k *keeper) remove(ctx context.Context, s *saving) {
	r, n := s.record, k.node
	s.err = n.sessions.Delete(ctx, r.id, n.id, k.remember())
	if !errors.Is(s.err, domain.ErrSessionLost) {
		return
	}
	r.mu.Lock()
	needless := r.isDeleted || r.discarded || r.ordering
	r.ordering = r.ordering || !needless
	r.mu.Unlock()
	if needless {
		return
	}
	// The log can take its time; what others have said of their sessions must be stored meanwhile (case 16).
	if !n.outbox.submit(func() { k.orderOut(n.ctx, r) }) {
		k.orderOut(ctx, r) // the node closes
	}
}

// orderOut orders whoever has an ended session to disconnect. If that fails it is tried again with the next lease.
func (k *keeper) orderOut(ctx context.Context, r *record) {
	n := k.node
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_, err := n.append(ctx, r.ns, &domain.Disconnect{Target: domain.Target{Rooms: []string{string(r.socket)}}})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ordering = false
	switch {
	case err == nil:
		r.done()
	case !r.queued && r.state != recordGone:
		r.queued = true
		k.await(r)
	}
}
