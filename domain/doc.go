// Package domain holds the values and the decisions of roombus: what nodes say to each other, who is meant by a
// broadcast, who is in the cluster, when a request is complete, what a recovering client has missed.
//
// Everything here is a value or a small state machine. There is no I/O, no clock, no goroutine, no context and no
// lock: whoever needs the time passes it in, whoever shares a machine between goroutines guards it. That is what
// makes every decision testable without a cluster.
//
// Names are those of Socket.IO and of the field: node, namespace, room, socket, packet, broadcast, flags, ack,
// heartbeat, offset, session, recovery. What a user chooses (namespaces, rooms, event names) is a plain string; what
// the system makes has a type.
package domain
