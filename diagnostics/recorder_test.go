package diagnostics_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/conformance"
	"github.com/roombus/roombus/ports"
)

func TestARecordedLogKeepsTheContract(t *testing.T) {
	conformance.Log(t, conformance.LogHarness{
		Open: func(t *testing.T) conformance.LogCluster {
			c, r := inmemory.New(inmemory.Config{}), diagnostics.NewRecorder(diagnostics.Config{})
			t.Cleanup(func() { _ = c.Close() })
			return conformance.LogCluster{
				Member: func() conformance.LogMember {
					m := c.Member()
					return conformance.LogMember{Log: r.Log(m.Log()), Close: m.Close}
				},
				Trim:  c.Trim,
				Reset: c.Reset,
			}
		},
		TellsOffsets: true, CanResume: true, CanReplay: true, CountsLoss: true,
	})
	conformance.Decorator(t, conformance.Decorators{Log: diagnostics.NewRecorder(diagnostics.Config{}).Log})
}

// service is a service whose node is alone.
func service(t *testing.T, r *diagnostics.Recorder) *diagnostics.Service {
	t.Helper()
	c := inmemory.New(inmemory.Config{})
	m := c.Member()
	node, err := app.NewNode(m.Log(), m.Channel(), nil, app.Config{Name: "alone"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := diagnostics.NewService(node, r, diagnostics.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		_ = node.Close()
		_ = m.Close()
		_ = c.Close()
	})
	return s
}

func eventsOf(s *diagnostics.Service) []diagnostics.Event {
	return s.AskSelf(diagnostics.Question{Events: &diagnostics.Since{}}).Events
}

// Each event has a sentence, and its own severity.
func TestEvents(t *testing.T) {
	broken := errors.New("broken")
	lost := func(event domain.MemberEvent) *domain.MemberChanged {
		return &domain.MemberChanged{Namespace: "/", Change: domain.MemberChange{
			Event: event, Member: domain.Member{ID: "0123456789abcdef", Info: domain.NodeInfo{Name: "chat-2"}},
		}}
	}
	for _, test := range []struct {
		event    domain.Event
		kind     string
		severity diagnostics.Severity
		text     string
	}{
		{&domain.Gap{Stream: "s", Next: "7-0", Lost: 3}, "gap", diagnostics.Fault, "3 messages were lost"},
		{&domain.Gap{Stream: "s", Next: "7-0", Lost: 1, Publisher: "p"}, "gap", diagnostics.Fault, "One message was lost"},
		{&domain.Reset{Stream: "s", Reason: "it is empty"}, "reset", diagnostics.Fault, "it is empty"},
		{&domain.BadEntry{Stream: "s", Offset: "7-0", Err: broken}, "bad entry", diagnostics.Fault, "broken"},
		{&domain.BadEntry{Stream: "lane", Err: broken}, "bad entry", diagnostics.Fault, "from lane"},
		{&domain.TransportLost{Stream: "s", Err: broken}, "transport lost", diagnostics.Fault, "cannot read s, and tries again: broken"},
		{&domain.TransportFound{Stream: "s", Away: 4 * time.Second}, "transport found", diagnostics.Info, "after 4s"},
		{&domain.DrainBegun{}, "drain begins", diagnostics.Info, "begins to leave"},
		{&domain.DrainEnded{Took: time.Second}, "drain ends", diagnostics.Info, "good order, after 1s"},
		{&domain.DrainEnded{Took: time.Second, Err: broken}, "drain ends", diagnostics.Warning, "not in good order: broken"},
		{&domain.Repeated{Stream: "s"}, "repeat", diagnostics.Info, "second time"},
		{lost(domain.MemberJoined), "member joined", diagnostics.Info, "chat-2 has joined"},
		{lost(domain.MemberSuspect), "member suspect", diagnostics.Warning, "chat-2 is suspect"},
		{lost(domain.MemberBack), "member back", diagnostics.Info, "heard again"},
		{lost(domain.MemberLeft), "member left", diagnostics.Info, "has left"},
		{lost(domain.MemberLost), "member lost", diagnostics.Fault, "chat-2 is lost"},
		{
			&domain.RequestDone{Namespace: "/", Kind: domain.KindFetchSockets, Err: &domain.PartialError{Missing: []domain.NodeID{"x"}}},
			"partial answer", diagnostics.Warning, "no answer from x",
		},
		{&domain.RequestDone{Namespace: "/", Kind: domain.KindFetchSockets}, "", "", ""},
		{&domain.RequestDone{Namespace: diagnostics.Namespace, Kind: domain.KindServerSideEmit, Err: broken}, "", "", ""},
		{&domain.Dropped{Namespace: "/", Kind: domain.KindAck, Err: broken}, "dropped", diagnostics.Warning, "(ack) was given up: broken"},
		{
			&domain.RecoveryEnded{Namespace: "/", Recovery: domain.Recovery{Outcome: domain.Recovered}, Replayed: 2},
			"recovery recovered", diagnostics.Info, "came back",
		},
		{
			&domain.RecoveryEnded{Namespace: "/", Recovery: domain.Recovery{Outcome: domain.RecoveryGap, Reason: "trimmed"}},
			"recovery gap", diagnostics.Fault, "trimmed",
		},
		{&domain.SessionsFailed{Sessions: 5, Err: broken}, "sessions not stored", diagnostics.Warning, "5 clients"},
		{&domain.LogTooShort{Stream: "s", Window: time.Minute}, "log too short", diagnostics.Warning, "1m0s"},
		{&domain.LogTooShort{Stream: "s", Enough: true}, "log long enough", diagnostics.Info, "again"},
		{&domain.RecoveryMixed{Namespace: "/", Node: "x"}, "recovery mixed", diagnostics.Warning, "alike"},
		{&domain.Answered{Namespace: "/"}, "", "", ""},
	} {
		r := diagnostics.NewRecorder(diagnostics.Config{})
		s := service(t, r)
		for range 3 {
			r.Observer(nil).Observe(t.Context(), test.event)
		}
		got := eventsOf(s)
		switch {
		case test.kind == "" && len(got) > 0:
			t.Errorf("%T is remembered as %+v", test.event, got)
		case test.kind == "":
		case strings.HasPrefix(test.kind, "member") && len(got) == 1 && got[0].Count != 1:
			t.Errorf("%T, told in three namespaces, counts as %+v", test.event, got)
		case len(got) != 1 || got[0].Kind != test.kind || got[0].Severity != test.severity ||
			!strings.HasPrefix(test.kind, "member") && got[0].Count != 3 ||
			!strings.Contains(got[0].Text, test.text):
			t.Errorf("%T is remembered as %+v; want a %s of kind %q that says %q, three times", test.event, got, test.severity,
				test.kind, test.text)
		}
	}
}

// A flood of what does not matter pushes nothing out that does, and all is bounded.
func TestEventsAreBounded(t *testing.T) {
	r := diagnostics.NewRecorder(diagnostics.Config{Events: 10})
	s := service(t, r)
	observer := r.Observer(nil)
	observer.Observe(t.Context(), &domain.Gap{Stream: "s"})
	for i := range 1000 {
		observer.Observe(t.Context(), &domain.MemberChanged{Namespace: "/", Change: domain.MemberChange{
			Event: domain.MemberJoined, Member: domain.Member{ID: domain.NodeID(fmt.Sprint(i)), Info: domain.NodeInfo{Name: strings.Repeat("ü", 1000)}},
		}})
	}
	got := eventsOf(s)
	if len(got) != 11 || got[0].Kind != "gap" || got[10].Peer != "999" {
		t.Fatalf("%d events: %+v", len(got), got)
	}
	for _, e := range got {
		if len(e.Text) > 400 {
			t.Errorf("a text has %d bytes", len(e.Text))
		}
	}
}

// The next observer is told of all but what the diagnostics cause.
func TestTheNextObserverIsTold(t *testing.T) {
	var told []any
	next := observerFunc(func(e any) { told = append(told, e) })
	r := diagnostics.NewRecorder(diagnostics.Config{})
	o := r.Observer(next)
	if _, ok := ports.As[observerFunc](o); !ok {
		t.Error("the next observer was not found through the recording one")
	}
	o.Observe(t.Context(), &domain.Gap{})
	deliveries, ok := ports.As[ports.DeliveryObserver](o)
	if !ok {
		t.Fatal("nobody is told of deliveries")
	}
	deliveries.ObserveDelivery(t.Context(), domain.Delivered{})
	o.Observe(t.Context(), &domain.RequestDone{Namespace: diagnostics.Namespace})
	if len(told) != 2 {
		t.Errorf("it was told of %v", told)
	}
}

type observerFunc func(e any)

func (f observerFunc) Observe(_ context.Context, e domain.Event) { f(e) }

func (f observerFunc) ObserveDelivery(_ context.Context, d domain.Delivered) { f(d) }

// A log that is not heard any more is a problem.
func TestASilentLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &silentLog{}
		r := diagnostics.NewRecorder(diagnostics.Config{})
		s := service(t, r)
		if _, err := r.Log(log).Tail(t.Context(), "", deaf{}); err != nil {
			t.Fatal(err)
		}
		tail := func() { log.handler.HandleNotice(t.Context(), &domain.AtTail{Stream: "s", Cursor: "1-0"}) }
		tail()
		pass(2 * time.Second)
		if status := s.AskSelf(diagnostics.Question{Status: &diagnostics.StatusQuestion{}}).Status; !status.Healthy {
			t.Errorf("the status is %+v", status)
		}
		pass(3 * time.Second)
		status := s.AskSelf(diagnostics.Question{Status: &diagnostics.StatusQuestion{}}).Status
		if status.Healthy || len(status.Problems) != 1 || !strings.Contains(status.Problems[0], "has not been able to read its log s for 5 s") {
			t.Errorf("the status is %+v", status)
		}
		tail()
		if status := s.AskSelf(diagnostics.Question{Status: &diagnostics.StatusQuestion{}}).Status; !status.Healthy {
			t.Errorf("once it is heard again the status is %+v", status)
		}
	})
}

