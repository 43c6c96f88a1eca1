package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// namespace is what a node knows about one namespace. Its lock is the namespace's order: deliveries, room operations
// and local changes are made under it, one after the other.
type namespace struct {
	name string

	joining chan struct{} // holds a token while the node joins or leaves the namespace
	joined  atomic.Bool
	left    bool
	ears    ports.Subscription // to the channel
	// others is how many listen on the channel who are no members, as of the last count.
	others atomic.Int64

	mu      sync.Mutex
	stream  string // that the namespace's entries come in; empty before the first
	fence   *domain.Fence[func(at domain.Offset)]
	members *domain.Membership
	// reading is the log clock's, as of the last entry or notice.
	reading time.Duration
	// tailAt is when the reader last stood at the tail, by its own clock.
	tailAt time.Time
	// broken is when the reader was told last that it has lost entries.
	broken time.Time
	// appended is the position of this node's last append that has its answer.
	appended domain.Offset
	// parked are requests from the channel whose senders had read further than this node.
	parked []parkedRequest
	// mixed are the other nodes of which it was told that they do as to recovery what this one does not.
	mixed map[domain.NodeID]struct{}
	// missed is how many nodes without a name have missed the deadline of the last question.
	missed int
	// The rest is for recovery: what was read last, and what was read again; where the namespace stood at which time,
	// and before what nothing is needed any more; who waits for a position, in order.
	history history
	archive *archive
	marks   []mark
	prune   domain.Offset
	awaited []awaited
	// drained says that the node ends, and no change waits any more for anything to come back.
	drained bool
}

type parkedRequest struct {
	ctx     context.Context //nolint:containedctx // the message's own: its trace, kept until it is handled
	message *domain.Message
	since   time.Duration
}

func (n *Node) newNamespace(name string) *namespace {
	// Suspicion needs at least one heartbeat missed, and some time to spare.
	suspect := (n.config.HeartbeatInterval + n.config.HeartbeatTimeout) / 2
	return &namespace{
		name:    name,
		joining: make(chan struct{}, 1),
		fence:   domain.NewFence[func(domain.Offset)](n.log.Compare),
		members: domain.NewMembership(n.id, suspect, n.config.HeartbeatTimeout),
		archive: newArchive(&n.archived),
	}
}

// join makes the node a member of the namespace, once.
func (n *Node) join(ctx context.Context, ns *namespace) error {
	if ns.joined.Load() {
		return nil
	}
	ctx, cancel := n.waiting(ctx, 0)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	select {
	case ns.joining <- struct{}{}:
		defer func() { <-ns.joining }()
	case <-ctx.Done():
		if n.ctx.Err() != nil {
			return domain.ErrClosed
		}
		return fmt.Errorf("join namespace %s: %w", ns.name, ctx.Err())
	}
	if ns.joined.Load() {
		return nil
	}
	if ns.left {
		return domain.ErrClosed
	}
	ears, err := n.channel.Listen(ctx, ns.name, n.id, listener{n})
	if err != nil {
		return fmt.Errorf("join namespace %s: listen on the channel: %w", ns.name, err)
	}
	beat := &domain.InitialHeartbeat{Heartbeat: *n.heartbeat(ns)}
	// Local changes wait until it has come back, so that each has a place in the log.
	if _, err := n.append(ctx, ns, beat); err != nil {
		return errors.Join(fmt.Errorf("join namespace %s: %w", ns.name, err), ears.Close())
	}
	ns.ears = ears
	ns.joined.Store(true)
	n.recount(ctx, ns)
	return nil
}

// unnamed is how many listen on the channel who are no members, as of the last count.
func (ns *namespace) unnamed() int { return int(ns.others.Load()) }

// leave stops listening and says goodbye, if the namespace was joined.
func (ns *namespace) leave(ctx context.Context, n *Node) error {
	ns.joining <- struct{}{} // a join under way ends with the node
	defer func() { <-ns.joining }()
	ns.left = true
	if !ns.joined.Swap(false) {
		return nil
	}
	err := ns.ears.Close()
	if _, appendErr := n.log.Append(ctx, n.message(ns, &domain.Goodbye{})); appendErr != nil {
		err = errors.Join(err, fmt.Errorf("leave namespace %s: %w", ns.name, appendErr))
	}
	return err
}

func (n *Node) message(ns *namespace, body domain.Body) *domain.Message {
	return &domain.Message{Node: n.id, Namespace: ns.name, Body: body}
}

// InOrder makes a local change at its place in the namespace: behind everything that this node has appended so far,
// and before what it appends next. With nothing outstanding the change is made before InOrder returns, which then
// reports true; else it is made later, on the goroutine that reads the log. at is the position as of which the change
// holds. The change is made under the namespace's order: it must not block and must not call the node.
func (n *Node) InOrder(namespace string, change func(at domain.Offset)) (made bool) {
	ns, err := n.namespace(namespace)
	if err != nil {
		change("") // no such order, or no longer: nothing to wait for
		return true
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.drained || ns.fence.Add(change) {
		change(ns.fence.Cursor())
		return true
	}
	return false
}

// awaitChanges waits, for a while, until the local changes are made that wait for what this node has appended to come
// back: the sessions are stored with them.
func (n *Node) awaitChanges(open []*namespace) {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	for _, ns := range open {
		made := make(chan struct{})
		n.InOrder(ns.name, func(domain.Offset) { close(made) })
		select {
		case <-made:
		case <-ctx.Done():
			return
		}
	}
}

// drain makes every change that still waits, in its order. Nothing waits any more from then on.
func (n *Node) drain(ns *namespace) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.drained = true
	ns.fence.Restart(ns.fence.Cursor())
	n.settle(ns)
}

// settle makes the changes and handles the requests that wait for nothing any more.
func (n *Node) settle(ns *namespace) {
	for {
		change, ok := ns.fence.Next()
		if !ok {
			break
		}
		change(ns.fence.Cursor())
	}
	ns.reachedCursor(n.log.Compare)
	n.unpark(ns)
}

// append puts a message that sockets can notice into the log, with the namespace's local changes kept behind it; with
// OrderLocalFirst this node's own sockets have had it, so there is nothing to keep them behind.
func (n *Node) append(ctx context.Context, ns *namespace, body domain.Body) (domain.Offset, error) {
	fenced := n.config.Order == OrderLog
	var ticket domain.Ticket
	if fenced {
		ns.mu.Lock()
		ticket = ns.fence.Begin()
		ns.mu.Unlock()
	}

	at, err := n.log.Append(ctx, n.message(ns, body))

	ns.mu.Lock()
	defer ns.mu.Unlock()
	if fenced {
		ns.fence.Resolve(ticket, at)
	}
	if err == nil && n.log.Compare(at, ns.appended) > 0 {
		ns.appended = at
	}
	n.settle(ns)
	if err != nil {
		return "", fmt.Errorf("publish in %s: %w", ns.name, err)
	}
	return at, nil
}
