package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// keeper stores what this node's sockets need for a recovery: their records, many together soon after a change, and the
// node's lease, which says that they are all alive (case 16 of docs/guarantees.md). One goroutine does it.
type keeper struct {
	node   *Node
	window time.Duration
	// leaseFor is how long the node's lease holds.
	leaseFor time.Duration
	// liveFor is how long a live session's record is kept, which is refreshed at half of it at the latest: when the node
	// is killed it is there for longer than the lease, but not for much longer, because a Node.js server knows no lease.
	liveFor time.Duration

	mu      sync.Mutex
	records map[domain.SessionID]*record // that this node holds
	sockets map[socketKey]*record        // the same, by their sockets
	taken   map[domain.SessionID]*record // that somebody has claimed, and may give back
	owed    []*record                    // whose older sockets are still to be dropped
	storing chan struct{}                // closed when what is on its way into the store is there; nil for nothing
	queue   []*record                    // that have changed
	// finished says that the node closes and nothing is stored any more.
	finished bool
	leases   map[domain.NodeID]knownLease // of other nodes
	holds    map[string]holding           // how much the streams hold
	asOf     map[string]domain.Offset     // the positions of the last lease; replaced, never changed

	changed chan struct{} // holds a token when the queue is not empty
	urgent  chan struct{} // holds a token when somebody waits for the queue
	flushes chan chan error
	turns   chan struct{} // holds a token for each recovery under way
	done    chan struct{}

	// ctx ends when the node closes and all local changes have been made: later than the node's, because calls that are
	// under way then may wait for the keeper.
	ctx    context.Context //nolint:containedctx // the keeper's lifetime, no caller's
	cancel context.CancelFunc

	// What follows is the goroutine's alone.

	// backOff is how long the next pass waits after one that has failed; zero when it has not.
	backOff   time.Duration
	refreshAt time.Time
}

type socketKey struct {
	ns     *namespace
	socket domain.SocketID
}

type knownLease struct {
	lease *domain.Lease
	read  time.Time
}

const (
	// saveDelay is how long changes wait for others. With the way to the store they are there within 50 ms.
	saveDelay = 30 * time.Millisecond
	// leastLiveFor is how long a live session's record is kept at least; see keeper.liveFor.
	leastLiveFor = 5 * time.Minute
	// savesAtOnce bounds the records that are encoded and stored in one go, and so the pause of a lease.
	savesAtOnce = 2000
	// recoveriesAtOnce is how many sessions are claimed at the same time. A claim lapses that is not settled soon.
	recoveriesAtOnce = 64
	// firstBackOff and lastBackOff bound the pauses after saves that have failed.
	firstBackOff = 100 * time.Millisecond
	lastBackOff  = 2 * time.Second
)

func newKeeper(n *Node) *keeper {
	leaseFor := n.config.Recovery.Window + leaseMissed*n.config.Recovery.LeaseInterval
	ctx, cancel := context.WithCancel(context.WithoutCancel(n.ctx))
	return &keeper{
		node: n, ctx: ctx, cancel: cancel,
		window: n.config.Recovery.Window, leaseFor: leaseFor, liveFor: max(leastLiveFor, 3*leaseFor),
		records: make(map[domain.SessionID]*record),
		sockets: make(map[socketKey]*record),
		taken:   make(map[domain.SessionID]*record),
		leases:  make(map[domain.NodeID]knownLease),
		holds:   make(map[string]holding),
		changed: make(chan struct{}, 1),
		urgent:  make(chan struct{}, 1),
		flushes: make(chan chan error),
		turns:   make(chan struct{}, recoveriesAtOnce),
		done:    make(chan struct{}),
	}
}

// KeepSession begins the session of a socket that enters a namespace, and returns nil when the node keeps none, or when
// there is no position from which a client could go on. It is called in the namespace's order, with the position that
// was passed there, and rooms are those that the socket is in from its beginning, besides its own. lost is called, at most once and from any goroutine, when somebody else has the
// session: the socket must be closed, and its session left alone.
func (n *Node) KeepSession(
	namespace string, socket domain.SocketID, rooms []string, data domain.Value, at domain.Offset, lost func(),
) ports.Session {
	if n.keeper == nil || at == "" {
		return nil
	}
	ns, err := n.namespace(namespace)
	if err != nil {
		return nil
	}
	at = own(at)
	r := &record{
		keeper: n.keeper, ns: ns, id: newSessionID(), socket: socket,
		data: data, began: at, asOf: at, lost: lost,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stays.Join(string(socket), at)
	for _, room := range rooms {
		r.stays.Join(room, at)
	}
	n.keeper.hold(r)
	r.touch()
	return r
}

// newSessionID returns 20 random characters of the URL-safe base64 alphabet, as in Socket.IO.
func newSessionID() domain.SessionID {
	var random [15]byte
	_, _ = rand.Read(random[:]) // never fails
	return domain.SessionID(base64.URLEncoding.EncodeToString(random[:]))
}

// hold keeps a record, unless this node has taken the session over once more since: then it is false.
func (k *keeper) hold(r *record) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if newer, ok := k.records[r.id]; ok && newer.claim > r.claim {
		return false
	}
	k.records[r.id] = r
	k.sockets[socketKey{r.ns, r.socket}] = r
	return true
}

