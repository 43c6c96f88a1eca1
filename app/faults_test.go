package app_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// The fence of case 10 must hold when an own entry does not come back as it went: it came twice, or was trimmed away.
func TestCase10_OwnEntriesThatComeTwiceOrNever(t *testing.T) {
	t.Run("twice", func(t *testing.T) {
		inCluster(t, 1, func(t *testing.T, c *cluster) {
			m := c.nodes[a]
			m.edge.connect("s")
			m.transport.Faults().Hold()
			m.transport.Faults().NextAppends(inmemory.AppendFault{Outcome: inmemory.AppendRepeated})
			m.emit(t, to("r"), "before")
			m.InOrder(root, func(domain.Offset) { m.edge.join("s", "r") })
			m.emit(t, to("r"), "after")
			m.transport.Faults().Resume()
			synctest.Wait()
			expect(t, "received", m.edge.received("s"), "after")
		})
	})
	t.Run("never", func(t *testing.T) {
		inCluster(t, 1, func(t *testing.T, c *cluster) {
			m := c.nodes[a]
			m.edge.connect("s", "r")
			m.transport.Faults().Hold()
			m.emit(t, to("r"), "lost")
			m.InOrder(root, func(domain.Offset) { m.edge.leave("s", "r") })
			m.emit(t, to("r"), "after the leave")
			c.memory.Trim(1)
			m.transport.Faults().Resume()
			synctest.Wait()
			expect(t, "received", m.edge.received("s"))
		})
	})
}

func TestClosingMakesTheChangesThatWait(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		m := c.nodes[a]
		var order []int
		add := func(i int) func(domain.Offset) { return func(domain.Offset) { order = append(order, i) } }
		m.transport.Faults().Hold()
		m.emit(t, to(), "x")
		m.InOrder(root, add(1))
		// An append under way keeps Close waiting.
		m.transport.Faults().NextAppends(inmemory.AppendFault{Delay: time.Second})
		var calls sync.WaitGroup
		calls.Go(func() { _, _ = m.Broadcast(t.Context(), root, to(), packet(t, "slow")) })
		synctest.Wait()
		calls.Go(func() { _ = m.Close() })
		synctest.Wait()
		m.InOrder(root, add(2))
		calls.Wait()
		expect(t, "order", order, 1, 2)
		if err := m.Open(t.Context(), root); !errors.Is(err, domain.ErrClosed) {
			t.Errorf("Open after Close: %v", err)
		}
	})
}

func TestJoiningANamespaceHeedsEachCallsContext(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *cluster) {
		m := c.nodes[a]
		m.transport.Faults().Cut()
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() { _, _ = m.Broadcast(t.Context(), "/new", to(), packet(t, "x")) })
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := m.Broadcast(ctx, "/new", to(), packet(t, "x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline", err)
		}
		if waited := time.Since(start); waited != 50*time.Millisecond {
			t.Errorf("a call with a deadline of 50ms returned after %s", waited)
		}
		start = time.Now()
		m.killed = true // no goodbye can be said
		_ = m.Close()
		if waited := time.Since(start); waited > 7*time.Second {
			t.Errorf("Close took %s", waited)
		}
		calls.Wait()
		m.transport.Faults().Mend()
	})
}

