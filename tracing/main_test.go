package tracing_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
	"github.com/roombus/roombus/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// recorder keeps the spans that have ended, and tells of each.
type recorder struct {
	*tracetest.SpanRecorder
	ended chan struct{} // one token at the most: "look again"
}

func newRecorder() *recorder {
	return &recorder{SpanRecorder: tracetest.NewSpanRecorder(), ended: make(chan struct{}, 1)}
}

func (r *recorder) OnEnd(s sdktrace.ReadOnlySpan) {
	r.SpanRecorder.OnEnd(s)
	select {
	case r.ended <- struct{}{}:
	default:
	}
}

// provider records all spans of a test.
func (r *recorder) provider(t testing.TB) *sdktrace.TracerProvider {
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r))
	t.Cleanup(func() {
		if err := p.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("shut the tracer provider down: %v", err)
		}
	})
	return p
}

// wait returns the ended spans of a name as soon as there are so many.
func (r *recorder) wait(t *testing.T, name string, count int) []sdktrace.ReadOnlySpan {
	t.Helper()
	deadline := time.After(patience)
	for {
		found := r.named(name)
		if len(found) >= count {
			return found
		}
		select {
		case <-r.ended:
		case <-deadline:
			t.Fatalf("%d spans %q have ended, want %d; all: %q", len(found), name, count, r.names())
		}
	}
}

func (r *recorder) named(name string) []sdktrace.ReadOnlySpan {
	return slices.DeleteFunc(r.Ended(), func(s sdktrace.ReadOnlySpan) bool { return s.Name() != name })
}

func (r *recorder) names() []string {
	var names []string
	for _, s := range r.Ended() {
		names = append(names, s.Name())
	}
	return names
}

// value is an attribute of a span.
func value(t *testing.T, s sdktrace.ReadOnlySpan, key string) attribute.Value {
	t.Helper()
	return valueOf(t, s.Name(), s.Attributes(), key)
}

func valueOf(t *testing.T, name string, all []attribute.KeyValue, key string) attribute.Value {
	t.Helper()
	for _, a := range all {
		if string(a.Key) == key {
			return a.Value
		}
	}
	t.Fatalf("%q has no attribute %s; it has %v", name, key, all)
	return attribute.Value{}
}

// edge is an edge with as many sockets as it is told, each of which answers at once.
type edge struct{ sockets int }

func (e *edge) Deliver(_ context.Context, d *domain.Delivery) int {
	if d.Ack != nil {
		for range e.sockets {
			d.Ack(domain.TextValue("seen"))
		}
	}
	return e.sockets
}

func (e *edge) Apply(context.Context, string, domain.RoomOperation, domain.Offset) int {
	return e.sockets
}

func (e *edge) Sockets(context.Context, string, *domain.Target) []domain.SocketDetails {
	return make([]domain.SocketDetails, e.sockets)
}

func (e *edge) ServerSideEmit(_ context.Context, _ string, _ domain.Packet, reply func(domain.Value)) {
	if reply != nil {
		reply(domain.TextValue("heard"))
	}
}

// watch is an observer that hands on the events of one type.
type watch[E domain.Event] chan E

func (w watch[E]) Observe(_ context.Context, e domain.Event) {
	if e, ok := e.(E); ok {
		w <- e
	}
}

// transport is what a node needs.
type transport struct {
	log      ports.Log
	channel  ports.Channel
	sessions ports.Sessions
}

// run starts a traced node that is closed with the test.
func run(t *testing.T, name string, via transport, config tracing.Config, sockets int, next ports.Observer) *app.Node {
	t.Helper()
	config.Node = name
	tracer, err := tracing.New(config)
	if err != nil {
		t.Fatalf("make a tracer: %v", err)
	}
	node, err := app.NewNode(tracer.Log(via.log), tracer.Channel(via.channel), via.sessions,
		app.Config{Name: name, Observer: tracer.Observer(next)})
	if err != nil {
		t.Fatalf("make node %s: %v", name, err)
	}
	if err := node.Attach(&edge{sockets: sockets}); err != nil {
		t.Fatalf("attach an edge to node %s: %v", name, err)
	}
	if err := node.Open(t.Context(), "/"); err != nil {
		t.Fatalf("open / on node %s: %v", name, err)
	}
	if err := node.Run(t.Context()); err != nil {
		t.Fatalf("run node %s: %v", name, err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Errorf("close node %s: %v", name, err)
		}
	})
	return node
}

// runPair starts two nodes that know each other, with 2 and 3 sockets.
func runPair(t *testing.T, a, b transport, config tracing.Config) (*app.Node, *app.Node) {
	t.Helper()
	met := make(watch[*domain.MemberChanged], 100)
	nodeA := run(t, "a", a, config, 2, met)
	nodeB := run(t, "b", b, config, 3, met)
	deadline := time.After(patience)
	for nodeA.NodeCount("/") < 2 || nodeB.NodeCount("/") < 2 {
		select {
		case <-met:
		case <-deadline:
			t.Fatalf("the nodes have not met: a counts %d, b counts %d", nodeA.NodeCount("/"), nodeB.NodeCount("/"))
		}
	}
	return nodeA, nodeB
}

func packet(t testing.TB, json string) domain.Packet {
	t.Helper()
	p, err := domain.NewPacket([]byte(json))
	if err != nil {
		t.Fatalf("make the packet %s: %v", json, err)
	}
	return p
}
