package diagnostics_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is a number of nodes with diagnostics, in a bubble of testing/synctest.
type cluster struct {
	t      *testing.T
	memory *inmemory.Cluster
	nodes  []*member
}

type member struct {
	*app.Node
	transport *inmemory.Member
	recorder  *diagnostics.Recorder
	service   *diagnostics.Service
	killed    bool
}

// crowd is an edge with so many sockets, which answer at once.
type crowd int

func (c crowd) Deliver(_ context.Context, d *domain.Delivery) int {
	if d.Ack != nil {
		for range int(c) {
			d.Ack(domain.TextValue("seen"))
		}
	}
	return int(c)
}

func (c crowd) Apply(context.Context, string, domain.RoomOperation, domain.Offset) int { return int(c) }

func (c crowd) Sockets(context.Context, string, *domain.Target) []domain.SocketDetails {
	return make([]domain.SocketDetails, int(c))
}

func (c crowd) ServerSideEmit(_ context.Context, _ string, _ domain.Packet, reply func(domain.Value)) {
	if reply != nil {
		reply(domain.Value{})
	}
}

// inCluster runs a test in a bubble, with nodes of these names.
func inCluster(t *testing.T, test func(t *testing.T, c *cluster), names ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, memory: inmemory.New(inmemory.Config{MaxLength: 1000})}
		for _, name := range names {
			c.add(name, diagnostics.Config{TracesPerSecond: -1}, diagnostics.Sources{})
		}
		pass(time.Second)
		test(t, c)
		for _, m := range c.nodes {
			if err := m.service.Close(); err != nil {
				t.Errorf("close the diagnostics: %v", err)
			}
			if err := m.Close(); err != nil && !m.killed {
				t.Errorf("close node: %v", err)
			}
			_ = m.transport.Close()
		}
		_ = c.memory.Close()
	})
}

// pass lets time pass in the bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (c *cluster) add(name string, config diagnostics.Config, sources diagnostics.Sources) *member {
	c.t.Helper()
	m := &member{transport: c.memory.Member(), recorder: diagnostics.NewRecorder(config)}
	tracer, err := tracing.New(tracing.Config{TracerProvider: m.recorder.Provider(), Node: name})
	if err != nil {
		c.t.Fatal(err)
	}
	nodeConfig := app.Config{Name: name, Version: "v1", Observer: tracer.Observer(m.recorder.Observer(nil))}
	if sources.Tool {
		nodeConfig.Capabilities = []string{diagnostics.CapabilityTool}
	}
	m.Node, err = app.NewNode(tracer.Log(m.recorder.Log(m.transport.Log())), tracer.Channel(m.transport.Channel()), nil, nodeConfig)
	if err != nil {
		c.t.Fatal(err)
	}
	if !sources.Tool {
		c.join(m)
	}
	if m.service, err = diagnostics.NewService(m.Node, m.recorder, sources); err != nil {
		c.t.Fatal(err)
	}
	if err := m.Run(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.nodes = append(c.nodes, m)
	return m
}

// join gives a node sockets in the root namespace.
func (c *cluster) join(m *member) {
	c.t.Helper()
	if err := m.Attach(crowd(3)); err != nil {
		c.t.Fatal(err)
	}
	if err := m.Open(c.t.Context(), "/"); err != nil {
		c.t.Fatal(err)
	}
}

// kill takes a node's transport away, as kill -9 does.
func (m *member) kill() {
	m.killed = true
	_ = m.transport.Close()
}

func (m *member) ask(t *testing.T, q diagnostics.Question) *diagnostics.Reply {
	t.Helper()
	reply, err := m.service.Ask(t.Context(), q)
	if err != nil {
		t.Fatalf("ask: %v", err)
	}
	return reply
}

func (m *member) emit(t *testing.T) domain.Offset {
	t.Helper()
	p, err := domain.NewPacket([]byte(`["news","secret"]`))
	if err != nil {
		t.Fatal(err)
	}
	at, err := m.Broadcast(t.Context(), "/", domain.Target{Rooms: []string{"kitchen"}}, p)
	if err != nil {
		t.Fatalf("emit: %v", err)
	}
	return at
}
