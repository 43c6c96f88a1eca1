package tracing_test

import (
	"context"
	"math"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
	"github.com/roombus/roombus/tracing"
)

// kept is a log that keeps the headers of what is appended.
type kept struct {
	ports.Log
	headers []domain.Headers
}

func (k *kept) Append(_ context.Context, m *domain.Message) (domain.Offset, error) {
	k.headers = append(k.headers, m.Headers)
	return "1-0", nil
}

// TestWhatIsNotRecordedSaysSo: a message that is not recorded tells its receivers, who record nothing either; where it
// belongs to a trace that somebody knows, it keeps that trace's id.
func TestWhatIsNotRecordedSaysSo(t *testing.T) {
	never := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	sender, err := tracing.New(tracing.Config{TracerProvider: never})
	if err != nil {
		t.Fatal(err)
	}
	out := new(kept)
	log := sender.Log(out)
	caller := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2},
	}))
	for _, ctx := range []context.Context{t.Context(), t.Context(), caller} {
		if _, err := log.Append(ctx, message(t)); err != nil {
			t.Fatal(err)
		}
	}
	first, second, called := out.headers[0]["traceparent"], out.headers[1]["traceparent"], out.headers[2]["traceparent"]
	if first != "" || second != "" {
		t.Errorf("two messages of no trace say %q and %q, want nothing", first, second)
	}
	if want := "00-01000000000000000000000000000000-0200000000000000-00"; called != want {
		t.Errorf("a message of a trace that is not recorded says %q, want %q", called, want)
	}
	for relation, want := range map[tracing.Relation]int{tracing.Parent: 0, tracing.Link: 2} { // with Link each samples for itself
		spans := newRecorder()
		receiver, err := tracing.New(tracing.Config{TracerProvider: spans.provider(t), Relation: relation})
		if err != nil {
			t.Fatal(err)
		}
		in := new(hollow)
		if _, err := receiver.Log(in).Tail(t.Context(), "", deaf{}); err != nil {
			t.Fatal(err)
		}
		for _, header := range []string{first, called} {
			m := message(t)
			m.Publisher = "0123456789abcdef"
			if header != "" {
				m.Headers = domain.Headers{"traceparent": header}
			}
			in.handler.HandleEntry(t.Context(), &domain.Entry{Message: *m})
		}
		if got := len(spans.Ended()); got != want {
			t.Errorf("relation %d: %d spans, want %d", relation, got, want)
		}
	}
}

// TestAnAnswerToWhatIsNotRecordedIsNotRecorded: the context goes on with what a message leads to.
func TestAnAnswerToWhatIsNotRecordedIsNotRecorded(t *testing.T) {
	spans := newRecorder()
	tracer, err := tracing.New(tracing.Config{TracerProvider: spans.provider(t)})
	if err != nil {
		t.Fatal(err)
	}
	in, out := new(hollow), new(kept)
	answering := tracer.Log(out)
	var answered error
	answer := &domain.Message{Node: "m", Namespace: "/", Body: &domain.FetchSocketsReply{Request: "r"}}
	handle := handling(func(ctx context.Context) { _, answered = answering.Append(ctx, answer) })
	if _, err := tracer.Log(in).Tail(t.Context(), "", handle); err != nil {
		t.Fatal(err)
	}
	in.handler.HandleEntry(t.Context(), &domain.Entry{Message: domain.Message{
		Node: "n", Namespace: "/", Body: &domain.FetchSockets{Request: "r"}, Headers: domain.Headers{"traceparent": unsampled},
	}})
	if answered != nil || len(out.headers) != 1 {
		t.Fatalf("%d answers, error %v", len(out.headers), answered)
	}
	if got := out.headers[0]["traceparent"]; got != unsampled || len(spans.Ended()) != 0 {
		t.Errorf("the answer says %q and there are %d spans; want %q and none", got, len(spans.Ended()), unsampled)
	}
}

