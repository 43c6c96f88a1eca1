package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/tracing"
)

const (
	clientTrace = "0af7651916cd43dd8448eb211c80319c"
	clientSpan  = "b7ad6b7169203331"
	sampled     = "00-" + clientTrace + "-" + clientSpan + "-01"
	unsampled   = "00-" + clientTrace + "-" + clientSpan + "-00"
)

// greet is what a client says of itself.
func greet(t testing.TB, auth, header string) *domain.Greeting {
	t.Helper()
	g := &domain.Greeting{Namespace: "/", Header: func(name string) string {
		if name == "traceparent" {
			return header
		}
		return ""
	}}
	if auth != "" {
		var err error
		if g.Auth, err = domain.NewValue([]byte(auth)); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// handle lets a tracer stand around one event and returns its span.
func handle(
	t *testing.T, config tracing.Config, g *domain.Greeting, event domain.Packet, result error, options ...sdktrace.TracerProviderOption,
) (_ sdktrace.ReadOnlySpan, recorded bool) {
	t.Helper()
	spans := newRecorder()
	provider := sdktrace.NewTracerProvider(append(options, sdktrace.WithSpanProcessor(spans))...)
	t.Cleanup(func() { _ = provider.Shutdown(context.WithoutCancel(t.Context())) })
	config.TracerProvider, config.Node = provider, "a"
	tracer, err := tracing.New(config)
	if err != nil {
		t.Fatal(err)
	}
	between := tracer.Interceptor()
	ctx := between.Greet(t.Context(), g)
	_, end := between.Begin(ctx, domain.ClientCall{
		Kind: domain.ClientEvent, Namespace: "/", Socket: "secret-socket", Event: event,
	})
	end(result)
	all := spans.Ended()
	if len(all) > 1 {
		t.Fatalf("%d spans, want one at the most", len(all))
	}
	if len(all) == 0 {
		return nil, false
	}
	return all[0], true
}

func TestAClientsContextIsTheParentOfItsEvents(t *testing.T) {
	for name, test := range map[string]struct{ auth, header, event, field string }{
		"header":            {header: sampled},
		"auth":              {auth: `{"token":"x","traceparent":"` + sampled + `"}`},
		"field":             {event: `["e",{"trace":"` + sampled + `"}]`, field: "trace"},
		"field before auth": {auth: `{"traceparent":"` + strings.Replace(sampled, "0af", "1af", 1) + `"}`, event: `["e",1,{"trace":"` + sampled + `"},"x"]`, field: "trace"},
		"header before auth": {
			header: sampled, auth: `{"traceparent":"` + strings.Replace(sampled, "0af", "1af", 1) + `"}`,
		},
	} {
		if test.event == "" {
			test.event = `["secret-event",{"traceparent":"` + strings.Replace(sampled, "0af", "2af", 1) + `"}]`
		}
		span, _ := handle(t, tracing.Config{ClientField: test.field}, greet(t, test.auth, test.header), packet(t, test.event), nil)
		if span.SpanContext().TraceID().String() != clientTrace || span.Parent().SpanID().String() != clientSpan || !span.Parent().IsRemote() {
			t.Errorf("%s: the span is in the trace %s under %s, want the client's", name, span.SpanContext().TraceID(), span.Parent().SpanID())
		}
		if span.Name() != "process event" || span.SpanKind() != trace.SpanKindConsumer || span.Status().Code == codes.Error {
			t.Errorf("%s: the span is %q of the kind %s with %v", name, span.Name(), span.SpanKind(), span.Status())
		}
		if text := fmt.Sprint(span.Name(), span.Attributes()); strings.Contains(text, "secret") {
			t.Errorf("%s: a detail is shown that was not asked for: %s", name, text)
		}
	}
}

func TestAClientsContextMayBeLinkedOrIgnored(t *testing.T) {
	g := greet(t, "", sampled)
	span, _ := handle(t, tracing.Config{Clients: tracing.ClientLink}, g, packet(t, `["e"]`), nil)
	if span.Parent().IsValid() || len(span.Links()) != 1 || span.Links()[0].SpanContext.SpanID().String() != clientSpan {
		t.Errorf("the span has the parent %v and the links %v, want one link to the client", span.Parent(), span.Links())
	}
	span, _ = handle(t, tracing.Config{Clients: tracing.ClientIgnored, ClientField: "trace"}, g, packet(t, `["e",{"trace":"`+sampled+`"}]`), nil)
	if span.Parent().IsValid() || len(span.Links()) != 0 {
		t.Errorf("the span has the parent %v and the links %v, want neither", span.Parent(), span.Links())
	}
}

// TestClientsDoNotSayWhatNodesRemember: the nodes' own entry of a trace's state is not taken over from clients, unless
// they are believed; what else they have there is.
func TestClientsDoNotSayWhatNodesRemember(t *testing.T) {
	headers := &domain.Greeting{Namespace: "/", Header: func(name string) string {
		return map[string]string{"traceparent": sampled, "tracestate": "roombus=1,a=b"}[name]
	}}
	said := `"traceparent":"` + sampled + `","tracestate":"roombus=0,a=b"`
	for name, test := range map[string]struct {
		greeting *domain.Greeting
		event    string
		config   tracing.Config
		want     string
	}{
		"headers":  {headers, `["e"]`, tracing.Config{}, "a=b"},
		"link":     {headers, `["e"]`, tracing.Config{Clients: tracing.ClientLink}, "a=b"},
		"auth":     {greet(t, `{`+said+`}`, ""), `["e"]`, tracing.Config{}, "a=b"},
		"field":    {greet(t, "", ""), `["e",{` + said + `}]`, tracing.Config{ClientField: "traceparent"}, "a=b"},
		"believed": {headers, `["e"]`, tracing.Config{ClientSampled: true}, "roombus=1,a=b"},
	} {
		span, _ := handle(t, test.config, test.greeting, packet(t, test.event), nil)
		state := span.Parent().TraceState()
		if test.config.Clients == tracing.ClientLink {
			state = span.Links()[0].SpanContext.TraceState()
		}
		if state.String() != test.want {
			t.Errorf("%s: the trace's state is %q, want %q", name, state, test.want)
		}
	}
}

// TestWhatStrangersSayIsBounded: what is no context begins a trace here.
func TestWhatStrangersSayIsBounded(t *testing.T) {
	for _, said := range []string{
		"nonsense", strings.Repeat("0", 1<<20), "00-" + strings.Repeat("0", 32) + "-" + clientSpan + "-01",
		"00-" + clientTrace + "-" + strings.Repeat("0", 16) + "-01", sampled + "-more", "ff-" + clientTrace + "-" + clientSpan + "-01",
		strings.ToUpper(sampled),
	} {
		auth := `{"traceparent":"` + said + `"}`
		for _, g := range []*domain.Greeting{greet(t, "", said), greet(t, auth, "")} {
			span, _ := handle(t, tracing.Config{}, g, packet(t, `["e"]`), nil)
			if span.Parent().IsValid() {
				t.Errorf("%.80q was taken for a context: %v", said, span.Parent())
			}
		}
	}
	for _, auth := range []string{`null`, `[]`, `{"traceparent":7}`, `{"traceparent":{"a":"b"}}`, `{"traceparent":"\u0030"}`, `"` + sampled + `"`} {
		if span, _ := handle(t, tracing.Config{}, greet(t, auth, ""), packet(t, `["e"]`), nil); span.Parent().IsValid() {
			t.Errorf("%s was taken for a context", auth)
		}
	}
	state := "a=" + strings.Repeat("x", 600)
	g := greet(t, `{"traceparent":"`+sampled+`","tracestate":"`+state+`"}`, "")
	if span, _ := handle(t, tracing.Config{}, g, packet(t, `["e"]`), nil); !span.Parent().IsValid() || span.SpanContext().TraceState().Len() != 0 {
		t.Errorf("a state that is too long makes %v", span.SpanContext())
	}
	g = greet(t, `{"traceparent":"`+sampled+`","tracestate":"a=b"}`, "")
	if span, _ := handle(t, tracing.Config{}, g, packet(t, `["e"]`), nil); span.SpanContext().TraceState().Get("a") != "b" {
		t.Errorf("the state is %v, want the client's", span.SpanContext().TraceState())
	}
}

// TestAClientDecidesWhatIsRecordedOnlyWhereItMay: a sampler that goes by the parent is not led by a stranger.
func TestAClientDecidesWhatIsRecordedOnlyWhereItMay(t *testing.T) {
	never := sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample()))
	always := sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample()))
	for _, test := range []struct {
		header  string
		believe bool
		sampler sdktrace.TracerProviderOption
		want    bool
	}{
		{sampled, false, never, false},
		{unsampled, false, always, true},
		{sampled, true, never, true},
		{unsampled, true, always, false},
	} {
		span, recorded := handle(t, tracing.Config{ClientSampled: test.believe}, greet(t, "", test.header), packet(t, `["e"]`), nil, test.sampler)
		if recorded != test.want {
			t.Errorf("%s, believed: %t: recorded: %t, want %t", test.header, test.believe, recorded, test.want)
		}
		if recorded && span.SpanContext().TraceID().String() != clientTrace {
			t.Errorf("%s: the span is in another trace", test.header)
		}
	}
}

