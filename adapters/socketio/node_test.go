package socketio_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// loneNode is the node of a cluster that has no other, with a log that a test can hold back: what is appended meanwhile
// comes back, in its order, on release.
type loneNode struct {
	edge ports.Edge
	// openErr is what Open returns.
	openErr error
	// drainErr is what AnnounceDraining returns.
	drainErr error
	// id and address are the node's, where they matter.
	id      domain.NodeID
	address *string
	// members are other nodes, with their addresses.
	members map[domain.NodeID]string
	// window is how long sessions are kept; zero switches recovery off.
	window time.Duration
	// kept gets the sessions of sockets that enter.
	kept chan *keptSession
	// recover is what Recover does; nil finds no session.
	recover func(id domain.SessionID, seen domain.Offset, lost func()) (ports.Comeback, domain.Recovery)

	mu       sync.Mutex
	held     bool
	draining bool
	grown    chan struct{} // closed and replaced when the log grows
	log      []func()
	offset   int
	read     int
	count    int
}

func (n *loneNode) Attach(e ports.Edge) error {
	n.edge = e
	return nil
}

func (n *loneNode) Open(context.Context, string) error { return n.openErr }

func (n *loneNode) NodeCount(string) int { return 1 }

func (n *loneNode) ID() domain.NodeID {
	if n.id != "" {
		return n.id
	}
	return "0123456789abcdef"
}

// Member knows the node itself, and those of members.
func (n *loneNode) Member(_ string, id domain.NodeID) (domain.Member, bool) {
	if id == n.ID() {
		address := "127.0.0.1:1" // where nobody is
		if n.address != nil {
			address = *n.address
		}
		return domain.Member{ID: id, Self: true, Info: domain.NodeInfo{Address: address}}, true
	}
	address, ok := n.members[id]
	return domain.Member{ID: id, Info: domain.NodeInfo{Address: address}}, ok
}

// hold keeps back what is appended from now on.
func (n *loneNode) hold() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = true
}

// release lets everything come back.
func (n *loneNode) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = false
	n.drain()
}

func (n *loneNode) drain() {
	for len(n.log) > 0 && !n.held {
		entry := n.log[0]
		n.log = n.log[1:]
		entry()
	}
}

// waitFor waits until so many entries and changes are held back.
func (n *loneNode) waitFor(t *testing.T, count int) {
	t.Helper()
	for {
		n.mu.Lock()
		if n.grown == nil {
			n.grown = make(chan struct{})
		}
		have, grown := len(n.log), n.grown
		n.mu.Unlock()
		if have >= count {
			return
		}
		select {
		case <-grown:
		case <-time.After(patience):
			t.Fatalf("%d held back, want %d", have, count)
		}
	}
}

// push puts an entry or a change into the log. mu is held.
func (n *loneNode) push(entry func()) {
	n.log = append(n.log, entry)
	if n.grown != nil {
		close(n.grown)
		n.grown = nil
	}
}

// append puts an entry into the log. Its part is done when it comes back.
func (n *loneNode) append(entry func()) domain.Offset {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.offset++
	n.push(entry)
	n.drain()
	return domain.Offset(fmt.Sprint(n.offset))
}

func (n *loneNode) InOrder(_ string, change func(domain.Offset)) (made bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.log) == 0 {
		change(n.cursor())
		return true
	}
	n.push(func() { change(n.cursor()) })
	return false
}

// cursor is the position up to which everything has come back. mu is held.
func (n *loneNode) cursor() domain.Offset { return domain.Offset(fmt.Sprint(n.read)) }

// readEntry counts an entry that has come back, and returns its position. mu is held.
func (n *loneNode) readEntry() domain.Offset {
	n.read++
	return n.cursor()
}

func (n *loneNode) Broadcast(
	ctx context.Context, namespace string, t domain.Target, p domain.Packet,
) (domain.Offset, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("%w: %w", domain.ErrNotPublished, err)
	}
	return n.append(func() {
		d := &domain.Delivery{Namespace: namespace, Target: t, Packet: p}
		if at := n.readEntry(); t.Flags.Volatile {
			d.Cursor = at
		} else {
			d.Offset = at
		}
		n.count += n.edge.Deliver(ctx, d)
	}), nil
}

// reached is how many deliveries there were so far.
func (n *loneNode) reached() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.count
}

func (n *loneNode) BroadcastWithAck(
	ctx context.Context, namespace string, t domain.Target, p domain.Packet,
) ([]domain.Value, error) {
	if t.Flags.Timeout == 0 {
		t.Flags.Timeout = 5 * time.Second
	}
	counted := make(chan int, 1)
	answers := make(chan domain.Value, 100)
	n.append(func() {
		n.readEntry()
		counted <- n.edge.Deliver(ctx, &domain.Delivery{
			Namespace: namespace, Target: t, Packet: p, Ack: func(v domain.Value) { answers <- v },
		})
	})
	timeout := time.After(t.Flags.Timeout)
	var got []domain.Value
	for want := <-counted; len(got) < want; {
		select {
		case v := <-answers:
			got = append(got, v)
		case <-timeout:
			return got, &domain.PartialError{MissingAcks: want - len(got), Err: context.DeadlineExceeded}
		}
	}
	return got, nil
}

func (n *loneNode) Operate(ctx context.Context, namespace string, op domain.RoomOperation) error {
	n.append(func() { n.edge.Apply(ctx, namespace, op, n.readEntry()) })
	return nil
}

func (n *loneNode) FetchSockets(
	ctx context.Context, namespace string, t domain.Target,
) ([]domain.SocketDetails, error) {
	done := make(chan []domain.SocketDetails, 1)
	n.append(func() {
		n.readEntry()
		done <- n.edge.Sockets(ctx, namespace, &t)
	})
	return <-done, nil
}

// ServerSideEmit hands the event to the node itself, as if another had sent it.
func (n *loneNode) ServerSideEmit(ctx context.Context, namespace string, p domain.Packet) error {
	n.edge.ServerSideEmit(ctx, namespace, p, nil)
	return nil
}

// ServerSideEmitWithAck asks the node itself, as if another did.
func (n *loneNode) ServerSideEmitWithAck(
	ctx context.Context, namespace string, p domain.Packet,
) ([]domain.Value, error) {
	var answers []domain.Value
	n.edge.ServerSideEmit(ctx, namespace, p, func(v domain.Value) { answers = append(answers, v) })
	return answers, nil
}

func (n *loneNode) RecoveryWindow() time.Duration { return n.window }

func (n *loneNode) KeepSession(
	_ string, socket domain.SocketID, rooms []string, data domain.Value, at domain.Offset, lost func(),
) ports.Session {
	s := newKeptSession(domain.SessionID("private-"+socket), lost)
	s.notef("kept in %v with %s at %s", rooms, data.JSON(), at)
	n.kept <- s
	return s
}

func (n *loneNode) Recover(
	_ context.Context, _ string, id domain.SessionID, seen domain.Offset, lost func(),
) (ports.Comeback, domain.Recovery) {
	if n.recover == nil {
		return nil, domain.Recovery{Outcome: domain.RecoveryUnknown, Reason: "a test has none"}
	}
	return n.recover(id, seen, lost)
}

// AnnounceDraining notes that the node is about to leave.
func (n *loneNode) AnnounceDraining(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.draining = true
	return n.drainErr
}

// FlushSessions has nothing to wait for: what is kept is kept at once.
func (n *loneNode) FlushSessions(context.Context) error { return nil }
