package socketio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
)

const (
	// wavePause is about how long Drain waits between two waves, and wave how many clients each has at least.
	wavePause = 100 * time.Millisecond
	wave      = 50
	// flushTimeout bounds how long Drain waits for sessions to be stored before it sends their clients away.
	flushTimeout = 2 * time.Second
	// unhurried is the time over which Drain spreads the waves where its context has no deadline.
	unhurried = 10 * time.Second
)

// Drain sends the clients to other nodes, gently:
//
//   - it announces to the cluster that this node is about to leave;
//   - new clients are refused with status 503 on a connection that is then closed, so that a load balancer, or the client,
//     looks elsewhere; those that are here go on;
//   - sessions are stored, where recovery is on;
//   - connections are closed in waves, in no order and with uneven pauses, over up to a third of the time until ctx's
//     deadline (10 s where it has none), so that clients do not all come back at once; up to 50 clients are one wave. The
//     connection is closed, not the socket: clients come back by themselves, and with recovery they miss nothing;
//     those over long-polling fetch what is left for them, for up to Config.Engine.CloseTimeout;
//   - what the clients had sent is handled, and disconnect handlers run.
//
// When ctx ends first, the connections that are left are closed at once, and the error says so; Close then waits for the
// handlers. It may be called again. Go on with http.Server.Shutdown, then Node.Drain. A handler must not call it.
func (io *Server) Drain(ctx context.Context) error {
	var errs []error
	if err := io.node.AnnounceDraining(ctx); err != nil {
		errs = append(errs, err) // those who are connected are sent away nevertheless
	}
	io.engine.StopAccepting()
	io.mu.Lock()
	io.closed = true // for those who were accepted, and are not here yet
	io.mu.Unlock()
	io.sendOut(ctx)
	unstored := io.storeSessions(ctx)
	io.closeInWaves(ctx)
	_ = io.engine.Empty(ctx) // its error says that the time is over, which is told below
	io.beginClose()
	select {
	case <-io.done:
		if unstored == nil {
			unstored = io.storeSessions(ctx) // as they are now: waiting for their clients
		}
	case <-ctx.Done():
		errs = append(errs, fmt.Errorf("drain the server: the time is over, and handlers are still at work: %w", context.Cause(ctx)))
	}
	return errors.Join(append(errs, unstored)...)
}

// storeSessions waits for a while until all that was said of sessions is stored.
func (io *Server) storeSessions(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := io.node.FlushSessions(ctx); err != nil && !errors.Is(err, domain.ErrClosed) {
		return fmt.Errorf("store the sessions of the clients: %w", err)
	}
	return nil
}

// closeInWaves closes the connections, some at a time, until none is left or ctx ends.
func (io *Server) closeInWaves(ctx context.Context) {
	var open []func()
	for _, c := range io.open() {
		open = append(open, func() { c.close(ReasonServerShuttingDown, nil) })
	}
	if io.forward != nil { // clients whose connection is elsewhere, and runs through here
		for _, t := range io.forward.tunnels.all() {
			open = append(open, t.close)
		}
	}
	rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	spread := unhurried
	if deadline, ok := ctx.Deadline(); ok {
		spread = time.Until(deadline) / 3
	}
	waves := max(int(spread/wavePause), 1)
	size := max(wave, (len(open)+waves-1)/waves)
	for part := range slices.Chunk(open, size) {
		for _, end := range part {
			end()
		}
		if len(part) < size {
			return // the last one
		}
		pause := time.NewTimer(wavePause/2 + rand.N(wavePause))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// sendOut waits until what this node has emitted so far is with its own clients, or ctx ends: then they miss what is
// still on its way.
func (io *Server) sendOut(ctx context.Context) {
	io.mu.RLock()
	namespaces := slices.Collect(maps.Values(io.namespaces))
	io.mu.RUnlock()
	ctx, cancel := context.WithTimeout(ctx, lastOrders)
	defer cancel()
	for _, ns := range namespaces {
		_ = ns.inOrder(ctx, func(domain.Offset) {}) // its error says that the time is over
	}
}

// open are the connections that there are.
func (io *Server) open() []*connection {
	io.mu.RLock()
	defer io.mu.RUnlock()
	return slices.Collect(maps.Keys(io.connections))
}
