package tracing_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/tracing"
)

func newCluster(t *testing.T) *inmemory.Cluster {
	t.Helper()
	c := inmemory.New(inmemory.Config{})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the cluster: %v", err)
		}
	})
	return c
}

func memberOf(c *inmemory.Cluster) transport {
	m := c.Member()
	return transport{m.Log(), m.Channel(), m.Sessions()}
}

// checkBroadcast emits on node a inside a span of the application, and checks that all became one trace.
func checkBroadcast(t *testing.T, spans *recorder, provider *sdktrace.TracerProvider, a, b transport) {
	t.Helper()
	nodeA, _ := runPair(t, a, b, tracing.Config{TracerProvider: provider})

	ctx, request := provider.Tracer("test").Start(t.Context(), "POST /orders")
	target := domain.Target{Rooms: []string{"secret-room"}}
	offset, err := nodeA.Broadcast(ctx, "/", target, packet(t, `["note","secret-body"]`))
	if err != nil {
		t.Fatalf("broadcast: %v", err)
	}
	request.End()

	processed := spans.wait(t, "process broadcast", 2)
	sent := spans.wait(t, "send broadcast", 1)
	if len(sent) != 1 || len(processed) != 2 {
		t.Fatalf("%d spans for sending and %d for processing, want 1 and 2: %q", len(sent), len(processed), spans.names())
	}
	send := sent[0]
	if got, want := send.Parent().SpanID(), request.SpanContext().SpanID(); got != want {
		t.Errorf("the parent of the sending is %s, want the application's span %s", got, want)
	}
	if send.SpanKind() != trace.SpanKindProducer {
		t.Errorf("the kind of the sending is %s, want producer", send.SpanKind())
	}
	for key, want := range map[string]string{
		"messaging.system":           "roombus",
		"messaging.operation.name":   "send",
		"messaging.operation.type":   "send",
		"messaging.destination.name": "/",
		"messaging.message.id":       string(offset),
		"roombus.message.kind":       "broadcast",
		"roombus.node.name":          "a",
		"roombus.sender.id":          string(nodeA.ID()),
		"roombus.lane":               "log",
	} {
		if got := value(t, send, key).AsString(); got != want {
			t.Errorf("%s of the sending is %q, want %q", key, got, want)
		}
	}
	sockets := make(map[string]int64)
	for _, p := range processed {
		if got, want := p.SpanContext().TraceID(), request.SpanContext().TraceID(); got != want {
			t.Errorf("a processing is in the trace %s, want %s", got, want)
		}
		if got, want := p.Parent().SpanID(), send.SpanContext().SpanID(); got != want {
			t.Errorf("the parent of a processing is %s, want the sending %s", got, want)
		}
		if p.SpanKind() != trace.SpanKindConsumer {
			t.Errorf("the kind of a processing is %s, want consumer", p.SpanKind())
		}
		if got := value(t, p, "messaging.operation.type").AsString(); got != "process" {
			t.Errorf("messaging.operation.type of a processing is %q, want process", got)
		}
		if got := value(t, p, "messaging.message.id").AsString(); got != string(offset) {
			t.Errorf("messaging.message.id of a processing is %q, want %q", got, offset)
		}
		sockets[value(t, p, "roombus.node.name").AsString()] = value(t, p, "roombus.sockets").AsInt64()
	}
	if sockets["a"] != 2 || sockets["b"] != 3 {
		t.Errorf("sockets reached by node: %v, want 2 on a and 3 on b", sockets)
	}
	checkSilence(t, spans)
}

// checkSilence looks for what belongs in no trace.
func checkSilence(t *testing.T, spans *recorder) {
	t.Helper()
	for _, s := range spans.Ended() {
		text := s.Name()
		for _, a := range s.Attributes() {
			text += " " + string(a.Key) + "=" + a.Value.String()
		}
		if strings.Contains(text, "secret") {
			t.Errorf("a span shows a room or a payload: %s", text)
		}
	}
}

func TestABroadcastIsOneTraceFromTheEmitToAllDeliveries(t *testing.T) {
	cluster, spans := newCluster(t), newRecorder()
	checkBroadcast(t, spans, spans.provider(t), memberOf(cluster), memberOf(cluster))
}