func TestManyNamespacesBeatAtOnce(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		for i := range 200 {
			for _, m := range c.nodes {
				if err := m.Open(t.Context(), fmt.Sprint("/n", i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		pass(10 * time.Second)
		c.nodes[a].transport.Faults().OnAppend(func(*domain.Message) inmemory.AppendFault {
			return inmemory.AppendFault{Delay: 50 * time.Millisecond}
		})
		pass(time.Minute)
		for _, change := range observed[*domain.MemberChanged](c.nodes[b].seen) {
			if change.Change.Event == domain.MemberLost {
				t.Fatalf("a node whose appends take 50ms was lost in %s", change.Namespace)
			}
		}
	})
}

func TestAHandlerThatEndsItsGoroutineEndsNoOther(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *cluster) {
		var calls atomic.Int32
		c.nodes[b].edge.onServer = func(context.Context, domain.Packet, func(domain.Value)) {
			if calls.Add(1) == 1 {
				runtime.Goexit()
			}
		}
		for range 3 {
			if err := c.nodes[a].ServerSideEmit(t.Context(), root, packet(t, "x")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := calls.Load(); got != 3 {
			t.Errorf("%d of 3 handlers ran", got)
		}
	})
}

func TestOfSeveralEdgesTheOneThatHasAnAnswerAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := inmemory.New(inmemory.Config{})
		start := func(edges ...*edge) *app.Node {
			transport := memory.Member()
			node, err := app.NewNode(transport.Log(), transport.Channel(), nil, app.Config{})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range edges {
				err = errors.Join(err, node.Attach(e))
			}
			if err := errors.Join(err, node.Open(t.Context(), root), node.Run(t.Context())); err != nil {
				t.Fatal(err)
			}
			return node
		}
		speaking := newEdge()
		speaking.onServer = func(_ context.Context, _ domain.Packet, reply func(domain.Value)) {
			reply(domain.TextValue("yes"))
		}
		asker, asked := start(newEdge()), start(newEdge(), speaking)
		synctest.Wait()
		answers, err := asker.ServerSideEmitWithAck(t.Context(), root, packet(t, "q"))
		if err != nil || len(answers) != 1 || answers[0].IsZero() {
			t.Errorf("answers %v, error %v, want one that says something", answers, err)
		}
		_, _, _ = asker.Close(), asked.Close(), memory.Close()
	})
}

// faultyEdge panics where it is told to.
type faultyEdge struct {
	*edge
	broken atomic.Bool
}

func (e *faultyEdge) Deliver(ctx context.Context, d *domain.Delivery) int {
	if e.broken.Load() {
		panic("in Deliver")
	}
	return e.edge.Deliver(ctx, d)
}

func (e *faultyEdge) Sockets(ctx context.Context, namespace string, t *domain.Target) []domain.SocketDetails {
	if e.broken.Load() {
		panic("in Sockets")
	}
	return e.edge.Sockets(ctx, namespace, t)
}

// A panic of an edge costs what it was called for: the namespace goes on.
func TestAPanicOfAnEdgeLocksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := inmemory.New(inmemory.Config{})
		transport, otherTransport := memory.Member(), memory.Member()
		seen := &observer{}
		node, err := app.NewNode(transport.Log(), transport.Channel(), nil, app.Config{Observer: seen})
		if err != nil {
			t.Fatal(err)
		}
		faulty := &faultyEdge{edge: newEdge()}
		other, err := app.NewNode(otherTransport.Log(), otherTransport.Channel(), nil, app.Config{})
		ctx := t.Context()
		err = errors.Join(err, node.Attach(faulty), node.Open(ctx, root), node.Run(ctx), other.Open(ctx, root), other.Run(ctx))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()

		faulty.broken.Store(true)
		func() {
			defer func() { _ = recover() }()
			volatile := domain.Target{Flags: domain.Flags{Volatile: true}}
			_, _ = node.Broadcast(ctx, root, volatile, packet(t, "v"))
			t.Error("the panic did not reach the caller")
		}()
		// A request that had to wait for the log is handled later, by the reader.
		transport.Faults().Hold()
		_, _ = other.Broadcast(ctx, root, to(), packet(t, "x"))
		asked := make(chan error)
		go func() {
			_, err := other.FetchSockets(ctx, root, to())
			asked <- err
		}()
		synctest.Wait()
		transport.Faults().Resume()
		if err := <-asked; err == nil {
			t.Error("a request that panicked was answered")
		}
		pass(20 * time.Second)
		if dropped := observed[*domain.Dropped](seen); len(dropped) != 1 {
			t.Errorf("observed %+v, want the panic once", dropped)
		}

		faulty.broken.Store(false)
		if !node.InOrder(root, func(domain.Offset) {}) {
			t.Error("a change waits although nothing is outstanding")
		}
		_, _ = node.Close(), other.Close()
		_, _, _ = transport.Close(), otherTransport.Close(), memory.Close()
	})
}