// TestAShareOfTheTracesBegins: what does not begin at the publish begins nowhere, on neither lane, and a request not by
// parts.
func TestAShareOfTheTracesBegins(t *testing.T) {
	cluster, spans := newCluster(t), newRecorder()
	provider := spans.provider(t)
	const share = 0.3
	node, _ := runPair(t, memberOf(cluster), memberOf(cluster), tracing.Config{TracerProvider: provider, Share: share})
	const count = 400
	for range count {
		if _, err := node.FetchSockets(t.Context(), "/", domain.Target{}); err != nil {
			t.Fatal(err)
		}
	}
	requests := len(spans.named("request fetch sockets"))
	if requests < count*share/2 || requests > count*share*2 {
		t.Errorf("%d of %d requests are recorded, want about %v", requests, count, count*share)
	}
	for _, name := range []string{"send fetch sockets", "process fetch sockets", "send fetch sockets reply", "process fetch sockets reply"} {
		spans.wait(t, name, requests)
		if got := len(spans.named(name)); got != requests {
			t.Errorf("%d spans %q for %d requests", got, name, requests)
		}
	}
	ctx, caller := provider.Tracer("test").Start(t.Context(), "caller")
	for range 20 {
		if _, err := node.Broadcast(ctx, "/", domain.Target{}, packet(t, `["e"]`)); err != nil {
			t.Fatal(err)
		}
	}
	caller.End()
	if got := len(spans.wait(t, "send broadcast", 20)); got != 20 {
		t.Errorf("%d of 20 messages of a trace that had begun are recorded", got)
	}
	for _, wrong := range []float64{-1, 1.1, math.NaN()} {
		if _, err := tracing.New(tracing.Config{Share: wrong}); err == nil {
			t.Errorf("New took Share %v", wrong)
		}
	}
}

type handling func(ctx context.Context)

func (h handling) HandleEntry(ctx context.Context, _ *domain.Entry) { h(ctx) }

func (handling) HandleNotice(context.Context, domain.Notice) {}

// TestAShareOfTheEventsBegins: the share is decided once for each event, and what the application publishes because of one
// belongs to it, recorded or not.
func TestAShareOfTheEventsBegins(t *testing.T) {
	spans := newRecorder()
	const share = 0.3
	tracer, err := tracing.New(tracing.Config{TracerProvider: spans.provider(t), Share: share})
	if err != nil {
		t.Fatal(err)
	}
	out := new(kept)
	log, between := tracer.Log(out), tracer.Interceptor()
	ctx, stop := context.WithCancel(between.Greet(t.Context(), greet(t, "", ""))) // as an edge makes the socket's
	defer stop()
	const count = 2000
	recorded := 0
	for range count {
		within, end := between.Begin(ctx, domain.ClientCall{Kind: domain.ClientEvent, Namespace: "/"})
		if _, err := log.Append(within, message(t)); err != nil {
			t.Fatal(err)
		}
		end(nil)
		says := out.headers[len(out.headers)-1]["traceparent"]
		if trace.SpanContextFromContext(within).IsSampled() {
			recorded++
			if says == "" {
				t.Fatal("a message of a recorded event says nothing")
			}
		} else if says != "" {
			t.Fatalf("a message of an event that is not recorded says %q", says)
		}
	}
	if recorded < count*share*0.8 || recorded > count*share*1.2 { // six times the standard deviation
		t.Errorf("%d of %d events are recorded, want about %v", recorded, count, count*share)
	}
	if got := len(spans.named("send broadcast")); got != recorded {
		t.Errorf("%d messages are recorded of %d events", got, recorded)
	}
}

