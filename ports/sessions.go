package ports

import (
	"context"
	"time"

	"github.com/roombus/roombus/domain"
)

// Sessions keeps what a recovery needs. At any time one node at the most owns a session; taking over is explicit. All
// methods may be called from many goroutines.
type Sessions interface {
	// Save stores sessions, each for its KeepFor, many in one round trip; it returns nil when all are stored, else an
	// error for each, in their order, nil for those that are. The first save of a session (revision 1) needs that
	// nothing is stored under its id; every later one that the stored session has the same owner and is older: a
	// smaller Claim, or the same and a smaller revision. Saving the same revision again is no error.
	// A save that takes a session over (revision 1, Returning) needs the claim, and makes nothing where nothing is left.
	// domain.ErrSessionLost says that the session is claimed, or has ended, or that its record is newer or somebody
	// else's: the socket must be closed, not saved. The sessions are read until Save returns, and never changed.
	Save(ctx context.Context, sessions []*domain.Session) []error
	// Claim takes a session away from its owner, for one claimer alone, and returns it. The claimer then either
	// saves it as its own, with revision 1 and a greater Claim, which ends the claim, or gives it back. A claim that is
	// neither saved nor given back lapses, and the session can be claimed again until it expires.
	// domain.ErrSessionClaimed says that somebody else is at it, or the claimer itself with another Claim;
	// domain.ErrNoSession that there is nothing to claim.
	Claim(ctx context.Context, id domain.SessionID, claimer domain.NodeID) (*domain.Session, error)
	// GiveBack ends a claim without a recovery: the session is as it was before. It is no error when the claim has
	// lapsed.
	GiveBack(ctx context.Context, id domain.SessionID, claimer domain.NodeID) error
	// Delete ends a session that the given node owns, or has claimed, or that is not there;
	// domain.ErrSessionLost says that it is somebody else's. For as long as remember the store knows that it has ended:
	// it cannot be saved, not even anew, and there is nothing to claim. So it does not come back with a save that is
	// late, or with a node that was not told.
	Delete(ctx context.Context, id domain.SessionID, owner domain.NodeID, remember time.Duration) error

	Leases
}

// Leases says which nodes live, so that their sessions need not be refreshed one by one. All methods may be called from
// many goroutines.
type Leases interface {
	// Renew stores a node's lease for l.KeepFor, in place of the one before.
	Renew(ctx context.Context, l *domain.Lease) error
	// Lease returns a node's lease; domain.ErrNoLease when there is none, or none any more.
	Lease(ctx context.Context, node domain.NodeID) (*domain.Lease, error)
}
