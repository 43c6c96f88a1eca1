package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// report logs what the core wants seen.
type report struct {
	log *slog.Logger
	bad brake
}

var _ ports.Observer = (*report)(nil)

// The brake of reports that anybody who can write to the stream could cause without end.
const (
	brakeLines  = 20
	brakeWindow = time.Second
)

// Observe logs e.
func (r *report) Observe(ctx context.Context, e domain.Event) {
	switch e := e.(type) {
	case *domain.BadEntry:
		if e.Offset == "" { // on the lane for requests, or nothing can be read at all
			r.braked(ctx, "what came could not be read", "from", e.Stream, "error", e.Err)
			return
		}
		r.braked(ctx, "an entry of the log was skipped", "stream", e.Stream, "entry", e.Offset, "error", e.Err)
	case *domain.Dropped:
		r.braked(ctx, "something was given up", "namespace", e.Namespace, "what", e.Kind.String(), "error", e.Err)
	case *domain.Gap:
		r.log.WarnContext(ctx, "messages were lost to this node", "stream", e.Stream, "after", e.After, "before", e.Next,
			"lost", e.Lost, "publisher", e.Publisher)
	case *domain.Reset:
		r.log.WarnContext(ctx, "the log is not the one that was read before", "stream", e.Stream, "reason", e.Reason,
			"goes_on_after", e.Cursor)
	case *domain.TransportLost:
		r.log.WarnContext(ctx, "nothing can be read, and it is tried again", "stream", e.Stream, "error", e.Err)
	case *domain.TransportFound:
		r.log.InfoContext(ctx, "it is read again", "stream", e.Stream, "away", e.Away.Round(time.Millisecond))
	case *domain.MemberChanged:
		r.member(ctx, e)
	case *domain.RequestDone:
		if e.Err != nil {
			r.log.InfoContext(ctx, "a request was not answered in full", "namespace", e.Namespace, "what", e.Kind.String(),
				"answers", e.Answers, "error", e.Err)
		}
	case *domain.RecoveryEnded:
		r.recovery(ctx, e)
	case *domain.SessionsFailed:
		r.braked(ctx, "sessions could not be stored; it is tried again", "sessions", e.Sessions, "error", e.Err)
	case *domain.LogTooShort:
		r.length(ctx, e)
	case *domain.RecoveryMixed:
		r.log.WarnContext(ctx, "recovery is on in some nodes and off in others: clients that move between them lose messages or "+
			"get them twice; set it alike on all nodes", "namespace", e.Namespace, "node", e.Node, "on_here", e.Here)
	case *domain.Repeated:
		r.log.DebugContext(ctx, "a repeated entry was dropped", "stream", e.Stream, "entry", e.Offset)
	}
}

func (r *report) member(ctx context.Context, e *domain.MemberChanged) {
	level := slog.LevelInfo
	switch e.Change.Event {
	case domain.MemberLost, domain.MemberSuspect:
		level = slog.LevelWarn
	case domain.MemberUpdated:
		level = slog.LevelDebug
	case domain.MemberJoined, domain.MemberBack, domain.MemberLeft:
	}
	r.log.Log(ctx, level, "another node: "+e.Change.Event.String(), "namespace", e.Namespace,
		"node", e.Change.Member.ID, "name", e.Change.Member.Info.Name)
}

// recovery logs what came of a client's wish to have its session again. Whoever gets a new one is worth a line where it
// has lost messages.
func (r *report) recovery(ctx context.Context, e *domain.RecoveryEnded) {
	if e.Recovery.Outcome == domain.RecoveryGap {
		r.braked(ctx, "a client came back and has lost messages", "namespace", e.Namespace, "socket", e.Socket,
			"reason", e.Recovery.Reason)
		return
	}
	r.log.DebugContext(ctx, "a client came back", "namespace", e.Namespace, "socket", e.Socket,
		"outcome", e.Recovery.Outcome.String(), "reason", e.Recovery.Reason, "replayed", e.Replayed)
}

// length logs that the log holds too little for recovery, or enough again.
func (r *report) length(ctx context.Context, e *domain.LogTooShort) {
	if e.Enough {
		r.log.InfoContext(ctx, "the log holds the recovery window again", "stream", e.Stream, "holds", e.Held.Age)
		return
	}
	r.log.WarnContext(ctx, "the log holds less than the recovery window: who is away for longer than it holds cannot recover; "+
		"raise --max-length or lower --recovery", "stream", e.Stream, "holds", e.Held.Age.Round(time.Second),
		"window", e.Window, "entries", e.Held.Entries)
}

func (r *report) braked(ctx context.Context, text string, attributes ...any) {
	held, ok := r.bad.pass(time.Now())
	if !ok {
		return
	}
	if held > 0 {
		r.log.WarnContext(ctx, "more of these were not logged", "lines", held)
	}
	r.log.WarnContext(ctx, text, attributes...)
}

// brake lets a number of lines through in a window of time and counts the others.
type brake struct {
	mu     sync.Mutex
	since  time.Time
	passed int
	held   int
}

// pass reports whether a line may be logged, and with the first one of a window how many were held back before.
func (b *brake) pass(now time.Time) (held int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.since) >= brakeWindow {
		held, b.held, b.passed, b.since = b.held, 0, 0, now
	}
	if b.passed >= brakeLines {
		b.held++
		return 0, false
	}
	b.passed++
	return held, true
}

// failed logs what goes wrong in handlers. What clients get wrong by themselves is not the server's trouble.
func (r *report) failed(ctx context.Context, f socketio.Failure) {
	switch {
	case errors.Is(f.Err, socketio.ErrForwardSignature):
		r.braked(ctx, "a request was refused", "error", f.Err)
		return
	case errors.Is(f.Err, socketio.ErrForwardFailed):
		r.braked(ctx, "a request could not be passed on", "error", f.Err)
		return
	}
	_, shape := errors.AsType[*socketio.ArgumentError](f.Err)
	if shape || errors.Is(f.Err, socketio.ErrUnknownEvent) {
		r.log.DebugContext(ctx, "a client's event was refused", "namespace", f.Namespace, "error", f.Err)
		return
	}
	r.braked(ctx, "a handler failed", "namespace", f.Namespace, "event", f.Event, "error", f.Err)
}
