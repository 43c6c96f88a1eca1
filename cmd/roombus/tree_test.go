package main

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
	"github.com/roombus/roombus/tracing"
)

const (
	askersTrace = "0af7651916cd43dd8448eb211c80319c"
	askersSpan  = "b7ad6b7169203331"
)

// enter connects a client that answers questions, in a room if one is given.
func enter(t *testing.T, p *process, room string, config client.Config) *client.Socket {
	t.Helper()
	c, err := client.New(p.url, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := c.Of("/")
	client.OnAck(s, "question", func(context.Context, heard) (string, error) { return "secret-answer", nil })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if room != "" {
		if got, err := client.Decode[moved](s.EmitWithAck(ctx, "join", room)); err != nil || !got.OK {
			t.Fatalf("join %s: %+v, %v", room, got, err)
		}
	}
	return s
}

// traced starts a node whose spans go to an endpoint.
func traced(t *testing.T, endpoint, redis, name string, flags ...string) *process {
	t.Helper()
	env := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint, "OTEL_METRICS_EXPORTER=none", "OTEL_SERVICE_NAME=" + name}
	return serveWith(t, env, append([]string{"--redis", redis, "--name", name}, flags...)...)
}

// meet waits until a client's node knows of so many nodes.
func meet(t *testing.T, s *client.Socket, nodes int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		got, err := client.Decode[presence](s.EmitWithAck(ctx, "who", ""))
		cancel()
		if err == nil && len(got.Nodes) == nodes {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the node knows of %+v (%v), want %d nodes", got.Nodes, err, nodes)
		}
	}
}

