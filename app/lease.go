package app

import (
	"context"
	"errors"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// leaseMissed is how many renewals may fail before the node's sessions begin to expire.
const leaseMissed = 5

// renew says that the node lives, and as of which positions the records of its sockets are true: those that it has read
// so far, once everything is stored that was changed up to there. While that fails the positions stay as they were.
func (k *keeper) renew(ctx context.Context) {
	n := k.node
	asOf := n.readSoFar()
	for _, r := range k.allTaken() {
		r.mu.Lock()
		if r.state == recordTaken && !r.queued {
			r.touch()
		}
		r.mu.Unlock()
	}
	if k.pass(ctx) == nil {
		k.mu.Lock()
		k.asOf = asOf
		k.mu.Unlock()
	}
	lease := &domain.Lease{
		Node: n.id, AsOf: k.lastLease(), Lost: k.lost(), KeepFor: k.leaseFor,
	}
	renewing, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := n.sessions.Renew(renewing, lease); err != nil && ctx.Err() == nil {
		n.observe(ctx, &domain.SessionsFailed{Err: err})
	}
	now := time.Now()
	k.payOrders(ctx)
	k.refresh(now)
	k.tidy(now)
	k.measure(ctx, now)
}

// lastLease are the positions of the last lease, which nobody changes any more.
func (k *keeper) lastLease() map[string]domain.Offset {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asOf
}

// lost are the records for which the lease does not speak: what is stored of them is true up to the lease before they
// were refused, and what has changed since is not stored.
func (k *keeper) lost() map[domain.SessionID]domain.Offset {
	taken := k.allTaken()
	lost := make(map[domain.SessionID]domain.Offset, len(taken))
	for _, r := range taken {
		r.ns.mu.Lock()
		stream := r.ns.stream
		r.ns.mu.Unlock()
		r.mu.Lock()
		lost[r.id] = r.vouched[stream]
		r.mu.Unlock()
	}
	return lost
}

// readSoFar are the positions up to which the streams were read, and everything in them was done.
func (n *Node) readSoFar() map[string]domain.Offset {
	n.mu.RLock()
	defer n.mu.RUnlock()
	asOf := make(map[string]domain.Offset, len(n.streams))
	for name, s := range n.streams {
		if at := s.read.Load(); at != nil {
			asOf[name] = *at
		}
	}
	return asOf
}

// refreshAfter is after how many windows a record is stored again at the latest. Its client may have been quiet; what
// has arrived there since need not be in the log any more when the node is killed.
const refreshAfter = 4

// refresh stores the records again that would expire, or grow old, while their clients are here.
func (k *keeper) refresh(now time.Time) {
	if now.Before(k.refreshAt) {
		return
	}
	k.refreshAt = now.Add(k.window / 8)
	for _, r := range k.all() {
		r.mu.Lock()
		due := min(k.liveFor/2, refreshAfter*k.window)
		if r.state == recordReturning {
			due = k.window / 2
		}
		// Sockets that came together are refreshed one after the other: half of the time is theirs to choose from.
		due -= due / 2 * time.Duration(r.id[0]) / 128
		if r.state.held() && !r.savedAt.IsZero() && now.Sub(r.savedAt) >= due {
			r.touch()
		}
		r.mu.Unlock()
	}
}

// mark is a position with the time at which the node had read so far.
type mark struct {
	at   domain.Offset
	time time.Time
}

// tidy lets go of what no recovery can need any more, and notes where the namespaces stand, so that it can be told later
// what that is. A lost connection may go unnoticed for a while before the window begins, so everything is kept twice
// as long.
func (k *keeper) tidy(now time.Time) {
	oldest := now.Add(-2 * k.window)
	for _, ns := range k.node.open() {
		ns.mu.Lock()
		ns.marks = append(ns.marks, mark{at: own(ns.fence.Cursor()), time: time.Now()})
		old := 0
		for ns.marks[old].time.Before(oldest) {
			ns.prune = ns.marks[old].at
			old++
		}
		ns.marks = ns.marks[old:] // others may be looking at them
		ns.mu.Unlock()
		ns.archive.forget(now.Add(-pageFor))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for node, known := range k.leases {
		if now.Sub(known.read) > k.leaseAge() {
			delete(k.leases, node)
		}
	}
}

// places are where a namespace stands.
type places struct {
	cursor domain.Offset // read so far
	prune  domain.Offset // read so long ago that no recovery needs it
	marks  []mark        // where it stood when, oldest first
	epoch  domain.Epoch
	tailAt time.Time // when the reader stood at the tail
	broken time.Time // when entries were lost to the reader
}

func (n *Node) placesOf(ns *namespace) places {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return n.placesIn(ns)
}

// placesIn is placesOf for who holds the namespace's order.
func (n *Node) placesIn(ns *namespace) places {
	at := places{cursor: own(ns.fence.Cursor()), prune: ns.prune, marks: ns.marks, tailAt: ns.tailAt, broken: ns.broken}
	n.mu.RLock()
	s, ok := n.streams[ns.stream]
	n.mu.RUnlock()
	if ok {
		if epoch := s.epoch.Load(); epoch != nil {
			at.epoch = *epoch
		}
	}
	return at
}

// leaseAge is how long a lease of another node is believed without asking again. An older one makes a replay longer, and
// nothing wrong.
func (k *keeper) leaseAge() time.Duration { return k.node.config.Recovery.LeaseInterval / 2 }

// leaseOf is another node's lease.
func (k *keeper) leaseOf(ctx context.Context, node domain.NodeID) (*domain.Lease, error) {
	k.mu.Lock()
	known, ok := k.leases[node]
	k.mu.Unlock()
	if ok && time.Since(known.read) < k.leaseAge() {
		return known.lease, nil
	}
	read := time.Now()
	lease, err := k.node.sessions.Lease(ctx, node)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leases[node] = knownLease{lease: lease, read: read}
	return lease, nil
}

// restart puts the sessions of a namespace into a log that began anew: their positions mean nothing in it. The caller
// holds the namespace's order.
func (k *keeper) restart(ns *namespace, cursor domain.Offset) {
	cursor = own(cursor)
	ns.history.restart()
	ns.archive.forget(time.Now().Add(time.Hour))
	ns.marks, ns.prune = nil, ""
	for _, r := range k.all() {
		r.mu.Lock()
		if r.ns == ns && r.state == recordLive {
			r.stays.Restart(cursor)
			r.began, r.asOf, r.anew = cursor, cursor, true
			r.touch()
		}
		r.mu.Unlock()
	}
}

// holding is how much a stream holds, as of the last look.
type holding struct {
	held  domain.Held
	short bool // it was said that this is too little
	at    time.Time
}

const (
	// measurePause is the least time between two looks at how much a stream holds.
	measurePause = 5 * time.Second
	// enough says how much longer than the window a log must reach, in percent, before a warning is taken back.
	enough = 125
)

// measure looks how far back the log reaches, and says so when that is less than the window (case 17).
func (k *keeper) measure(ctx context.Context, now time.Time) {
	retention, ok := ports.As[ports.Retention](k.node.log)
	if !ok {
		return
	}
	for _, ns := range k.node.open() {
		ns.mu.Lock()
		stream := ns.stream
		ns.mu.Unlock()
		h := k.holdingOf(stream)
		if stream == "" || now.Sub(h.at) < measurePause {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, answerTimeout)
		held, err := retention.Held(asking, ns.name)
		cancel()
		if err != nil {
			if !errors.Is(err, domain.ErrUnsupported) && ctx.Err() == nil {
				k.node.observe(ctx, &domain.SessionsFailed{Err: err})
			}
			return
		}
		short := held.Trimmed && held.Age < k.window
		if h.short && held.Trimmed && held.Age < k.window*enough/100 {
			short = true
		}
		if short != h.short {
			k.node.observe(ctx, &domain.LogTooShort{Stream: stream, Held: held, Window: k.window, Enough: !short})
		}
		k.mu.Lock()
		k.holds[stream] = holding{held: held, short: short, at: now}
		k.mu.Unlock()
	}
}

func (k *keeper) holdingOf(stream string) holding {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.holds[stream]
}

// LogHolds is how much the log held of a namespace's stream when the node last looked, which it does every few seconds:
// who is away for longer cannot recover. It is false when the node keeps no sessions, has not looked yet, or the
// transport cannot tell.
func (n *Node) LogHolds(namespace string) (domain.Held, bool) {
	if n.keeper == nil {
		return domain.Held{}, false
	}
	n.mu.RLock()
	ns, ok := n.namespaces[namespace]
	n.mu.RUnlock()
	if !ok {
		return domain.Held{}, false
	}
	ns.mu.Lock()
	stream := ns.stream
	ns.mu.Unlock()
	h := n.keeper.holdingOf(stream)
	return h.held, !h.at.IsZero()
}

// open are the namespaces of now.
func (n *Node) open() []*namespace {
	n.mu.RLock()
	defer n.mu.RUnlock()
	all := make([]*namespace, 0, len(n.namespaces))
	for _, ns := range n.namespaces {
		all = append(all, ns)
	}
	return all
}
