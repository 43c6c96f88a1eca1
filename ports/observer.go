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
