package app

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
)

// beat says in every namespace, again and again, that the node is alive.
func (n *Node) beat() {
	defer n.loops.Done()
	for {
		interval := n.config.HeartbeatInterval
		timer := time.NewTimer(interval - time.Duration(rand.Int64N(int64(interval)/10+1)))
		select {
		case <-n.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		n.mu.RLock()
		open := slices.Collect(maps.Values(n.namespaces))
		n.mu.RUnlock()
		atOnce(len(open), func(i int) {
			n.sayAlive(n.ctx, open[i])
			n.recount(n.ctx, open[i])
		})
	}
}

// sayAlive appends a heartbeat, if the node has joined the namespace. A heartbeat that fails is reported: the next one
// will say the same.
func (n *Node) sayAlive(ctx context.Context, ns *namespace) {
	if !ns.joined.Load() {
		return
	}
	n.tell(ctx, ns, n.log.Append, n.heartbeat(ns))
}

func (n *Node) heartbeat(ns *namespace) *domain.Heartbeat {
	self := n.self()
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return &domain.Heartbeat{Node: self.Info, Draining: self.Draining, Cursor: ns.fence.Cursor()}
}

// send is a way for a message: Log.Append, or Channel.Send to a node.
type send func(ctx context.Context, m *domain.Message) (domain.Offset, error)

// tell sends what nobody waits for: heartbeats and answers. A failure is reported to the observer.
func (n *Node) tell(ctx context.Context, ns *namespace, by send, body domain.Body) {
	ctx, cancel := n.while(ctx)
	defer cancel()
	if _, err := by(ctx, n.message(ns, body)); err != nil && n.ctx.Err() == nil {
		n.observe(ctx, &domain.Dropped{Namespace: ns.name, Kind: body.Kind(), Err: err})
	}
}
