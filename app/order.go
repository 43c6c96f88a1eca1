package app

import (
	"context"

	"github.com/roombus/roombus/domain"
)

// Order says when a node's own sockets get what the node publishes.
type Order uint8

const (
	// OrderLog is the default: when it comes back from the log, like everyone else's. All sockets of a namespace, on all
	// nodes, see one order, and a position in the log says exactly what a client has seen, so that it can be recovered.
	OrderLog Order = iota
	// OrderLocalFirst is at once, before it is appended, and whatever the log then does. It saves this node's own sockets
	// the way to the log and back, and they go on talking to each other while the log is away; the call still returns
	// what became of it in the log, and after an error only other nodes' sockets have missed it.
	//
	// What one goroutine publishes keeps its order everywhere. What two publish at the same time may arrive in one order
	// here and in another elsewhere, as it does in Node.js. Local changes of rooms, and room operations on this node's own
	// sockets, are made at once. Nothing has an offset that a client could be recovered from, so it is refused together
	// with recovery. Broadcasts with acks come from the log in either order.
	OrderLocalFirst
)

// localFirst lets this node's own sockets have something at once, if that is the node's order.
func (n *Node) localFirst(ctx context.Context, ns *namespace, body domain.Body) {
	if n.config.Order != OrderLocalFirst {
		return
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	var sockets int
	switch body := body.(type) {
	case *domain.Broadcast:
		sockets = n.deliver(ctx, &domain.Delivery{Namespace: ns.name, Target: body.Target, Packet: body.Packet})
	case domain.RoomOperation:
		sockets = n.apply(ctx, ns.name, body, ns.fence.Cursor())
	default:
		return
	}
	n.reached(ctx, ns, &domain.Message{Node: n.id, Body: body}, "", sockets)
}

// hadFirst reports whether this node's own sockets had an entry before it was appended.
func (n *Node) hadFirst(m *domain.Message) bool {
	if m.Node != n.id {
		return false
	}
	switch body := m.Body.(type) {
	case *domain.Broadcast:
		return body.Request == "" && (body.Target.Flags.Volatile || n.config.Order == OrderLocalFirst)
	case domain.RoomOperation:
		return n.config.Order == OrderLocalFirst
	default:
		return false
	}
}
