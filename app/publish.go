package app

import (
	"context"

	"github.com/roombus/roombus/domain"
)

// Broadcast sends a packet to the sockets of a namespace that the target means, on all nodes, and returns the
// packet's position in the log.
//
// The call returns when the log has the packet. Without an error it is there; domain.ErrNotPublished says that it is
// not and will not be, domain.ErrUnknown that this could not be learned in time. This node's sockets get it when it
// comes back from the log, like everyone else's, so all agree on the order; or at once, with OrderLocalFirst.
//
// Two flags take another way. A volatile packet goes to this node's sockets at once and to the others through the
// log, without retries; it is not recovered. A local one goes to this node's sockets alone, behind what the node has
// published before, and has no position.
func (n *Node) Broadcast(ctx context.Context, namespace string, t domain.Target, p domain.Packet) (domain.Offset, error) {
	if t.Flags.Local {
		n.InOrder(namespace, func(at domain.Offset) {
			n.deliver(ctx, &domain.Delivery{Namespace: namespace, Target: t, Packet: p, Cursor: at})
		})
		return "", nil
	}
	b := &domain.Broadcast{Target: t, Packet: p}
	ns, err := n.enter(ctx, namespace, b)
	if err != nil {
		return "", err
	}
	defer n.working.Done()
	if t.Flags.Volatile && n.config.Order == OrderLog {
		n.deliverNow(ctx, ns, &domain.Delivery{Namespace: namespace, Target: t, Packet: p})
	}
	return n.append(ctx, ns, b)
}

// Operate performs a room operation on the sockets of a namespace that its target means, on all nodes, each at the
// operation's place in the log (with OrderLocalFirst on this node at once). Outcomes are those of Broadcast. A local one is performed on this node alone, behind
// what the node has published before.
func (n *Node) Operate(ctx context.Context, namespace string, op domain.RoomOperation) error {
	if targetOf(op).Flags.Local {
		n.InOrder(namespace, func(at domain.Offset) { n.apply(ctx, namespace, op, at) })
		return nil
	}
	ns, err := n.enter(ctx, namespace, op)
	if err != nil {
		return err
	}
	defer n.working.Done()
	_, err = n.append(ctx, ns, op)
	return err
}

func targetOf(op domain.RoomOperation) *domain.Target {
	switch op := op.(type) {
	case *domain.Join:
		return &op.Target
	case *domain.Leave:
		return &op.Target
	case *domain.Disconnect:
		return &op.Target
	default:
		return &domain.Target{}
	}
}

// ServerSideEmit hands an event to the application on every other node of a namespace, at its place in the log.
// Outcomes are those of Broadcast.
func (n *Node) ServerSideEmit(ctx context.Context, namespace string, p domain.Packet) error {
	ns, err := n.enter(ctx, namespace, nil)
	if err != nil {
		return err
	}
	defer n.working.Done()
	_, err = n.append(ctx, ns, &domain.ServerSideEmit{Packet: p})
	return err
}

// deliverNow delivers out of turn.
func (n *Node) deliverNow(ctx context.Context, ns *namespace, d *domain.Delivery) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	d.Cursor = ns.fence.Cursor()
	n.deliver(ctx, d)
}

// deliver hands a packet to the edges and returns the number of sockets. The caller holds the namespace's order.
func (n *Node) deliver(ctx context.Context, d *domain.Delivery) (sockets int) {
	for _, e := range n.edges {
		sockets += e.Deliver(ctx, d)
	}
	return sockets
}

func (n *Node) apply(ctx context.Context, namespace string, op domain.RoomOperation, at domain.Offset) (sockets int) {
	for _, e := range n.edges {
		sockets += e.Apply(ctx, namespace, op, at)
	}
	return sockets
}

func (n *Node) sockets(ctx context.Context, namespace string, t *domain.Target) (sockets []domain.SocketDetails) {
	for _, e := range n.edges {
		sockets = append(sockets, e.Sockets(ctx, namespace, t)...)
	}
	return sockets
}
