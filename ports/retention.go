package ports

import (
	"context"

	"github.com/roombus/roombus/domain"
)

// Retention is an optional ability of a Log: it tells how far back it reaches. Clients that are away for longer cannot
// recover, however long their sessions are kept.
type Retention interface {
	// Held says how much the stream of a namespace holds now. It asks the log, so it blocks as Replay does.
	// domain.ErrUnsupported says that the log cannot tell after all.
	Held(ctx context.Context, namespace string) (domain.Held, error)
}
