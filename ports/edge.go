package ports

import (
	"context"

	"github.com/roombus/roombus/domain"
)

// Edge holds the sockets of a node. The node calls Deliver, Apply and Sockets in the order of the log, one at a time
// for a namespace, on the goroutine that reads the log: they must not block, and must not call the node. A namespace
// that the edge does not have is no error: nobody is there.
type Edge interface {
	// Deliver hands a packet to the local sockets that are meant and returns how many they are.
	Deliver(ctx context.Context, d *domain.Delivery) int
	// Apply performs a room operation on the local sockets that are meant and returns how many they are. at is the
	// operation's place: where it stands in the log, or for a local one the position behind which it takes effect.
	Apply(ctx context.Context, namespace string, op domain.RoomOperation, at domain.Offset) int
	// Sockets lists the local sockets that are meant.
	Sockets(ctx context.Context, namespace string, t *domain.Target) []domain.SocketDetails
	// ServerSideEmit hands an event from another node to the application. It may block; the node calls it in order,
	// on a goroutine of its own, never on the log's. reply takes the application's answer, from any goroutine; only
	// its first call counts. It is nil when no answer is wanted. An edge whose application has no handler for the
	// event replies with the zero Value at once, so that nobody waits for it.
	ServerSideEmit(ctx context.Context, namespace string, p domain.Packet, reply func(domain.Value))
}
