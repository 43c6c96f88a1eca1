package simulator

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Each of these breaks one promise, somewhere below the model, and the model must say which. So many plans are tried
// until it does.
func TestTheModelNotices(t *testing.T) {
	const most = 100
	for name, test := range map[string]struct {
		broken func() mutant
		says   string
	}{
		"a reader that skips an entry, and nobody is told": {
			func() mutant { return mutant{transport: handlers(dropping)} }, "and should have been handed",
		},
		"a node that loses a broadcast": {
			func() mutant { return mutant{log: handlers(dropping)} }, "which did not come to the edge",
		},
		"a node that delivers a broadcast twice": {
			func() mutant { return mutant{log: handlers(doubling)} }, "came to the edge",
		},
		"a node that swaps two broadcasts": {
			func() mutant { return mutant{log: handlers(swapping)} }, "came to the edge in the place of",
		},
		"a broadcast that was stored and is said not to be": {
			func() mutant { return mutant{transport: appends(liesOfFailure)} }, "and is in the log, at",
		},
		"a broadcast that was not stored and is said to be": {
			func() mutant { return mutant{transport: appends(liesOfSuccess)} }, "and is not in the log",
		},
		"a retry that is a second entry": {
			func() mutant { return mutant{transport: appends(storesTwice)} }, "is in the log 2 times",
		},
		"a local change that does not wait for what is in flight": {
			func() mutant { return mutant{inOrder: atOnce} }, "and was due",
		},
		"a request that overtakes what was published before it": {
			func() mutant { return mutant{channel: impatient} }, "before it had read",
		},
		"a node that says that it reached fewer sockets than it did": {
			func() mutant { return mutant{log: appends(undercounts)} }, "answers; ",
		},
		"a node that beats once and never again": {
			func() mutant { return mutant{log: appends(falsHeart)} }, "it sees",
		},
		"a store that lets two have one session, and brings the ended back": {
			func() mutant { return mutant{sessions: sharing()} }, "had been reported done",
		},
		"a lease that vouches for more than was stored": {
			func() mutant { return mutant{sessions: boasting} }, "came back in",
		},
		"a store that has nothing for anybody": {
			func() mutant { return mutant{sessions: refusing} }, "nothing was in its way",
		},
		"a store that forgets rooms": {
			func() mutant { return mutant{sessions: forgetfulOfRooms} }, "came back in",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= most; seed++ {
				r := simulate(t, newPlan(seed), test.broken())
				if slices.ContainsFunc(r.Wrong, func(wrong string) bool { return strings.Contains(wrong, test.says) }) {
					t.Logf("noticed with seed %d: %s", seed, r.Wrong)
					return
				}
			}
			t.Errorf("not noticed in %d plans", most)
		})
	}
}

// handlers breaks what a node's reader hands over.
func handlers(how func(r *run, inner ports.LogHandler) ports.LogHandler) func(*run, ports.Log) ports.Log {
	return func(r *run, log ports.Log) ports.Log { return tailing{log, r, how} }
}

type tailing struct {
	ports.Log
	run *run
	how func(r *run, inner ports.LogHandler) ports.LogHandler
}

func (l tailing) Unwrap() any { return l.Log }

func (l tailing) Tail(ctx context.Context, after domain.Offset, h ports.LogHandler) (ports.Subscription, error) {
	return l.Log.Tail(ctx, after, l.how(l.run, h))
}

// entries is a handler that does something else with some broadcasts.
type entries struct {
	ports.LogHandler
	broadcasts int
	kept       *domain.Entry
	do         func(h *entries, ctx context.Context, e *domain.Entry)
}

func (h *entries) HandleEntry(ctx context.Context, e *domain.Entry) {
	if b, ok := e.Message.Body.(*domain.Broadcast); ok && b.Request == "" && !b.Target.Flags.Volatile {
		h.broadcasts++
		h.do(h, ctx, e)
		return
	}
	h.LogHandler.HandleEntry(ctx, e)
}

func dropping(_ *run, inner ports.LogHandler) ports.LogHandler {
	return &entries{LogHandler: inner, do: func(h *entries, ctx context.Context, e *domain.Entry) {
		if h.broadcasts != 3 {
			h.LogHandler.HandleEntry(ctx, e)
		}
	}}
}

func doubling(_ *run, inner ports.LogHandler) ports.LogHandler {
	return &entries{LogHandler: inner, do: func(h *entries, ctx context.Context, e *domain.Entry) {
		h.LogHandler.HandleEntry(ctx, e)
		if h.broadcasts == 3 {
			again := *e
			again.Message.Publisher = "" // or the node would notice
			h.LogHandler.HandleEntry(ctx, &again)
		}
	}}
}

func swapping(_ *run, inner ports.LogHandler) ports.LogHandler {
	return &entries{LogHandler: inner, do: func(h *entries, ctx context.Context, e *domain.Entry) {
		e = nameless(e)
		if h.broadcasts == 3 {
			h.kept = e
			return
		}
		h.LogHandler.HandleEntry(ctx, e)
		if h.kept != nil {
			h.LogHandler.HandleEntry(ctx, h.kept)
			h.kept = nil
		}
	}}
}

// nameless is an entry without the numbers by which a node would notice that it is out of order.
func nameless(e *domain.Entry) *domain.Entry {
	copied := *e
	copied.Message.Publisher = ""
	return &copied
}

// appends breaks how a node appends.
func appends(how func(r *run, inner appendFunc) appendFunc) func(*run, ports.Log) ports.Log {
	return func(r *run, log ports.Log) ports.Log { return appender{log, how(r, log.Append)} }
}

