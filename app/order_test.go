package app_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

// inLocalFirst runs a test with a node that lets its own sockets have things first, and one that does not.
func inLocalFirst(t *testing.T, test func(t *testing.T, first, other *member)) {
	inCluster(t, 0, func(t *testing.T, c *cluster) {
		first, other := c.add(app.Config{Order: app.OrderLocalFirst}), c.add(app.Config{})
		first.edge.connect("s0", "r")
		other.edge.connect("s1", "r")
		synctest.Wait()
		test(t, first, other)
	})
}

func TestCase11_LocalFirst(t *testing.T) {
	t.Run("own sockets do not wait for the log", func(t *testing.T) {
		inLocalFirst(t, func(t *testing.T, first, other *member) {
			const way = 500 * time.Microsecond
			first.transport.Faults().OnAppend(func(*domain.Message) inmemory.AppendFault {
				return inmemory.AppendFault{Delay: way}
			})
			start := time.Now()
			sent := make(chan domain.Offset)
			go func() { sent <- first.emit(t, to("r"), "x") }()
			synctest.Wait() // no time passes
			expect(t, "on the own node, at once", first.edge.received("s0"), "x")
			expect(t, "on the other, not yet", other.edge.received("s1"))
			at := <-sent
			synctest.Wait()
			if at == "" || time.Since(start) < way {
				t.Errorf("offset %q after %s", at, time.Since(start))
			}
			expect(t, "on the other", other.edge.received("s1"), "x")
			expect(t, "on the own node, once", first.edge.received("s0"), "x")
			expect(t, "offsets there", first.edge.offsets["s0"], "")
			expect(t, "offsets on the other", other.edge.offsets["s1"], at)
		})
	})
	t.Run("with the log down", func(t *testing.T) {
		inLocalFirst(t, func(t *testing.T, first, other *member) {
			first.transport.Faults().Cut()
			ctx := t.Context()
			_, err := first.Broadcast(ctx, root, to("r"), packet(t, "x"))
			if !errors.Is(err, domain.ErrNotPublished) {
				t.Errorf("the error is %v, want that it is not published", err)
			}
			// A namespace that could not be joined either.
			_, err = first.Broadcast(ctx, "/never-joined", to("r"), packet(t, "y"))
			if err == nil {
				t.Error("no error")
			}
			err = first.Operate(ctx, root, &domain.Leave{Target: to("r"), Rooms: []string{"r"}})
			if !errors.Is(err, domain.ErrNotPublished) {
				t.Errorf("the error is %v, want that it is not published", err)
			}
			expect(t, "on the own node", first.edge.received("s0"), "x", "y")
			expect(t, "on the other", other.edge.received("s1"))
			if first.edge.size("r") != 0 || other.edge.size("r") != 1 {
				t.Error("the operation was not performed on the own sockets alone")
			}
			first.transport.Faults().Mend()
		})
	})
	t.Run("local changes and room operations are made at once", func(t *testing.T) {
		inLocalFirst(t, func(t *testing.T, first, other *member) {
			first.transport.Faults().OnAppend(func(*domain.Message) inmemory.AppendFault {
				return inmemory.AppendFault{Delay: time.Second}
			})
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				first.emit(t, to("r"), "bye")
			}()
			synctest.Wait()
			if !first.InOrder(root, func(domain.Offset) { first.edge.leave("s0", "r") }) {
				t.Error("the change waits")
			}
			<-sent
			operated := make(chan error)
			go func() {
				operated <- first.Operate(t.Context(), root, &domain.Join{Rooms: []string{"hall"}})
			}()
			synctest.Wait()
			if first.edge.size("hall") != 1 || other.edge.size("hall") != 0 {
				t.Error("the own socket is not in the room at once")
			}
			if err := <-operated; err != nil {
				t.Error(err)
			}
			synctest.Wait()
			expect(t, "received", first.edge.received("s0"), "bye")
			if other.edge.size("hall") != 1 {
				t.Error("the other node's socket is not in the room")
			}
			first.transport.Faults().OnAppend(nil)
		})
	})
	t.Run("the rest goes its way", func(t *testing.T) {
		inLocalFirst(t, func(t *testing.T, first, other *member) {
			volatile := domain.Target{Flags: domain.Flags{Volatile: true}}
			first.emit(t, volatile, "tick")
			answers, err := first.BroadcastWithAck(t.Context(), root, to("r"), packet(t, "q"))
			if len(answers) != 2 || err != nil {
				t.Errorf("answers %v, error %v", answers, err)
			}
			other.emit(t, to("r"), "from elsewhere")
			synctest.Wait()
			for _, m := range []*member{first, other} {
				socket := map[*member]string{first: "s0", other: "s1"}[m]
				expect(t, socket, m.edge.received(socket), "tick", "q", "from elsewhere")
			}
			expect(t, "offsets there", first.edge.offsets["s0"], "", "", "")
			sockets, err := first.FetchSockets(t.Context(), root, to("r"))
			expect(t, "fetched", ids(sockets), "s0", "s1")
			if err != nil {
				t.Error(err)
			}
			delivered := first.seen.delivered(domain.KindBroadcast)
			if len(delivered) != 3 || delivered[0].Sockets != 1 {
				t.Errorf("%d deliveries were observed, want 3", len(delivered))
			}
		})
	})
}

// size is how many sockets are in a room.
func (e *edge) size(room string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rooms.Size(room)
}

func TestOrderIsChecked(t *testing.T) {
	transport := inmemory.New(inmemory.Config{}).Member()
	defer func() { _ = transport.Close() }()
	recovery := app.Recovery{Window: time.Minute}
	for name, config := range map[string]app.Config{
		"an order that does not exist": {Order: 7},
		"local first with recovery":    {Order: app.OrderLocalFirst, Recovery: recovery},
	} {
		if _, err := app.NewNode(transport.Log(), transport.Channel(), transport.Sessions(), config); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}