// Lag is compared with the least that the way ever takes: clocks that differ are no lag.
func TestLagAndClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &silentLog{}
		r := diagnostics.NewRecorder(diagnostics.Config{})
		s := service(t, r)
		if _, err := r.Log(log).Tail(t.Context(), "", deaf{}); err != nil {
			t.Fatal(err)
		}
		const ahead = 7 * time.Second
		entry := func(age time.Duration) {
			log.handler.HandleEntry(t.Context(), &domain.Entry{
				Stream: "s", Time: time.Now().Add(-ahead - age), Message: domain.Message{Namespace: "/", Body: &domain.Heartbeat{}},
			})
		}
		entry(0)
		log.handler.HandleNotice(t.Context(), &domain.AtTail{Stream: "s", Cursor: "1-0"})
		entry(4 * time.Second)
		status := s.AskSelf(diagnostics.Question{Status: &diagnostics.StatusQuestion{}}).Status
		if status.Readers[0].Lag != 4 || status.ClockAhead != 7 || !status.ClockKnown || status.Healthy {
			t.Errorf("the status is %+v", status)
		}
		log.handler.HandleNotice(t.Context(), &domain.AtTail{Stream: "s", Cursor: "1-0"})
		if status := s.AskSelf(diagnostics.Question{Status: &diagnostics.StatusQuestion{}}).Status; status.Readers[0].Lag != 0 || !status.Healthy {
			t.Errorf("at the log's end the status is %+v", status)
		}
	})
}