func TestHeartbeatsAreNotTraced(t *testing.T) {
	cluster, spans := newCluster(t), newRecorder()
	runPair(t, memberOf(cluster), memberOf(cluster), tracing.Config{TracerProvider: spans.provider(t)})
	spans.wait(t, "member joined", 2) // what the core reports of them is
	for _, name := range spans.names() {
		if strings.Contains(name, "heartbeat") || strings.Contains(name, "goodbye") {
			t.Errorf("a span %q was made", name)
		}
	}
}

func TestLinksMakeEveryProcessingATraceThatPointsAtTheSending(t *testing.T) {
	cluster, spans := newCluster(t), newRecorder()
	config := tracing.Config{TracerProvider: spans.provider(t), Relation: tracing.Link}
	node, _ := runPair(t, memberOf(cluster), memberOf(cluster), config)
	if _, err := node.Broadcast(t.Context(), "/", domain.Target{}, packet(t, `["note"]`)); err != nil {
		t.Fatalf("broadcast: %v", err)
	}
	processed := spans.wait(t, "process broadcast", 2)
	send := spans.wait(t, "send broadcast", 1)[0].SpanContext()
	for _, p := range processed {
		if p.Parent().IsValid() || p.SpanContext().TraceID() == send.TraceID() {
			t.Error("a processing is part of the trace of the sending")
		}
		if len(p.Links()) != 1 || p.Links()[0].SpanContext.SpanID() != send.SpanID() {
			t.Errorf("the links of a processing are %v, want one to the sending %s", p.Links(), send.SpanID())
		}
	}
}

func TestRequestsAndAnswersAreOneTrace(t *testing.T) {
	cluster, spans := newCluster(t), newRecorder()
	provider := spans.provider(t)
	node, other := runPair(t, memberOf(cluster), memberOf(cluster), tracing.Config{TracerProvider: provider})

	ctx, caller := provider.Tracer("test").Start(t.Context(), "GET /sockets")
	if _, err := node.FetchSockets(ctx, "/", domain.Target{}); err != nil {
		t.Fatalf("fetch sockets: %v", err)
	}
	if _, err := node.BroadcastWithAck(ctx, "/", domain.Target{}, packet(t, `["question"]`)); err != nil {
		t.Fatalf("broadcast with acks: %v", err)
	}
	if _, err := node.ServerSideEmitWithAck(ctx, "/", packet(t, `["question"]`)); err != nil {
		t.Fatalf("server-side emit with acks: %v", err)
	}
	caller.End()

	for name, count := range map[string]int{
		"send fetch sockets": 1, "process fetch sockets": 1,
		"send fetch sockets reply": 1, "process fetch sockets reply": 1,
		"send broadcast": 1, "process broadcast": 2,
		"send ack client count": 1, "process ack client count": 1,
		"send ack": 3, "process ack": 3, // node b has three sockets; node a's own answers need no way
		"send server-side emit": 1, "process server-side emit": 1,
		"send server-side emit reply": 1, "process server-side emit reply": 1,
	} {
		found := spans.wait(t, name, count)
		if len(found) != count {
			t.Errorf("%d spans %q, want %d", len(found), name, count)
		}
		for _, s := range found {
			if s.SpanContext().TraceID() != caller.SpanContext().TraceID() {
				t.Errorf("%q is not in the trace of who asked", name)
			}
		}
	}
	answer := spans.named("process fetch sockets reply")[0]
	if got := value(t, answer, "roombus.sender.id").AsString(); got != string(other.ID()) {
		t.Errorf("the answer is from %q, want %q", got, other.ID())
	}
	if got := value(t, answer, "roombus.node.name").AsString(); got != "a" {
		t.Errorf("the answer was processed on %q, want only on a, which asked", got)
	}
	for name, want := range map[string]struct {
		answers, asked int64
		events         map[string]int
	}{
		// Node a's own answer needs no way, but it is one.
		"request fetch sockets":    {2, 1, map[string]int{"answer": 2}},
		"request broadcast":        {5, 1, map[string]int{"answer": 2, "ack": 5}},
		"request server-side emit": {1, 1, map[string]int{"answer": 1}},
	} {
		request := spans.wait(t, name, 1)[0]
		if request.SpanKind() != trace.SpanKindClient || request.Parent().SpanID() != caller.SpanContext().SpanID() {
			t.Errorf("%s is a %s span under %s, want a client's under who asked", name, request.SpanKind(), request.Parent().SpanID())
		}
		if got := value(t, request, "roombus.answers").AsInt64(); got != want.answers {
			t.Errorf("%s says %d answers, want %d", name, got, want.answers)
		}
		if got := value(t, request, "roombus.asked").AsInt64(); got != want.asked {
			t.Errorf("%s says that %d nodes were asked, want %d", name, got, want.asked)
		}
		events := make(map[string]int)
		for _, e := range request.Events() {
			events[e.Name]++
		}
		if !maps.Equal(events, want.events) {
			t.Errorf("%s has the events %v, want %v", name, events, want.events)
		}
		if request.Status().Code == codes.Error {
			t.Errorf("%s ended with %v", name, request.Status())
		}
		sent := spans.named(strings.Replace(name, "request", "send", 1))[0]
		if sent.Parent().SpanID() != request.SpanContext().SpanID() {
			t.Errorf("%q does not stand under %q", sent.Name(), name)
		}
	}
}