// orphan keeps a record that somebody has claimed beside those that this node holds. It is still found by its socket.
func (k *keeper) orphan(r *record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.records[r.id] == r {
		delete(k.records, r.id)
	}
	k.taken[r.id] = r
}

// forgetTaken lets go of what somebody had claimed: the session is this node's again, or deleted.
func (k *keeper) forgetTaken(id domain.SessionID) {
	k.mu.Lock()
	r := k.taken[id]
	k.mu.Unlock()
	if r == nil {
		return
	}
	r.mu.Lock()
	_ = r.gone()
	r.mu.Unlock()
}

func (k *keeper) drop(r *record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.taken[r.id] == r {
		delete(k.taken, r.id)
	}
	if k.records[r.id] == r {
		delete(k.records, r.id)
	}
	if key := (socketKey{r.ns, r.socket}); k.sockets[key] == r {
		delete(k.sockets, key)
	}
}

func (k *keeper) find(id domain.SessionID) *record {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, ok := k.records[id]; ok {
		return r
	}
	return k.taken[id]
}

func (k *keeper) findSocket(ns *namespace, socket domain.SocketID) *record {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sockets[socketKey{ns, socket}]
}

// stored is closed when what is now on its way into the store is there, or has failed; nil when nothing is.
func (k *keeper) stored() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.storing
}

// all are the records of now.
func (k *keeper) all() []*record {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]*record, 0, len(k.records))
	for _, r := range k.records {
		all = append(all, r)
	}
	return all
}

func (k *keeper) allTaken() []*record {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.taken))
}

// enqueue puts a record that has changed on the list; false when nothing is stored any more.
func (k *keeper) enqueue(r *record) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.finished {
		return false
	}
	k.queue = append(k.queue, r)
	signal(k.changed)
	return true
}

func (k *keeper) take() []*record {
	k.mu.Lock()
	defer k.mu.Unlock()
	queue := k.queue
	k.queue = nil
	return queue
}

// hurry lets the next pass begin at once.
func (k *keeper) hurry() { signal(k.urgent) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// FlushSessions returns when everything that was said of sessions so far is stored. The error says what kept it from
// being stored, or is ctx's; it is tried again anyway.
func (n *Node) FlushSessions(ctx context.Context) error {
	if n.keeper == nil {
		return nil
	}
	flushed := make(chan error, 1)
	select {
	case n.keeper.flushes <- flushed:
	case <-n.keeper.done:
		return domain.ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-flushed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run stores what has changed, and renews the lease, until the node closes.
func (k *keeper) run() {
	defer k.node.loops.Done()
	defer close(k.done)
	defer k.cancel()
	ctx := k.ctx
	closing := k.node.ctx.Done()
	var late <-chan time.Time
	lease := time.NewTimer(0)
	defer lease.Stop()
	save := time.NewTimer(0)
	save.Stop()
	defer save.Stop()
	pending := false // whether save runs
	for {
		select {
		case <-closing:
			closing, late = nil, time.After(k.node.config.RequestTimeout+goodbyeTimeout)
		case <-late: // somebody waits for the store, which cannot be reached
			k.finish()
			return
		case <-ctx.Done():
			k.finish()
			return
		case <-k.changed:
			if !pending {
				pending = true
				save.Reset(max(saveDelay, k.backOff))
			}
		case <-k.urgent:
			if k.backOff == 0 {
				pending = true
				save.Reset(0)
			}
		case <-save.C:
			pending = false
			_ = k.pass(ctx)
		case flushed := <-k.flushes:
			flushed <- k.pass(ctx)
		case <-lease.C:
			k.renew(ctx)
			lease.Reset(k.node.config.Recovery.LeaseInterval)
		}
	}
}

// finishTimeout bounds how long the end of a node waits for its sessions to be stored. Those that are not are as good as
// those of a node that was killed.
const finishTimeout = 2 * goodbyeTimeout

// finish stores all sessions as away: their sockets are closed, or will be.
func (k *keeper) finish() {
	for _, r := range k.all() {
		r.ns.mu.Lock()
		r.Away(r.ns.fence.Cursor())
		r.ns.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.node.ctx), finishTimeout)
	defer cancel()
	_ = k.pass(ctx)
	k.mu.Lock()
	k.finished = true
	k.mu.Unlock()
	for _, r := range append(k.all(), k.allTaken()...) {
		r.mu.Lock()
		_ = r.gone()
		r.mu.Unlock()
	}
}