// TestABroadcastWithAcksIsOneTrace: three processes over Redis, and a client that sends the context of its own trace. It
// asks all in a room; the whole tree is as it should be, from its event to the last ack.
func TestABroadcastWithAcksIsOneTrace(t *testing.T) {
	redis := realredis.Start(t)
	got, endpoint := startCollector(t)
	a, b, c := traced(t, endpoint, redis.URL(), "a"), traced(t, endpoint, redis.URL(), "b"), traced(t, endpoint, redis.URL(), "c")
	const room = "secret-room"
	for _, at := range []*process{a, b, c, c} {
		meet(t, enter(t, at, room, client.Config{}), 3)
	}
	asker := enter(t, a, "", client.Config{Auth: map[string]string{
		"traceparent": "00-" + askersTrace + "-" + askersSpan + "-01", "tracestate": "asker=1",
	}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	result, err := client.Decode[answers](asker.EmitWithAck(ctx, "ask", room))
	if err != nil || result.Count != 4 || result.Partial != "" {
		t.Fatalf("the answer is %+v, %v; want 4 answers", result, err)
	}
	asker.Disconnect()
	for _, p := range []*process{a, b, c} {
		p.stop() // the last spans are exported then
	}

	id, _ := hex.DecodeString(askersTrace)
	parent, _ := hex.DecodeString(askersSpan)
	spans := got.trace(id)
	tree := drawn(spans, parent, "messaging.system", "messaging.operation.name", "messaging.operation.type",
		"messaging.destination.name", "roombus.lane", "roombus.node.name", "roombus.asked", "roombus.answers", "roombus.sockets")
	want := strings.TrimSpace(`
CONSUMER process connect on a system=roombus name=process type=process name=/ lane=client name=a
CONSUMER process event on a system=roombus name=process type=process name=/ lane=client name=a
  CLIENT request broadcast on a system=roombus name=request name=/ name=a asked=2 answers=4 [ack, ack, ack, ack, answer, answer, answer]
    PRODUCER send broadcast on a system=roombus name=send type=send name=/ lane=log name=a
      CONSUMER process broadcast on a system=roombus name=process type=process name=/ lane=log name=a sockets=1
      CONSUMER process broadcast on b system=roombus name=process type=process name=/ lane=log name=b sockets=1
        PRODUCER send ack client count on b system=roombus name=send type=send name=/ lane=log name=b
          CONSUMER process ack client count on a system=roombus name=process type=process name=/ lane=log name=a
        PRODUCER send ack on b system=roombus name=send type=send name=/ lane=log name=b
          CONSUMER process ack on a system=roombus name=process type=process name=/ lane=log name=a
      CONSUMER process broadcast on c system=roombus name=process type=process name=/ lane=log name=c sockets=2
        PRODUCER send ack client count on c system=roombus name=send type=send name=/ lane=log name=c
          CONSUMER process ack client count on a system=roombus name=process type=process name=/ lane=log name=a
        PRODUCER send ack on c system=roombus name=send type=send name=/ lane=log name=c
          CONSUMER process ack on a system=roombus name=process type=process name=/ lane=log name=a
        PRODUCER send ack on c system=roombus name=send type=send name=/ lane=log name=c
          CONSUMER process ack on a system=roombus name=process type=process name=/ lane=log name=a`)
	if tree != want {
		t.Errorf("the tree is\n%s\nwant\n%s", tree, want)
	}
	checkIDs(t, spans)
	if got.has("secret") {
		t.Error("a room or a payload was exported")
	}
}

// checkIDs: what belongs together says so.
func checkIDs(t *testing.T, spans []*span) {
	t.Helper()
	requests, offsets := make(map[string]int), make(map[string]bool)
	for _, s := range spans {
		if len(s.GetLinks()) != 0 {
			t.Errorf("%s has links", s.GetName())
		}
		if s.GetTraceState() != "roombus=1,asker=1" { // that the nodes remember it, and the client's
			t.Errorf("%s has the trace state %q, want the choice and the client's", s.GetName(), s.GetTraceState())
		}
		if id := s.value("messaging.message.conversation_id"); id != "" {
			requests[id]++
		}
		if strings.HasSuffix(s.GetName(), " broadcast") && s.GetKind().String() != "SPAN_KIND_CLIENT" {
			offsets[s.value("messaging.message.id")] = true
		}
		for _, key := range []string{"roombus.rooms", "roombus.event.name", "roombus.socket.id"} {
			if s.value(key) != "" {
				t.Errorf("%s has %s, which nobody asked for", s.GetName(), key)
			}
		}
	}
	if len(requests) != 1 {
		t.Errorf("the spans are of the requests %v, want one", requests)
	}
	if len(offsets) != 1 || offsets[""] {
		t.Errorf("the broadcast has the positions %v in the log, want one", offsets)
	}
}

// TestAnEmittersMessageIsOneTraceWithDetails: an emitter in this process begins, two nodes deliver, and they show what
// they are told to.
func TestAnEmittersMessageIsOneTraceWithDetails(t *testing.T) {
	redis := realredis.Start(t)
	got, endpoint := startCollector(t)
	a, b := traced(t, endpoint, redis.URL(), "a", "--trace-details"), traced(t, endpoint, redis.URL(), "b")
	arrived := make(chan struct{}, 2)
	for _, at := range []*process{a, b} {
		s := enter(t, at, "den", client.Config{})
		client.On(s, "news", func(context.Context, string) error { arrived <- struct{}{}; return nil })
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	t.Setenv("OTEL_SERVICE_NAME", "job")
	id := emitTraced(t, redis.URL())
	for range 2 {
		select {
		case <-arrived:
		case <-time.After(patience):
			t.Fatal("the message did not arrive")
		}
	}
	a.stop()
	b.stop()
	tree := drawn(got.trace(id[:]), nil, "roombus.lane", "roombus.sockets", "roombus.event.name", "roombus.sender.id")
	want := strings.TrimSpace(`
INTERNAL nightly on job
  PRODUCER send broadcast on job lane=log id=emitter
    CONSUMER process broadcast on a lane=log sockets=1 name=news id=emitter
    CONSUMER process broadcast on b lane=log sockets=1 id=emitter`)
	if tree != want {
		t.Errorf("the tree is\n%s\nwant\n%s", tree, want)
	}
	if !got.has("den") {
		t.Error("with details the rooms are not shown")
	}
}

// emitTraced emits from a process that is no node, and returns the trace.
func emitTraced(t *testing.T, redis string) trace.TraceID {
	t.Helper()
	provider, shutdown, err := traces(t.Context(), &diagnosis{})
	if err != nil {
		t.Fatal(err)
	}
	tracer, err := tracing.New(tracing.Config{TracerProvider: provider})
	if err != nil {
		t.Fatal(err)
	}
	transport, err := redisstream.Connect(t.Context(), redis, redisstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	emitter, err := app.NewEmitter(tracer.Log(transport.Log()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, work := provider.Tracer("job").Start(t.Context(), "nightly")
	packet, err := domain.NewPacket([]byte(`["news","text"]`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := emitter.Broadcast(ctx, "/", domain.Target{Rooms: []string{"den"}}, packet); err != nil {
		t.Fatal(err)
	}
	work.End()
	if err := errors.Join(transport.Close(), shutdown(t.Context())); err != nil {
		t.Fatal(err)
	}
	return work.SpanContext().TraceID()
}
