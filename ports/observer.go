package ports

import (
	"context"

	"github.com/roombus/roombus/domain"
)

// Observer is told what the core wants seen: gaps, resets, bad entries, repeats, members that come and go, answers
// and who is missing, drops. tracing implements it with spans and metrics.
type Observer interface {
	// Observe receives an event. It is called where the event happens, the log's reader included: it must not block
	// and must not call the node. ctx carries the span of the work that the event belongs to.
	Observe(ctx context.Context, e domain.Event)
}

// DeliveryObserver is an optional ability of an Observer: it is told of what comes with nearly every message.
type DeliveryObserver interface {
	// ObserveDelivery is told to how many of the node's sockets a message went, right after it did. For it holds what
	// holds for Observe.
	ObserveDelivery(ctx context.Context, d domain.Delivered)
}

// RequestObserver is an optional ability of an Observer: it stands around the requests of its node.
type RequestObserver interface {
	// BeginRequest is told of a request before it is sent. The context that it returns is that of everything that is done
	// for it, up to the domain.RequestDone with which it ends in any case; it must come from ctx. It must not block.
	BeginRequest(ctx context.Context, r domain.RequestBegun) context.Context
}