func TestErrorsOfTheApplicationAreShownOnlyAsDetails(t *testing.T) {
	failure := errors.New("secret-words")
	span, _ := handle(t, tracing.Config{}, greet(t, "", ""), packet(t, `["secret-event"]`), failure)
	if span.Status().Code != codes.Error || span.Status().Description != "" || value(t, span, "error.type").AsString() != "*errors.errorString" {
		t.Errorf("the span ends with %+v and %v", span.Status(), span.Attributes())
	}
	span, _ = handle(t, tracing.Config{}, greet(t, "", ""), packet(t, `["e"]`), fmt.Errorf("secret-words: %w", context.DeadlineExceeded))
	if value(t, span, "error.type").AsString() != "timeout" || span.Status().Description != "" {
		t.Errorf("the span ends with %+v and %v", span.Status(), span.Attributes())
	}
	span, _ = handle(t, tracing.Config{Details: true}, greet(t, "", ""), packet(t, `["secret-event"]`), failure)
	if span.Status().Description != "secret-words" || value(t, span, "roombus.event.name").AsString() != "secret-event" ||
		value(t, span, "roombus.socket.id").AsString() != "secret-socket" {
		t.Errorf("with details the span ends with %+v and %v", span.Status(), span.Attributes())
	}
	if span.Name() != "process event" {
		t.Errorf("the name is %q, want the event's in an attribute alone", span.Name())
	}
}

