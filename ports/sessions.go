package ports

import (
	"context"

	"github.com/roombus/roombus/domain"
)

// Sessions keeps what a recovery needs. At any time one node at the most owns a session; taking over is explicit. All
// methods may be called from many goroutines.
type Sessions interface {
	// Save stores a session for s.KeepFor. The first save (revision 1) needs that nothing is stored under the id;
	// every later one that the stored session has the same owner and an older revision. Saving the same revision
	// again is no error. domain.ErrSessionLost says that the session is claimed, or that its record is newer or
	// somebody else's: the socket must be closed, not saved.
	Save(ctx context.Context, s *domain.Session) error
	// Claim takes a session away from its owner, for one claimer alone, and returns it. The claimer then either
	// saves it as its own, with revision 1, which ends the claim, or gives it back. A claim that is neither saved
	// nor given back lapses, and the session can be claimed again until it expires. domain.ErrNoSession says that
	// there is nothing to claim.
	Claim(ctx context.Context, id domain.SessionID, claimer domain.NodeID) (*domain.Session, error)
	// GiveBack ends a claim without a recovery: the session is as it was before. It is no error when the claim has
	// lapsed.
	GiveBack(ctx context.Context, id domain.SessionID, claimer domain.NodeID) error
	// Delete removes a session that the given node owns, or has claimed; no error when it is not there,
	// domain.ErrSessionLost when it is somebody else's.
	Delete(ctx context.Context, id domain.SessionID, owner domain.NodeID) error
}