// silentLog is a log whose reader says only what the test says.
type silentLog struct {
	ports.Log
	handler ports.LogHandler
}

func (l *silentLog) Tail(_ context.Context, _ domain.Offset, h ports.LogHandler) (ports.Subscription, error) {
	l.handler = h
	return nil, nil //nolint:nilnil // nobody closes it
}

type deaf struct{}

func (deaf) HandleEntry(context.Context, *domain.Entry)  {}
func (deaf) HandleNotice(context.Context, domain.Notice) {}

// provider is a provider of spans with a recorder and an exporter.
func provider(t *testing.T, r *diagnostics.Recorder, base sdktrace.Sampler) (trace.Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	p := sdktrace.NewTracerProvider(sdktrace.WithSampler(r.Sampler(base)), sdktrace.WithSpanProcessor(r), sdktrace.WithBatcher(exporter))
	t.Cleanup(func() { _ = p.Shutdown(context.WithoutCancel(t.Context())) })
	return p.Tracer("test"), exporter
}

func spansOf(s *diagnostics.Service) int {
	return s.AskSelf(diagnostics.Question{Status: &diagnostics.StatusQuestion{}}).Status.Recording.Spans
}

// Of what is sampled a part is remembered, and a trace is remembered as a whole or not at all.
func TestSampler(t *testing.T) {
	remote := func(traceState string, flags trace.TraceFlags) context.Context {
		state, err := trace.ParseTraceState(traceState)
		if err != nil {
			t.Fatal(err)
		}
		return trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceState: state, TraceFlags: flags, Remote: true,
		}))
	}
	always := sdktrace.AlwaysSample()
	for _, test := range []struct {
		name                 string
		base                 sdktrace.Sampler
		parent               context.Context
		rate                 float64
		off                  bool
		remembered, exported int
		state                string
	}{
		{name: "nothing is sampled", base: sdktrace.NeverSample(), parent: t.Context(), rate: -1},
		{name: "all is sampled", base: always, parent: t.Context(), rate: -1, remembered: 2, exported: 2, state: "1"},
		{name: "nothing is remembered", base: always, parent: t.Context(), off: true, exported: 2, state: "0"},
		{name: "chosen elsewhere", base: always, parent: remote("roombus=1", trace.FlagsSampled), rate: 1e-9, remembered: 2, exported: 2, state: "1"},
		{name: "passed over elsewhere", base: always, parent: remote("roombus=0", trace.FlagsSampled), rate: -1, exported: 2, state: "0"},
		{name: "not sampled elsewhere", base: sdktrace.ParentBased(always), parent: remote("", 0), rate: -1},
		{name: "from somebody who does not choose", base: always, parent: remote("", trace.FlagsSampled), rate: -1, remembered: 2, exported: 2, state: "1"},
	} {
		r := diagnostics.NewRecorder(diagnostics.Config{TracesPerSecond: test.rate, NoTraces: test.off})
		s := service(t, r)
		tracer, exporter := provider(t, r, test.base)
		ctx, outer := tracer.Start(test.parent, "outer")
		_, inner := tracer.Start(ctx, "inner")
		inner.End()
		outer.End()
		if got := inner.SpanContext().TraceState().Get("roombus"); got != test.state {
			t.Errorf("%s: the state says %q, want %q", test.name, got, test.state)
		}
		if got := spansOf(s); got != test.remembered {
			t.Errorf("%s: %d spans are remembered, want %d", test.name, got, test.remembered)
		}
		if inner.SpanContext().IsSampled() != (test.exported > 0) {
			t.Errorf("%s: the span is sampled: %t; exporter %v", test.name, inner.SpanContext().IsSampled(), exporter)
		}
	}
}

