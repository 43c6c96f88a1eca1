package app

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// arrival is a client that asks for its session.
type arrival struct {
	namespace string
	session   domain.SessionID
	seen      domain.Offset // what it says to have seen last
	lost      func()        // what tells its holder that somebody else has the session

	socket domain.SocketID // of the session; empty until it was claimed
	// claim is the number with which this node takes the session. It is drawn before the session is claimed: of two
	// claims of one node the later has the greater one, even if a save of the earlier comes late.
	claim uint64
	// known are the numbers that the stored session may have when it is claimed again: what it had, and what this node
	// may have given it.
	known []uint64
	// halfOpen says that a socket may still be on another node, which has not noticed that the connection is lost.
	halfOpen bool
}

const (
	// recoverTries is how often a recovery is begun whose time is over, without anybody having refused it: the node
	// stood still, or the log or the store did, and the client is still there.
	recoverTries = 2
	// firstLook and lastLook bound the pauses between two looks at a session that somebody else has claimed.
	firstLook = 20 * time.Millisecond
	lastLook  = 200 * time.Millisecond
)

// Recover takes the session of a client that comes back, with the last position that it says to have seen. The
// Comeback is nil unless the outcome is Recovered; the client then gets a new session. lost is that of KeepSession.
//
// It waits until this node has read as far as the client has seen, and while somebody else is taking the session and
// may leave it. ctx bounds that; where it has no deadline, two times Config.RequestTimeout do.
func (n *Node) Recover(
	ctx context.Context, namespace string, id domain.SessionID, seen domain.Offset, lost func(),
) (ports.Comeback, domain.Recovery) {
	a := &arrival{namespace: namespace, session: id, seen: seen, lost: lost}
	c, err := n.recoverInTime(ctx, a)
	if err == nil {
		return c, domain.Recovery{Outcome: domain.Recovered, Reason: c.reason}
	}
	recovery := outcomeOf(err)
	n.observe(ctx, &domain.RecoveryEnded{Namespace: namespace, Socket: a.socket, Recovery: recovery})
	return nil, recovery
}

// recoverInTime begins once more when time is over and the caller still waits.
func (n *Node) recoverInTime(ctx context.Context, a *arrival) (*comeback, error) {
	for try := 1; ; try++ {
		within, cancel := n.waiting(ctx, 0)
		c, err := n.recover(within, a)
		late := within.Err() != nil
		cancel()
		if err == nil || !late || !passing(err) || try == recoverTries {
			return c, err
		}
		// If the client is gone this says so: the news has had no time to arrive when the node stood still.
		if !n.pause(ctx, firstLook) {
			return nil, err
		}
	}
}

// recover takes a session within ctx. While somebody else has claimed it, or was faster, it tries again.
func (n *Node) recover(ctx context.Context, a *arrival) (*comeback, error) {
	if n.keeper == nil {
		return nil, errRecoveryOff
	}
	ns, err := n.enter(ctx, a.namespace, nil)
	if err != nil {
		return nil, err
	}
	defer n.working.Done()
	for wait := firstLook; ; wait = min(2*wait, lastLook) {
		c, err := n.take(ctx, ns, a)
		if !errors.Is(err, domain.ErrSessionClaimed) && !errors.Is(err, domain.ErrSessionLost) || !n.pause(ctx, wait) {
			return c, err
		}
	}
}

// pause waits for about as long as it is told, at random; false when there is nothing to wait for any more.
func (n *Node) pause(ctx context.Context, about time.Duration) bool {
	timer := time.NewTimer(about/2 + rand.N(about))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	case <-n.ctx.Done():
		return false
	}
}

// take claims a session and takes it.
func (n *Node) take(ctx context.Context, ns *namespace, a *arrival) (*comeback, error) {
	if r := n.keeper.find(a.session); r != nil && r.ended() {
		a.socket = r.socket
		return nil, errEnded
	}
	select {
	case n.keeper.turns <- struct{}{}:
		defer func() { <-n.keeper.turns }()
	case <-ctx.Done():
		return nil, errTooMany
	}
	s, err := n.claim(ctx, a)
	if err != nil {
		return nil, err
	}
	c, err := n.catchUp(ctx, ns, s, a)
	if err != nil {
		if n.release(ctx, a.session, useless(err)) && useless(err) {
			n.keeper.forgetTaken(a.session)
		}
		return nil, err
	}
	return c, nil
}

// claim claims a session. If somebody has had it since it was claimed last, it stays where it is: the client may be
// there by now.
func (n *Node) claim(ctx context.Context, a *arrival) (*domain.Session, error) {
	drawn := uint64(max(0, time.Now().UnixMicro()))
	s, err := n.sessions.Claim(ctx, a.session, n.id)
	switch {
	case errors.Is(err, domain.ErrNoSession), errors.Is(err, domain.ErrSessionClaimed):
		return nil, err
	case err != nil: // it may be claimed all the same
		n.release(ctx, a.session, false)
		return nil, err
	case len(a.known) > 0 && !slices.Contains(a.known, s.Claim):
		n.release(ctx, a.session, false)
		return nil, errTakenSince
	}
	a.socket = s.Socket
	// A Node.js server forgets the number; the time is greater than what it was.
	a.claim = max(s.Claim+1, drawn)
	a.known = append(a.known, s.Claim, a.claim)
	return s, nil
}

// release ends a claim: the session goes back to where it was, or is deleted. If that fails it is false, and the claim
// lapses.
func (n *Node) release(ctx context.Context, id domain.SessionID, remove bool) (done bool) {
	ctx, cancel := n.while(ctx)
	defer cancel()
	var err error
	if remove {
		err = n.sessions.Delete(ctx, id, n.id, n.keeper.remember())
	} else {
		err = n.sessions.GiveBack(ctx, id, n.id)
	}
	if err != nil && !errors.Is(err, domain.ErrSessionLost) && n.ctx.Err() == nil {
		n.observe(ctx, &domain.SessionsFailed{Sessions: 1, Err: err})
	}
	return err == nil
}