// TestWhatIsNotRecordedKeepsWhatIsAboveIt: baggage goes on with a message, and a span that the application begins in an event
// that is not recorded counts.
func TestWhatIsNotRecordedKeepsWhatIsAboveIt(t *testing.T) {
	spans := newRecorder()
	provider := spans.provider(t)
	tracer, err := tracing.New(tracing.Config{TracerProvider: provider, Share: 1e-12})
	if err != nil {
		t.Fatal(err)
	}
	out := new(kept)
	log, between := tracer.Log(out), tracer.Interceptor()
	member, err := baggage.NewMember("tenant", "7")
	if err != nil {
		t.Fatal(err)
	}
	carried, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	call := domain.ClientCall{Kind: domain.ClientEvent, Namespace: "/"}
	for name, ctx := range map[string]context.Context{
		"on the connection": between.Greet(baggage.ContextWithBaggage(t.Context(), carried), greet(t, "", "")),
		"in the handler":    between.Greet(t.Context(), greet(t, "", "")),
	} {
		for range 2 { // the second one finds what the first one made
			within, end := between.Begin(ctx, call)
			if name == "in the handler" {
				within = baggage.ContextWithBaggage(within, carried)
			}
			if _, err := log.Append(within, message(t)); err != nil {
				t.Fatal(err)
			}
			end(nil)
			if got := out.headers[len(out.headers)-1]["baggage"]; got != "tenant=7" {
				t.Errorf("baggage %s: the message says %q", name, got)
			}
		}
	}
	within, end := between.Begin(between.Greet(t.Context(), greet(t, "", "")), call)
	within, own := provider.Tracer("test").Start(within, "own", trace.WithNewRoot())
	if _, err := log.Append(within, message(t)); err != nil {
		t.Fatal(err)
	}
	own.End()
	end(nil)
	if sent := spans.named("send broadcast"); len(sent) != 1 || sent[0].Parent().SpanID() != own.SpanContext().SpanID() {
		t.Errorf("%d messages are recorded under the application's span, want one", len(sent))
	}
}

// TestWhatIsNotRecordedAllocatesNothing: neither an event of a client, nor a message that is published because of it, nor an
// entry and its delivery.
func TestWhatIsNotRecordedAllocatesNothing(t *testing.T) {
	spans := newRecorder()
	tracer, err := tracing.New(tracing.Config{TracerProvider: spans.provider(t), Share: 1e-12})
	if err != nil {
		t.Fatal(err)
	}
	in := new(hollow)
	log, between := tracer.Log(in), tracer.Interceptor()
	delivered, ok := tracer.Observer(nil).(ports.DeliveryObserver)
	if !ok {
		t.Fatal("the observer does not want to know of deliveries")
	}
	handle := handling(func(ctx context.Context) { delivered.ObserveDelivery(ctx, domain.Delivered{Sockets: 3}) })
	if _, err := log.Tail(t.Context(), "", handle); err != nil {
		t.Fatal(err)
	}
	m := message(t)
	e := &domain.Entry{Stream: "socket.io", Offset: "1-0", Message: *m}
	e.Message.Publisher = "0123456789abcdef"
	ctx, stop := context.WithCancel(between.Greet(t.Context(), greet(t, "", "")))
	defer stop()
	tail := t.Context()
	allocations := testing.AllocsPerRun(100, func() {
		within, end := between.Begin(ctx, domain.ClientCall{Kind: domain.ClientEvent, Namespace: "/"})
		if _, err := log.Append(within, m); err != nil {
			t.Error(err)
		}
		end(nil)
		in.handler.HandleEntry(tail, e)
	})
	if allocations != 0 {
		t.Errorf("an event, its message and its delivery cost %v allocations", allocations)
	}
	if got := spans.names(); len(got) != 0 {
		t.Errorf("%q are recorded", got)
	}
}

// told is an observer of deliveries behind a tracer's.
type told struct{ deliveries []domain.Delivered }

func (*told) Observe(context.Context, domain.Event) {}

func (t *told) ObserveDelivery(_ context.Context, d domain.Delivered) {
	t.deliveries = append(t.deliveries, d)
}

func TestTheNextObserverHearsOfDeliveries(t *testing.T) {
	tracer, err := tracing.New(tracing.Config{TracerProvider: newRecorder().provider(t)})
	if err != nil {
		t.Fatal(err)
	}
	next := new(told)
	observer, ok := tracer.Observer(next).(ports.DeliveryObserver)
	if !ok {
		t.Fatal("the observer does not want to know of deliveries")
	}
	want := domain.Delivered{Namespace: "/", Kind: domain.KindBroadcast, Sockets: 3}
	observer.ObserveDelivery(t.Context(), want)
	if len(next.deliveries) != 1 || next.deliveries[0] != want {
		t.Errorf("it was told %+v, want %+v", next.deliveries, want)
	}
}