func TestDetailsOfMessages(t *testing.T) {
	for _, details := range []bool{false, true} {
		spans := newRecorder()
		tracer, err := tracing.New(tracing.Config{TracerProvider: spans.provider(t), Details: details})
		if err != nil {
			t.Fatal(err)
		}
		log := tracer.Log(new(hollow))
		target := domain.Target{Rooms: []string{"secret-room"}, Except: []string{"secret-other"}}
		for _, body := range []domain.Body{
			&domain.Broadcast{Target: target, Packet: packet(t, `["secret-event","payload"]`)},
			&domain.Join{Target: target, Rooms: []string{"x"}}, &domain.Leave{Target: target}, &domain.Disconnect{Target: target},
			&domain.FetchSockets{Target: target}, &domain.ServerSideEmit{Packet: packet(t, `["secret-event","payload"]`)},
			&domain.Ack{},
		} {
			if _, err := log.Append(t.Context(), &domain.Message{Node: "n", Namespace: "/", Body: body}); err != nil {
				t.Fatal(err)
			}
		}
		for _, span := range spans.Ended() {
			text := fmt.Sprint(span.Attributes())
			wanted := details && span.Name() != "send ack"
			if strings.Contains(text, "secret") != wanted || strings.Contains(text, "payload") {
				t.Errorf("details: %t: %s has %s", details, span.Name(), text)
			}
		}
		if n := len(spans.Ended()); n != 7 {
			t.Errorf("%d spans, want 7", n)
		}
	}
}

func FuzzClientContext(f *testing.F) {
	f.Add(`{"traceparent":"` + sampled + `","tracestate":"a=b"}`)
	f.Add(`["e",{"trace":"` + unsampled + `"}]`)
	f.Add(`{"traceparent":"\\"}`)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := domain.NewValue([]byte(text))
		if err != nil {
			return
		}
		tracer, err := tracing.New(tracing.Config{TracerProvider: sdktrace.NewTracerProvider(), ClientField: "trace"})
		if err != nil {
			t.Fatal(err)
		}
		between := tracer.Interceptor()
		ctx := between.Greet(t.Context(), &domain.Greeting{Auth: v, Header: func(string) string { return text }})
		call := domain.ClientCall{Kind: domain.ClientEvent}
		if p, err := domain.NewPacket([]byte(text)); err == nil {
			call.Event = p
		}
		_, end := between.Begin(ctx, call)
		end(nil)
	})
}
