package app_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// mumbling is a session store whose first answer to a save is lost.
type mumbling struct {
	ports.Sessions
	answered atomic.Bool
}

func (s *mumbling) Unwrap() any { return s.Sessions }

func (s *mumbling) Save(ctx context.Context, sessions []*domain.Session) []error {
	errs := s.Sessions.Save(ctx, sessions)
	if s.answered.Swap(true) {
		return errs
	}
	errs = make([]error, len(sessions))
	for i := range errs {
		errs[i] = errors.New("no answer")
	}
	return errs
}

// An owner that does not know that its first save was made, and learns that somebody has claimed the session, does not
// store it anew when it was deleted.
func TestCase15_ADeletedSessionIsNotStoredAnew(t *testing.T) {
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		c.store = func(_ *member, inner ports.Sessions) ports.Sessions { return &mumbling{Sessions: inner} }
		c.add(app.Config{Recovery: app.Recovery{Window: window}})
		c.store = nil
		c.add(app.Config{Recovery: app.Recovery{Window: window}})
		pass(soon)
		was, is := c.nodes[a], c.nodes[b]
		me := was.connect(t, "me")
		pass(40 * time.Millisecond) // saved, and not yet tried again
		store := is.transport.Sessions()
		if _, err := store.Claim(t.Context(), me.session, "claimer"); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if me.lost.Load() != 1 {
			t.Fatal("the owner does not know that somebody has claimed the session")
		}
		no(t, store.Delete(t.Context(), me.session, "claimer", time.Minute))
		pass(10 * time.Second)
		wantOutcome(t, me.recoverAt(is), domain.RecoveryUnknown, "no such session")
	})
}