func TestAPartialAnswerNamesWhoIsMissing(t *testing.T) {
	cluster, spans := newCluster(t), newRecorder()
	a, member := memberOf(cluster), cluster.Member()
	node, other := runPair(t, a, transport{member.Log(), member.Channel(), member.Sessions()},
		tracing.Config{TracerProvider: spans.provider(t)})
	member.Faults().Cut()
	t.Cleanup(member.Faults().Mend)
	target := domain.Target{Flags: domain.Flags{Timeout: 50 * time.Millisecond}}
	_, err := node.FetchSockets(t.Context(), "/", target)
	if _, partial := errors.AsType[*domain.PartialError](err); !partial {
		t.Fatalf("fetching sockets ended with %v, want a partial result", err)
	}
	done := spans.wait(t, "request fetch sockets", 1)[0]
	missing := value(t, done, "roombus.missing").AsStringSlice()
	if len(missing) != 1 || missing[0] != string(other.ID()) {
		t.Errorf("missing are %q, want %q", missing, other.ID())
	}
	if done.Status().Code != codes.Error || value(t, done, "error.type").AsString() != "timeout" {
		t.Errorf("the span ends with %v, want an error of the type timeout", done.Status())
	}
}

func TestAFailedAppendEndsItsSpanWithTheOutcome(t *testing.T) {
	for outcome, want := range map[inmemory.AppendOutcome]string{
		inmemory.AppendRefused:    "not_published",
		inmemory.AppendAnswerLost: "unknown_outcome",
	} {
		cluster, spans := newCluster(t), newRecorder()
		member := cluster.Member()
		tracer, err := tracing.New(tracing.Config{TracerProvider: spans.provider(t)})
		if err != nil {
			t.Fatalf("make a tracer: %v", err)
		}
		member.Faults().NextAppends(inmemory.AppendFault{Outcome: outcome})
		_, err = tracer.Log(member.Log()).Append(t.Context(), message(t))
		if err == nil {
			t.Fatalf("append: no error, want %s", want)
		}
		span := spans.wait(t, "send broadcast", 1)[0]
		if span.Status().Code != codes.Error || span.Status().Description != err.Error() {
			t.Errorf("the status is %v, want the error %q", span.Status(), err)
		}
		if got := value(t, span, "error.type").AsString(); got != want {
			t.Errorf("error.type is %q, want %q", got, want)
		}
	}
}

func TestTheMessageIsNotChanged(t *testing.T) {
	cluster, spans := newCluster(t), newRecorder()
	tracer, err := tracing.New(tracing.Config{TracerProvider: spans.provider(t)})
	if err != nil {
		t.Fatalf("make a tracer: %v", err)
	}
	member := cluster.Member()
	m := message(t)
	m.Headers = domain.Headers{"x-own": "1"}
	if _, err := tracer.Log(member.Log()).Append(t.Context(), m); err != nil {
		t.Fatalf("append: %v", err)
	}
	if len(m.Headers) != 1 {
		t.Errorf("the headers of the message became %v", m.Headers)
	}
	page, err := member.Log().Replay(t.Context(), "/", "", "", 0)
	if err != nil || len(page.Entries) != 1 {
		t.Fatalf("replay: %d entries, error %v; want 1 entry", len(page.Entries), err)
	}
	stored := page.Entries[0].Message.Headers
	if stored["x-own"] != "1" || stored["traceparent"] == "" {
		t.Errorf("the headers in the log are %v, want x-own and traceparent", stored)
	}
}