// A node that exports takes part in the traces of one that does not.
func TestANodeWithoutAnExporterKeepsNobodyFromExporting(t *testing.T) {
	without, with := diagnostics.NewRecorder(diagnostics.Config{}), diagnostics.NewRecorder(diagnostics.Config{})
	ctx, sent := without.Provider().Tracer("test").Start(t.Context(), "send")
	sent.End()
	exporting, _ := provider(t, with, sdktrace.ParentBased(sdktrace.AlwaysSample()))
	_, processed := exporting.Start(trace.ContextWithRemoteSpanContext(t.Context(), trace.SpanContextFromContext(ctx)), "process")
	processed.End()
	if !processed.SpanContext().IsSampled() || processed.SpanContext().TraceID() != sent.SpanContext().TraceID() {
		t.Errorf("after %+v the next node has %+v", sent.SpanContext(), processed.SpanContext())
	}
	if n := spansOf(service(t, with)); n != 1 {
		t.Errorf("it remembers %d spans, want 1", n)
	}
}

// The budget bounds how many traces are remembered, whatever comes.
func TestTheBudgetOfTraces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := diagnostics.NewRecorder(diagnostics.Config{TracesPerSecond: 20})
		s := service(t, r)
		tracer := r.Provider().Tracer("test")
		for range 1000 {
			_, span := tracer.Start(t.Context(), "one")
			span.End()
			time.Sleep(time.Millisecond)
		}
		if got := spansOf(s); got < 20 || got > 41 {
			t.Errorf("%d traces of a second are remembered, want 20 and a burst of 20", got)
		}
	})
}

