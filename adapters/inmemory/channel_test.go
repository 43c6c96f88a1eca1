package inmemory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/domain"
)

// stuck is a listener that does not return until it is let go.
type stuck struct{ release chan struct{} }

func (s stuck) HandleMessage(context.Context, *domain.Message) { <-s.release }

func TestFullQueueHoldsUpTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, inmemory.Config{QueueLength: 2})
		a, h := c.Member(), stuck{make(chan struct{})}
		s := listen(t, c.Member(), "b", h)
		for range 2 {
			if err := a.Channel().Send(t.Context(), "b", message("fits")); err != nil {
				t.Fatalf("Send: %v", err)
			}
			synctest.Wait() // the first is with the handler
		}
		if err := a.Channel().Send(t.Context(), "b", message("fits")); err != nil {
			t.Fatalf("Send: %v", err)
		}
		start := time.Now()
		err := a.Channel().Send(t.Context(), "b", message("does not"))
		if d := time.Since(start); d != inmemory.DefaultTimeout || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send to a full queue ended after %v with %v", d, err)
		}
		close(h.release)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestPanickingListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, inmemory.Config{})
		a, h := c.Member(), &panicking{}
		listen(t, c.Member(), "b", h)
		for _, name := range []string{"one", "bad", "two"} {
			if err := a.Channel().Send(t.Context(), "", message(name)); err != nil {
				t.Fatalf("Send: %v", err)
			}
		}
		synctest.Wait()
		want(t, "the listener", h.take(), []string{"one", "two"})
	})
}

type panicking struct{ notes }

func (p *panicking) HandleMessage(ctx context.Context, m *domain.Message) {
	if event(m) == "bad" {
		panic("no")
	}
	p.notes.HandleMessage(ctx, m)
}
