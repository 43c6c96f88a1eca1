package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/cmd/roombus/internal/roster"
	"github.com/roombus/roombus/cmd/roombus/internal/text"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// heartbeatTimeout is how long a node may be silent: the default of all nodes, Go's and Node.js'.
const heartbeatTimeout = 10 * time.Second

// rosterWindow is how far back heartbeats are read: so long a node is shown that has fallen silent.
const rosterWindow = time.Minute

// openRoster begins to read who is in the cluster: heartbeats that the log holds, and those that come. It returns when
// the log's end is reached; where the log reaches back less than a heartbeat's time it listens for so long.
func (s *session) openRoster(ctx context.Context) (*roster.Roster, error) {
	states, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	s.warnOfNothing(states)
	now := s.now(ctx)
	after, short := make(redisstream.Positions), time.Duration(0)
	for stream, state := range states {
		after[stream] = logview.Before(logview.OffsetAt(now.Add(-rosterWindow)))
		if logview.Compare(after[stream], state.last) > 0 {
			after[stream] = state.last
		}
		holds := time.Duration(0)
		if state.length > 0 {
			holds = now.Sub(logview.TimeOf(state.first))
		}
		if state.exists && state.added > state.length && holds < heartbeatTimeout {
			short = max(short, heartbeatTimeout-holds)
		}
	}
	r := roster.New(len(states), heartbeatTimeout)
	start, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	tail, err := s.transport.Log().Tail(start, s.position(after), r)
	if err != nil {
		return nil, err
	}
	s.onClose(tail.Close)
	select {
	case <-r.CaughtUp():
	case <-start.Done():
		return nil, fmt.Errorf("the log's end was not reached within %s (--timeout)", s.timeout)
	}
	s.rosterShort = short
	return r, nil
}

// listen waits for heartbeats, if the log does not reach back far enough to hold one of each node.
func (s *session) listen(ctx context.Context) error {
	if s.rosterShort <= 0 {
		return nil
	}
	s.notef("the log reaches back less than %s: listening for heartbeats for %s more", heartbeatTimeout, s.rosterShort.Round(time.Second))
	timer := time.NewTimer(s.rosterShort)
	defer timer.Stop()
	s.rosterShort = 0
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// asker asks the nodes that have diagnostics. It is a member of their own namespace, and of no other.
type asker struct {
	session *session
	node    *app.Node
	service *diagnostics.Service
	// seen knows who has diagnostics also where a node is too busy, or too dead, to answer who introduces himself.
	seen *roster.Roster
}

// maxMeeting is how long those who are heard in the log, and have not answered the introduction, are waited for before
// the question; they are waited for after it too.
const maxMeeting = 2 * time.Second

// openAsker joins the diagnostics' namespace and finds out who is there.
func (s *session) openAsker(ctx context.Context, name string, seen *roster.Roster) (*asker, error) {
	node, err := app.NewNode(s.transport.Log(), s.transport.Channel(), nil, app.Config{
		Name: "roombus " + name, Version: version(), Capabilities: []string{diagnostics.CapabilityTool},
	})
	if err != nil {
		return nil, err
	}
	service, err := diagnostics.NewService(node, nil, diagnostics.Sources{Tool: true})
	if err != nil {
		return nil, err
	}
	s.onClose(func() error { return errors.Join(service.Close(), node.Close()) })
	start, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := node.Run(start); err != nil {
		return nil, fmt.Errorf("ask the nodes (which --silent would not, where the tool has it): %w", err)
	}
	a := &asker{session: s, node: node, service: service, seen: seen}
	a.meet(ctx)
	return a, nil
}

// meet waits until the node knows everybody who is heard in the log, for a while.
func (a *asker) meet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, min(maxMeeting, a.session.timeout/2))
	defer cancel()
	a.service.Meet(ctx, 0)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for len(a.strangers(ctx)) > 0 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// strangers are the nodes that are heard in the log and that have not answered the introduction.
func (a *asker) strangers(ctx context.Context) []roster.Member {
	known := a.node.Nodes(diagnostics.Namespace)
	return a.others(ctx, func(id domain.NodeID) bool {
		return slices.ContainsFunc(known, func(m domain.Member) bool { return m.ID == id })
	})
}

// others are the nodes with diagnostics that are heard in the log, without those that are known.
func (a *asker) others(ctx context.Context, known func(domain.NodeID) bool) []roster.Member {
	members, _ := a.seen.At(a.session.now(ctx))
	return slices.DeleteFunc(members, func(m roster.Member) bool {
		return m.Namespace != diagnostics.Namespace || m.Lost || isTool(&m.Member) || known(m.ID)
	})
}

// ask asks all nodes that have diagnostics and waits for them for the session's timeout.
func (a *asker) ask(ctx context.Context, q diagnostics.Question) (*diagnostics.Reply, error) {
	asking, cancel := context.WithTimeout(ctx, a.session.timeout)
	defer cancel()
	reply, err := a.service.Ask(asking, q)
	if err != nil {
		return nil, err
	}
	if _, partial := errors.AsType[*domain.PartialError](reply.Err); reply.Err != nil && !partial {
		return nil, reply.Err
	}
	for _, m := range a.others(ctx, func(id domain.NodeID) bool {
		return slices.ContainsFunc(reply.Answers, func(a diagnostics.Answer) bool { return a.Node == id }) ||
			slices.ContainsFunc(reply.Missing, func(m diagnostics.MemberStatus) bool { return m.Node == id })
	}) {
		reply.Missing = append(reply.Missing, diagnostics.MemberStatus{Node: m.ID, Name: m.Info.Name, Version: m.Info.Version})
	}
	return reply, nil
}

// isTool reports whether a member is a tool like this one.
func isTool(m *domain.Member) bool {
	return slices.Contains(m.Info.Capabilities, diagnostics.CapabilityTool)
}

// unnamed counts the Node.js servers of the 0.3 line in a namespace: they subscribe on PUB/SUB and send no heartbeats.
// Without --pubsub they cannot be counted.
func (s *session) unnamed(ctx context.Context, namespace string, members []domain.NodeID) (int, error) {
	census, ok := ports.As[ports.Census](s.transport.Channel())
	if !ok {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, others, err := census.Listening(ctx, namespace, members)
	return others, err
}

// whoIsMissing puts who has not answered into words.
func whoIsMissing(named []string, unnamed int) string {
	var words []string
	for _, name := range named {
		words = append(words, text.Name(name))
	}
	if unnamed > 0 {
		words = append(words, text.Count(unnamed, "node without a name", "nodes without a name"))
	}
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}