// Spans are bounded in number and bytes, whatever the application puts into its own.
func TestSpansAreBounded(t *testing.T) {
	r := diagnostics.NewRecorder(diagnostics.Config{TracesPerSecond: -1, Spans: 100, SpanBytes: 20_000})
	s := service(t, r)
	tracer := r.Provider().Tracer("test")
	for range 300 {
		_, span := tracer.Start(t.Context(), "one")
		span.SetAttributes(attribute.String("db.statement", "secret"), attribute.String("roombus.reason", strings.Repeat("x", 10_000)))
		span.End()
	}
	if got := spansOf(s); got < 10 || got > 40 {
		t.Errorf("%d spans of some 700 bytes are in 20,000", got)
	}
	last := s.AskSelf(diagnostics.Question{Traces: &diagnostics.TracesQuestion{Limit: 1}}).Traces[0]
	spans := s.AskSelf(diagnostics.Question{Spans: &diagnostics.SpansQuestion{Trace: last.ID}}).Spans
	if len(spans) != 1 || len(spans[0].Attributes) != 1 || len(spans[0].Attributes["roombus.reason"]) > 300 {
		t.Errorf("the span is %+v", spans)
	}
	small := diagnostics.NewRecorder(diagnostics.Config{TracesPerSecond: -1, Spans: 10})
	smallService := service(t, small)
	tracer = small.Provider().Tracer("test")
	for range 300 {
		_, span := tracer.Start(t.Context(), "one")
		span.End()
	}
	if got := spansOf(smallService); got != 10 {
		t.Errorf("%d spans, want 10", got)
	}
}

// What a node has not chosen is remembered nowhere and carries nothing.
func TestWhatIsNotChosen(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		thrifty := c.add("thrifty", diagnostics.Config{TracesPerSecond: 1e-9}, diagnostics.Sources{})
		pass(time.Second)
		var at []domain.Offset
		for range 20 { // more than the budget begins with
			at = append(at, thrifty.emit(t))
		}
		pass(time.Second)
		reply := c.nodes[0].ask(t, diagnostics.Question{Spans: &diagnostics.SpansQuestion{Offset: string(at[19])}})
		for _, a := range reply.Answers {
			if len(a.Spans) != 0 {
				t.Errorf("%s remembers %+v", a.Name, a.Spans)
			}
		}
		page, err := c.nodes[0].transport.Log().Replay(t.Context(), "/", at[18], at[19], 0)
		if err != nil || len(page.Entries) != 1 || len(page.Entries[0].Message.Headers) != 0 {
			t.Errorf("the entry is %+v, %v; want one without headers", page.Entries, err)
		}
	}, "a", "b")
}
