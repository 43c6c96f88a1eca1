package app

import (
	"context"
	"time"

	"github.com/roombus/roombus/domain"
)

// ordersEvery is how soon after a session was taken the next order that it is somebody else's again is put off. A client
// that hops from node to node would fill the log with them otherwise.
const ordersEvery = time.Second

// recentlyTaken reports whether a session had been taken a moment before it was claimed now. The number that it was
// taken with is the time, in microseconds, where nothing was counted on from it.
func recentlyTaken(s *domain.Session, now time.Time) bool {
	return s.Claim > 0 && now.UnixMicro()-int64(s.Claim) < ordersEvery.Microseconds()
}

// owe puts off the order to drop what is left of a session's older sockets.
func (k *keeper) owe(r *record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.owed = append(k.owed, r)
}

// payOrders sends the orders that were put off, but for sessions that were taken once more: whoever has them now sends
// one for all.
func (k *keeper) payOrders(ctx context.Context) {
	k.mu.Lock()
	owed := k.owed
	k.owed = nil
	k.mu.Unlock()
	n := k.node
	for _, r := range owed {
		r.mu.Lock()
		over := r.state == recordTaken || r.state == recordGone
		r.mu.Unlock()
		if over {
			continue
		}
		n.later(ctx, r.ns, domain.KindDisconnect, func() {
			ctx, cancel := n.while(ctx)
			defer cancel()
			n.orderSuperseded(ctx, r.ns, r)
		})
	}
}
