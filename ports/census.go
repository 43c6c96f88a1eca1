package ports

import (
	"context"

	"github.com/roombus/roombus/domain"
)

// Census is an optional ability of a Channel whose lane knows who listens. Peers that have no name until they answer,
// because they send no heartbeats, are found by it alone. A Channel that has it hands over only what came on its own
// lane: who is heard there listens there, which does not make it a member.
type Census interface {
	// Listening counts who listens in a namespace: those of the given nodes that do, in the given order, and how many
	// others there are. It asks the lane, so it blocks as Send does. Somebody who does not read, but whose connection
	// is open, is counted.
	Listening(ctx context.Context, namespace string, nodes []domain.NodeID) (named []domain.NodeID, others int, err error)
}