// A Node.js server's message has no number and no context: it begins a trace. One of a node of ours without a context is
// one that its sender has not recorded.
func TestAMessageOfNodeJSBeginsATraceAtTheReceiver(t *testing.T) {
	spans := newRecorder()
	tracer, err := tracing.New(tracing.Config{TracerProvider: spans.provider(t)})
	if err != nil {
		t.Fatal(err)
	}
	in := new(hollow)
	if _, err := tracer.Log(in).Tail(t.Context(), "", deaf{}); err != nil {
		t.Fatal(err)
	}
	for _, publisher := range []domain.PublisherID{"", "0123456789abcdef"} {
		m := message(t)
		m.Publisher = publisher
		in.handler.HandleEntry(t.Context(), &domain.Entry{Message: *m})
	}
	all := spans.Ended()
	if len(all) != 1 || all[0].Name() != "process broadcast" || all[0].Parent().IsValid() || !all[0].SpanContext().IsValid() {
		t.Errorf("the spans are %v, want one without a parent", spans.names())
	}
}

func TestGapsResetsAndBadEntriesAreSeen(t *testing.T) {
	spans := newRecorder()
	tracer, err := tracing.New(tracing.Config{TracerProvider: spans.provider(t), Node: "a"})
	if err != nil {
		t.Fatalf("make a tracer: %v", err)
	}
	told := make(watch[domain.Event], 10)
	o := tracer.Observer(told)
	events := map[string]domain.Event{
		"gap":       &domain.Gap{Stream: "socket.io", Next: "7-0", Lost: 3},
		"reset":     &domain.Reset{Stream: "socket.io", Reason: "emptied"},
		"bad entry": &domain.BadEntry{Stream: "socket.io", Offset: "8-0", Err: errors.New("type is missing")},
		"repeat":    &domain.Repeated{Stream: "socket.io", Offset: "9-0"},

		"transport lost":  &domain.TransportLost{Stream: "socket.io", Err: errors.New("connection refused")},
		"transport found": &domain.TransportFound{Stream: "socket.io", Away: 3 * time.Second},
	}
	for name, e := range events {
		o.Observe(t.Context(), e)
		s := spans.wait(t, name, 1)[0]
		if got := value(t, s, "roombus.stream").AsString(); got != "socket.io" {
			t.Errorf("%s: the stream is %q, want socket.io", name, got)
		}
		if got := <-told; got != e {
			t.Errorf("%s: the next observer was told %v", name, got)
		}
	}
	if got := value(t, spans.named("gap")[0], "roombus.lost").AsInt64(); got != 3 {
		t.Errorf("the gap lost %d, want 3", got)
	}
	if s := spans.named("bad entry")[0]; s.Status().Description != "type is missing" {
		t.Errorf("the bad entry's status is %v, want its error", s.Status())
	}

	o.Observe(t.Context(), &domain.RecoveryEnded{
		Namespace: "/", Recovery: domain.Recovery{Outcome: domain.Recovered, Reason: "7 packets missed"}, Replayed: 7,
	})
	if got := value(t, spans.wait(t, "recovery recovered", 1)[0], "roombus.recovery.replayed").AsInt64(); got != 7 {
		t.Errorf("%d packets were replayed, want 7", got)
	}

	o.Observe(t.Context(), &domain.DrainBegun{})
	spans.wait(t, "drain begins", 1)
	o.Observe(t.Context(), &domain.DrainEnded{Took: time.Minute, Err: errors.New("cut short")})
	if s := spans.wait(t, "drain", 1)[0]; s.EndTime().Sub(s.StartTime()) != time.Minute || s.Status().Code != codes.Error {
		t.Errorf("the drain is a span of %s that ends with %v", s.EndTime().Sub(s.StartTime()), s.Status())
	}

	ctx, work := spans.provider(t).Tracer("test").Start(t.Context(), "work")
	o.Observe(ctx, events["gap"])
	work.End()
	if e := spans.wait(t, "work", 1)[0].Events(); len(e) != 1 || e[0].Name != "gap" {
		t.Errorf("inside a span the gap is %v, want one event of it", e)
	}
}

func TestAnImpossibleRelationIsRefused(t *testing.T) {
	if _, err := tracing.New(tracing.Config{Relation: 7}); err == nil {
		t.Error("New took Relation 7")
	}
	if _, err := tracing.New(tracing.Config{Clients: 7}); err == nil {
		t.Error("New took Clients 7")
	}
}

func message(t testing.TB) *domain.Message {
	return &domain.Message{Node: "0123456789abcdef", Namespace: "/", Body: &domain.Broadcast{Packet: packet(t, `["note","text"]`)}}
}
