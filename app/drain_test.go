package app_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// said tells what happened to a node in the eyes of another.
func said(seen *observer, id domain.NodeID) (events []domain.MemberEvent) {
	for _, change := range observed[*domain.MemberChanged](seen) {
		if change.Change.Member.ID == id {
			events = append(events, change.Change.Event)
		}
	}
	return events
}

func TestCase23_DrainSaysGoodbyeLast(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		stays, leaves := c.nodes[a], c.nodes[b]
		stays.edge.connect("s0")
		stays.edge.silent["s0"] = true
		leaves.edge.connect("s1")
		entered, release := make(chan struct{}), make(chan struct{})
		var asked error
		leaves.edge.onServer = func(ctx context.Context, _ domain.Packet, _ func(domain.Value)) {
			close(entered)
			<-release
			_, asked = leaves.FetchSockets(ctx, root, to()) // a handler may still use the node
		}
		if err := stays.ServerSideEmit(t.Context(), root, packet(t, "work")); err != nil {
			t.Fatal(err)
		}
		<-entered
		collected := make(chan []domain.Value, 1)
		go func() { // a call under way, which the silent socket keeps waiting
			target := domain.Target{Flags: domain.Flags{Timeout: time.Second}}
			answers, _ := leaves.BroadcastWithAck(t.Context(), root, target, packet(t, "q"))
			collected <- answers
		}()
		synctest.Wait()

		drained := make(chan error, 2)
		for range 2 { // twice is once
			go func() { drained <- leaves.Drain(t.Context()) }()
		}
		synctest.Wait()
		member := stays.Nodes(root)[slices.IndexFunc(stays.Nodes(root), func(m domain.Member) bool { return !m.Self })]
		if !member.Draining || stays.NodeCount(root) != 2 {
			t.Errorf("the others see %+v of %d nodes, want one that drains and is still there", member, stays.NodeCount(root))
		}
		own := leaves.Nodes(root)[slices.IndexFunc(leaves.Nodes(root), func(m domain.Member) bool { return m.Self })]
		if !own.Draining {
			t.Error("the node does not say of itself that it drains")
		}
		sockets, err := stays.FetchSockets(t.Context(), root, to())
		if err != nil {
			t.Error(err)
		}
		expect(t, "sockets meanwhile", ids(sockets), "s0", "s1")
		pass(time.Minute)
		select {
		case <-leaves.Done():
			t.Error("drained although a handler is at work")
		default:
		}
		close(release)
		for range 2 {
			if err := <-drained; err != nil {
				t.Errorf("drain: %v", err)
			}
		}
		<-leaves.Done()
		if asked != nil {
			t.Errorf("the handler's own question: %v", asked)
		}
		if got := <-collected; len(got) != 1 {
			t.Errorf("the call under way got %v, want its own socket's answer", got)
		}
		synctest.Wait()
		expect(t, "the others saw", said(stays.seen, leaves.ID()),
			domain.MemberJoined, domain.MemberUpdated, domain.MemberLeft)
		if stays.NodeCount(root) != 1 {
			t.Errorf("%d nodes, want 1", stays.NodeCount(root))
		}
		pass(time.Minute)
		if stays.NodeCount(root) != 1 {
			t.Error("it came back after its goodbye")
		}
	})
}

func TestCase23_DrainSendsTheAnswersThatItOwes(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		stays, leaves := c.nodes[a], c.nodes[b]
		entered, release := make(chan struct{}), make(chan struct{})
		leaves.edge.onServer = func(_ context.Context, _ domain.Packet, reply func(domain.Value)) {
			close(entered)
			<-release
			reply(domain.TextValue("done"))
		}
		answered := make(chan error)
		go func() {
			answers, err := stays.ServerSideEmitWithAck(t.Context(), root, packet(t, "work"))
			if len(answers) != 1 {
				t.Errorf("%d answers, want 1", len(answers))
			}
			answered <- err
		}()
		<-entered
		go close(release)
		if err := leaves.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-answered; err != nil {
			t.Error(err)
		}
	})
}

func TestCase23_DrainHasAnEnd(t *testing.T) {
	for name, cut := range map[string]func(leaves *member, cancel func()){
		"its context's": func(_ *member, cancel func()) { cancel() },
		"Close":         func(leaves *member, _ func()) { _ = leaves.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, 2, func(t *testing.T, c *cluster) {
				leaves := c.nodes[b]
				entered := make(chan struct{})
				leaves.edge.onServer = func(ctx context.Context, _ domain.Packet, _ func(domain.Value)) {
					close(entered)
					<-ctx.Done()
				}
				if err := c.nodes[a].ServerSideEmit(t.Context(), root, packet(t, "work")); err != nil {
					t.Fatal(err)
				}
				<-entered
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				drained := make(chan error, 1)
				go func() { drained <- leaves.Drain(ctx) }()
				synctest.Wait()
				cut(leaves, cancel)
				err := <-drained
				if cutShort := errors.Is(err, context.Canceled); cutShort != (ctx.Err() != nil) {
					t.Errorf("drain: %v", err)
				}
				synctest.Wait()
				if c.nodes[a].NodeCount(root) != 1 {
					t.Error("it has not said goodbye")
				}
			})
		})
	}
}

func TestCase23_DrainWithTheLogAwayReportsIt(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		leaves := c.nodes[b]
		leaves.transport.Faults().Cut()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := leaves.Drain(ctx); !errors.Is(err, domain.ErrNotPublished) {
			t.Errorf("drain: %v, want what could not be said", err)
		}
		leaves.transport.Faults().Mend()
	})
	t.Run("a node that never ran", func(t *testing.T) {
		inCluster(t, 0, func(t *testing.T, c *cluster) {
			transport := c.memory.Member()
			node, err := app.NewNode(transport.Log(), transport.Channel(), nil, app.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(node.Drain(t.Context()), node.Drain(t.Context()), node.Close(), transport.Close()); err != nil {
				t.Error(err)
			}
			<-node.Done()
		})
	})
}