type appendFunc func(ctx context.Context, m *domain.Message) (domain.Offset, error)

type appender struct {
	ports.Log
	append appendFunc
}

func (l appender) Unwrap() any { return l.Log }

func (l appender) Append(ctx context.Context, m *domain.Message) (domain.Offset, error) {
	return l.append(ctx, m)
}

func isPlain(m *domain.Message) bool {
	b, ok := m.Body.(*domain.Broadcast)
	return ok && b.Request == ""
}

func liesOfFailure(_ *run, inner appendFunc) appendFunc {
	return func(ctx context.Context, m *domain.Message) (domain.Offset, error) {
		at, err := inner(ctx, m)
		if isPlain(m) && err == nil {
			return "", domain.ErrNotPublished
		}
		return at, err
	}
}

func liesOfSuccess(r *run, inner appendFunc) appendFunc {
	return func(ctx context.Context, m *domain.Message) (domain.Offset, error) {
		if isPlain(m) {
			r.w.mu.Lock()
			defer r.w.mu.Unlock()
			if n := len(r.w.log); n > 0 {
				return r.w.log[n-1].Offset, nil
			}
		}
		return inner(ctx, m)
	}
}

func storesTwice(_ *run, inner appendFunc) appendFunc {
	return func(ctx context.Context, m *domain.Message) (domain.Offset, error) {
		if isPlain(m) {
			_, _ = inner(ctx, m)
		}
		return inner(ctx, m)
	}
}

func undercounts(_ *run, inner appendFunc) appendFunc {
	return func(ctx context.Context, m *domain.Message) (domain.Offset, error) {
		if count, ok := m.Body.(*domain.AckClientCount); ok && count.Clients > 0 {
			less := *m
			less.Body = &domain.AckClientCount{Request: count.Request, Clients: count.Clients - 1}
			return inner(ctx, &less)
		}
		return inner(ctx, m)
	}
}

func falsHeart(_ *run, inner appendFunc) appendFunc {
	return func(ctx context.Context, m *domain.Message) (domain.Offset, error) {
		if m.Kind() == domain.KindHeartbeat {
			return "", nil
		}
		return inner(ctx, m)
	}
}

// atOnce makes local changes without their place in the order.
func atOnce(_ *run, _ string, change func(at domain.Offset)) { change("") }

// impatient is a channel that forgets how far a request's sender had appended.
func impatient(_ *run, c ports.Channel) ports.Channel { return sender{c} }

type sender struct{ ports.Channel }

func (s sender) Unwrap() any { return s.Channel }

func (s sender) Send(ctx context.Context, to domain.NodeID, m *domain.Message) error {
	bare := *m
	bare.After = ""
	return s.Channel.Send(ctx, to, &bare)
}

// sharing is a store in which a claim takes nothing away and a deletion deletes nothing.
func sharing() func(*run, ports.Sessions) ports.Sessions {
	shared := &sharedSessions{kept: make(map[domain.SessionID]domain.Session)}
	return func(_ *run, s ports.Sessions) ports.Sessions { return sharedBy{s, shared} }
}

type sharedSessions struct {
	mu   sync.Mutex
	kept map[domain.SessionID]domain.Session
}

type sharedBy struct {
	ports.Sessions
	all *sharedSessions
}

func (s sharedBy) Save(_ context.Context, sessions []*domain.Session) []error {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	for _, k := range sessions {
		s.all.kept[k.ID] = *k
	}
	return nil
}

func (s sharedBy) Claim(_ context.Context, id domain.SessionID, _ domain.NodeID) (*domain.Session, error) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	k, ok := s.all.kept[id]
	if !ok {
		return nil, domain.ErrNoSession
	}
	return &k, nil
}

func (s sharedBy) GiveBack(context.Context, domain.SessionID, domain.NodeID) error { return nil }

func (s sharedBy) Delete(context.Context, domain.SessionID, domain.NodeID, time.Duration) error {
	return nil
}

// refusing is a store that has nothing for those who come back.
func refusing(_ *run, s ports.Sessions) ports.Sessions { return empty{s} }

type empty struct{ ports.Sessions }

func (empty) Claim(context.Context, domain.SessionID, domain.NodeID) (*domain.Session, error) {
	return nil, domain.ErrNoSession
}

// boasting is a store in which every lease vouches for the whole log.
func boasting(r *run, s ports.Sessions) ports.Sessions { return boastingLeases{s, r} }

type boastingLeases struct {
	ports.Sessions
	run *run
}

func (s boastingLeases) Lease(ctx context.Context, node domain.NodeID) (*domain.Lease, error) {
	lease, err := s.Sessions.Lease(ctx, node)
	if err != nil {
		return nil, err
	}
	w := s.run.w
	w.mu.Lock()
	defer w.mu.Unlock()
	more := *lease
	more.AsOf = maps.Clone(lease.AsOf)
	for stream := range more.AsOf {
		more.AsOf[stream] = w.log[len(w.log)-1].Offset
	}
	return &more, nil
}

// forgetfulOfRooms is a store that loses what was joined last.
func forgetfulOfRooms(_ *run, s ports.Sessions) ports.Sessions { return roomLoser{s} }

type roomLoser struct{ ports.Sessions }

func (s roomLoser) Save(ctx context.Context, sessions []*domain.Session) []error {
	less := make([]*domain.Session, len(sessions))
	for i, k := range sessions {
		copied := *k
		copied.Stays = copied.Stays[:min(len(copied.Stays), 2)]
		less[i] = &copied
	}
	return s.Sessions.Save(ctx, less)
}
