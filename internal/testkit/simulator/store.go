package simulator

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// tapSessions tells the story of what a node stores.
type tapSessions struct {
	ports.Sessions
	run *run
}

// Unwrap is what is tapped.
func (s tapSessions) Unwrap() any { return s.Sessions }

// Save tells what is saved.
func (s tapSessions) Save(ctx context.Context, sessions []*domain.Session) []error {
	errs := s.Sessions.Save(ctx, sessions)
	for i, k := range sessions {
		var err error
		if errs != nil {
			err = errs[i]
		}
		s.tellf("saves %s revision %d, away %t, as of %s, %s: %v", k.Socket, k.Revision, k.Away, k.AsOf, stays(k.Stays), err)
	}
	return errs
}

// Claim tells what is claimed.
func (s tapSessions) Claim(ctx context.Context, id domain.SessionID, claimer domain.NodeID) (*domain.Session, error) {
	k, err := s.Sessions.Claim(ctx, id, claimer)
	if err == nil {
		s.tellf("claims %s revision %d, away %t, as of %s, %s", k.Socket, k.Revision, k.Away, k.AsOf, stays(k.Stays))
	}
	return k, err
}

// Delete tells what is deleted.
func (s tapSessions) Delete(
	ctx context.Context, id domain.SessionID, owner domain.NodeID, remember time.Duration,
) error {
	err := s.Sessions.Delete(ctx, id, owner, remember)
	s.tellf("deletes a session: %v", err)
	return err
}

// Lease tells whose lease is asked for.
func (s tapSessions) Lease(ctx context.Context, node domain.NodeID) (*domain.Lease, error) {
	lease, err := s.Sessions.Lease(ctx, node)
	if err == nil {
		s.tellf("finds a lease as of %v", lease.AsOf)
	}
	return lease, err
}

func (s tapSessions) tellf(format string, args ...any) {
	s.run.w.mu.Lock()
	defer s.run.w.mu.Unlock()
	s.run.w.tellf(s.run.name, format, args...)
}

// stays are written when the story is.
type stays []domain.Stay

func (s stays) String() string {
	var b strings.Builder
	for _, stay := range s {
		fmt.Fprintf(&b, "%s(%s..%s) ", stay.Room, stay.From, stay.Until)
	}
	return b.String()
}
