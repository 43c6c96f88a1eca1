package app_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// countingChannel is a channel that knows who listens: every node but the deaf, and the strangers.
type countingChannel struct {
	ports.Channel
	audience *audience
}

// audience is what the counting channels of a cluster have in common.
type audience struct {
	mu        sync.Mutex
	deaf      []domain.NodeID
	strangers int
	err       error
	sent      []domain.Kind // to all
}

func (c countingChannel) Listening(
	_ context.Context, _ string, nodes []domain.NodeID,
) (named []domain.NodeID, others int, err error) {
	c.audience.mu.Lock()
	defer c.audience.mu.Unlock()
	for _, node := range nodes {
		if !slices.Contains(c.audience.deaf, node) {
			named = append(named, node)
		}
	}
	return named, c.audience.strangers, c.audience.err
}

func (c countingChannel) Send(ctx context.Context, to domain.NodeID, m *domain.Message) error {
	if to == "" {
		c.audience.mu.Lock()
		c.audience.sent = append(c.audience.sent, m.Kind())
		c.audience.mu.Unlock()
	}
	return c.Channel.Send(ctx, to, m)
}

func (a *audience) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

func (a *audience) sentToAll() []domain.Kind {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sent)
}

// stranger is a peer like a Node.js server of the 0.3 line: it sends no heartbeats, executes what it finds in the log,
// and answers on the asker's channel.
type stranger struct {
	channel ports.Channel
	mu      sync.Mutex
	asked   []domain.Kind
}

const strangerID domain.NodeID = "5555555555555555"

func (s *stranger) HandleEntry(ctx context.Context, e *domain.Entry) {
	var reply domain.Body
	switch body := e.Message.Body.(type) {
	case *domain.FetchSockets:
		reply = &domain.FetchSocketsReply{Request: body.Request, Sockets: []domain.SocketDetails{{ID: "stranger's"}}}
	case *domain.ServerSideEmit:
		reply = &domain.ServerSideEmitReply{Request: body.Request, Value: domain.TextValue("stranger")}
	case *domain.Broadcast:
		reply = &domain.AckClientCount{Request: body.Request}
	default:
		return
	}
	s.mu.Lock()
	s.asked = append(s.asked, e.Message.Kind())
	s.mu.Unlock()
	_ = s.channel.Send(ctx, e.Message.Node, &domain.Message{Node: strangerID, Namespace: root, Body: reply})
}

func (*stranger) HandleNotice(context.Context, domain.Notice) {}

func (*stranger) HandleMessage(context.Context, *domain.Message) {}

func (s *stranger) found() []domain.Kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// inCountedCluster runs a test with two nodes whose channel counts, and somebody who reads the log and has no name.
func inCountedCluster(t *testing.T, test func(t *testing.T, c *cluster, who *audience, s *stranger)) {
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		who := &audience{}
		for range 2 {
			c.wrap = func(inner ports.Channel) ports.Channel { return countingChannel{inner, who} }
			c.add(app.Config{})
		}
		outside := c.memory.Member()
		s := &stranger{channel: outside.Channel()}
		tail, err := outside.Log().Tail(t.Context(), "", s)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		test(t, c, who, s)
		if err := tail.Close(); err != nil {
			t.Error(err)
		}
		_ = outside.Close()
	})
}

// ask asks everything that wants answers, and returns what came of it.
func ask(t *testing.T, n *member) (sockets []string, answers int, err error) {
	t.Helper()
	found, fetchErr := n.FetchSockets(t.Context(), root, to())
	values, emitErr := n.ServerSideEmitWithAck(t.Context(), root, packet(t, "e"))
	_, ackErr := n.BroadcastWithAck(t.Context(), root, to(), packet(t, "b"))
	synctest.Wait() // so that everybody has read what is in the log
	return ids(found), len(values), errors.Join(fetchErr, emitErr, ackErr)
}

var acked, fetched, emitted = domain.KindBroadcast, domain.KindFetchSockets, domain.KindServerSideEmit

