package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/domain"
)

// AnnounceDraining tells the other nodes, in every namespace, that this one is about to leave: they see it in Nodes and
// are told of it as of any other news. Nothing else changes yet. Calling it again does nothing, and so does calling it
// when the node is not in the cluster. It takes a second at most. The error says in which namespaces it could not be
// said; the heartbeats to come say it too.
func (n *Node) AnnounceDraining(ctx context.Context) error {
	if n.begin() != nil {
		return nil // it does not run: there is nobody to tell
	}
	defer n.working.Done()
	if n.draining.Swap(true) {
		return nil
	}
	now := time.Now()
	n.leaving.Store(&now)
	n.observe(ctx, &domain.DrainBegun{})
	n.mu.RLock()
	open := slices.Collect(maps.Values(n.namespaces))
	n.mu.RUnlock()
	ctx, cancel := context.WithTimeout(ctx, goodbyeTimeout)
	defer cancel()
	defer context.AfterFunc(n.ctx, cancel)()
	errs := make([]error, len(open))
	atOnce(len(open), func(i int) {
		if !open[i].joined.Load() {
			return
		}
		if _, err := n.log.Append(ctx, n.message(open[i], n.heartbeat(open[i]))); err != nil {
			errs[i] = fmt.Errorf("announce in %s that the node is about to leave: %w", open[i].name, err)
		}
	})
	return errors.Join(errs...)
}

// Drain leaves the cluster gently: it announces that the node is about to leave, lets handlers of server-side emits that
// have come so far run to their end, and calls under way get their answers; then it refuses calls, sends the answers that
// it owes, stores the sessions, no longer listens, and says goodbye last. When ctx ends first it goes on as Close does,
// and its error says so. Calling it again, or Close, waits for the end. It does not drain its edges: drain a server first,
// so that the clients are elsewhere.
func (n *Node) Drain(ctx context.Context) error {
	errs := []error{n.AnnounceDraining(ctx)}
	handled := make(chan struct{})
	if n.handlers.submit(func() { close(handled) }) {
		select {
		case <-handled:
		case <-n.ctx.Done():
		case <-ctx.Done():
		}
	}
	var cut atomic.Bool
	defer context.AfterFunc(ctx, func() {
		cut.Store(n.ctx.Err() == nil)
		n.cancel()
	})()
	errs = append(errs, n.close())
	if cut.Load() {
		errs = append(errs, fmt.Errorf("drain the node: what was under way was cut short: %w", context.Cause(ctx)))
	}
	err := errors.Join(errs...)
	if since := n.leaving.Swap(nil); since != nil {
		n.observe(ctx, &domain.DrainEnded{Took: time.Since(*since), Err: err})
	}
	return err
}