func TestCase19_OneLaneARequest(t *testing.T) {
	t.Run("all hear the channel", func(t *testing.T) {
		inCountedCluster(t, func(t *testing.T, c *cluster, who *audience, s *stranger) {
			if _, answers, err := ask(t, c.nodes[a]); answers != 1 || err != nil {
				t.Errorf("%d answers, %v", answers, err)
			}
			expect(t, "on the channel", who.sentToAll(), fetched, emitted)
			expect(t, "in the log", s.found(), acked)
		})
	})
	t.Run("a member does not", func(t *testing.T) {
		inCountedCluster(t, func(t *testing.T, c *cluster, who *audience, s *stranger) {
			who.set(func() { who.deaf = append(who.deaf, c.nodes[b].ID()) })
			if _, answers, err := ask(t, c.nodes[a]); answers != 1 || err != nil {
				t.Errorf("%d answers, %v", answers, err)
			}
			expect(t, "on the channel", who.sentToAll())
			expect(t, "in the log", s.found(), fetched, emitted, acked)
		})
	})
	t.Run("it cannot be learned", func(t *testing.T) {
		inCountedCluster(t, func(t *testing.T, c *cluster, who *audience, s *stranger) {
			broken := errors.New("broken")
			who.set(func() { who.err = broken })
			if _, _, err := ask(t, c.nodes[a]); !errors.Is(err, broken) {
				t.Errorf("the error is %v", err)
			}
			expect(t, "on the channel", who.sentToAll())
			expect(t, "in the log", s.found())
			who.set(func() { who.err = nil })
		})
	})
}

func TestCase21_StrangersAreWaitedFor(t *testing.T) {
	inCountedCluster(t, func(t *testing.T, c *cluster, who *audience, s *stranger) {
		who.set(func() { who.strangers = 1 })
		sockets, answers, err := ask(t, c.nodes[a])
		if err != nil {
			t.Errorf("asked: %v", err)
		}
		expect(t, "fetched", sockets, "stranger's")
		if answers != 2 {
			t.Errorf("%d answers, want 2", answers)
		}
		// A stranger on the channel would not wait for what was published before.
		expect(t, "on the channel", who.sentToAll())
		expect(t, "in the log", s.found(), fetched, emitted, acked)
		// It has answered, which makes it no member: silence would have it lost.
		if got := c.nodes[a].Nodes(root); len(got) != 2 || c.nodes[a].NodeCount(root) != 3 {
			t.Errorf("the members are %v, and %d are counted", got, c.nodes[a].NodeCount(root))
		}
		// One more, who does not answer, is missing without a name.
		who.set(func() { who.strangers = 2 })
		found, err := c.nodes[a].FetchSockets(t.Context(), root, to())
		var partial *domain.PartialError
		if !errors.As(err, &partial) || partial.Unnamed != 1 || len(partial.Missing) != 0 {
			t.Errorf("the error is %v", err)
		}
		expect(t, "fetched", ids(found), "stranger's")
		// It costs one deadline, not every later one.
		start := time.Now()
		_, err = c.nodes[a].FetchSockets(t.Context(), root, to())
		if !errors.Is(err, domain.ErrUnresponsive) || time.Since(start) > 300*time.Millisecond {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		who.set(func() { who.strangers = 1 })
		if _, err = c.nodes[a].FetchSockets(t.Context(), root, to()); err != nil {
			t.Error(err)
		}
		who.set(func() { who.strangers = 2 })
		start = time.Now()
		_, err = c.nodes[a].FetchSockets(t.Context(), root, to())
		if waited := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || waited != 5*time.Second {
			t.Errorf("a new one without an answer: %s, %v", waited, err)
		}
		who.set(func() { who.strangers = 0 })
		pass(time.Minute)
		if got := c.nodes[a].NodeCount(root); got != 2 {
			t.Errorf("%d are counted a minute later, want 2", got)
		}
	})
}

// slowCount is a channel whose count takes so long that something happens meanwhile.
type slowCount struct {
	ports.Channel
	meanwhile *func()
}

func (c slowCount) Listening(
	_ context.Context, _ string, nodes []domain.NodeID,
) (named []domain.NodeID, others int, err error) {
	if do := *c.meanwhile; do != nil {
		*c.meanwhile = nil
		do()
	}
	return nodes, 0, nil
}

// Who says goodbye after it was counted, and before the question is on its way, is not waited for.
func TestAGoodbyeBeforeTheQuestionIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var meanwhile func()
		c := &cluster{t: t, memory: inmemory.New(inmemory.Config{})}
		c.wrap = func(inner ports.Channel) ports.Channel { return slowCount{inner, &meanwhile} }
		asker, leaver := c.add(app.Config{}), c.add(app.Config{})
		synctest.Wait()
		meanwhile = func() {
			_ = leaver.Close()
			synctest.Wait()
		}
		start := time.Now()
		if _, err := asker.FetchSockets(t.Context(), root, to()); err != nil || time.Since(start) > soon {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		_ = asker.Close()
		_, _, _ = asker.transport.Close(), leaver.transport.Close(), c.memory.Close()
	})
}
