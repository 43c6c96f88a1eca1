package tracing

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// clientConfig is what a tracer was told about clients.
type clientConfig struct {
	context ClientContext
	sampled bool
	field   string
}

// Interceptor returns what traces an edge's clients: each connecting, each event and each end is a span, under which
// stands what the application does about it. It keeps the contract of ports.Interceptor. It is nil, for none, when the
// tracer is off.
func (t *Tracer) Interceptor() ports.Interceptor {
	if t.off {
		return nil
	}
	c := &clients{tracer: t}
	for kind := range c.names {
		call := domain.ClientCallKind(kind)
		c.names[kind] = processing().name + " " + call.String()
		c.starts[kind] = []trace.SpanStartOption{
			trace.WithSpanKind(processing().kind),
			trace.WithAttributes(append(clientAttributes(t.system, call), t.node...)...),
		}
	}
	return c
}

// clients traces what clients do. What a span begins with is made once.
type clients struct {
	tracer *Tracer
	names  [domain.ClientDisconnect + 1]string
	starts [domain.ClientDisconnect + 1][]trace.SpanStartOption
}

// greeted is the context of all that is done for a client's socket.
type greeted struct {
	context.Context //nolint:containedctx // it is one

	// said is the context that the client has sent with its connection; an invalid one for none. It is no parent yet.
	said       trace.SpanContext
	unrecorded unrecorded
}

type greetedKey struct{}

// Value finds the greeting in contexts that are made from it.
func (g *greeted) Value(key any) any {
	if key == (greetedKey{}) {
		return g
	}
	return g.Context.Value(key)
}

// Greet keeps the context that the client has sent with its connection.
func (c *clients) Greet(ctx context.Context, g *domain.Greeting) context.Context {
	return &greeted{Context: ctx, said: c.saidBy(g)}
}

func (c *clients) saidBy(g *domain.Greeting) trace.SpanContext {
	if c.tracer.clients.context == ClientIgnored {
		return trace.SpanContext{}
	}
	sent := stranger{g.Header(traceparent), g.Header(tracestate)}
	if sent.parent == "" {
		sent = fromFields(g.Auth.JSON(), traceparent)
	}
	return c.taken(sent)
}

// Begin begins a span, whose parent is the client's where that is wanted.
func (c *clients) Begin(ctx context.Context, call domain.ClientCall) (context.Context, func(error)) {
	kind := min(int(call.Kind), len(c.names)-1)
	options := c.starts[kind]
	g, ok := ctx.Value(greetedKey{}).(*greeted)
	if !ok {
		g = new(greeted)
	}
	remote := c.contextOf(g, &call)
	if remote.IsValid() && c.tracer.clients.context == ClientParent {
		ctx = trace.ContextWithRemoteSpanContext(ctx, c.judged(ctx, remote, kind))
	} else if without, ok := c.leavesOut(ctx, g); ok {
		return without, noEnd
	} else if remote.IsValid() {
		options = append(slices.Clip(options), trace.WithLinks(trace.Link{SpanContext: remote}))
	}
	ctx, span := c.tracer.tracer.Start(ctx, c.names[kind], options...)
	if !span.IsRecording() {
		return ctx, noEnd
	}
	span.SetAttributes(destination(call.Namespace))
	if c.tracer.details {
		span.SetAttributes(socketKey.String(string(call.Socket)))
		if call.Kind == domain.ClientEvent {
			span.SetAttributes(eventKey.String(call.Event.Event()))
		}
	}
	return ctx, func(err error) { c.end(span, err) }
}

func noEnd(error) {}

// leavesOut decides whether a trace that could begin in ctx does not, and returns the context of what is not recorded.
func (c *clients) leavesOut(ctx context.Context, g *greeted) (*handling, bool) {
	h, known := g.unrecorded.known(ctx) // then nothing stands above
	switch {
	case !known && trace.SpanContextFromContext(ctx).IsValid(), c.tracer.begins():
		return nil, false
	case known:
		return h, true
	default:
		return g.unrecorded.in(ctx, c.tracer), true
	}
}

// end ends a span. What the application says in its errors is a detail: it may be about anybody.
func (c *clients) end(span trace.Span, err error) {
	switch name := typeOf(err); {
	case err == nil:
	case c.tracer.details:
		fail(span, err)
	case name == otherError:
		span.SetStatus(codes.Error, "")
		span.SetAttributes(errorType(fmt.Sprintf("%T", err)))
	default:
		span.SetStatus(codes.Error, "")
		span.SetAttributes(errorType(name))
	}
	span.End()
}

// contextOf is the client's context for a call: the event's own, else the connection's.
func (c *clients) contextOf(g *greeted, call *domain.ClientCall) trace.SpanContext {
	config := &c.tracer.clients
	if config.field != "" && config.context != ClientIgnored && call.Kind == domain.ClientEvent {
		if remote := c.taken(inEvent(call.Event.JSON(), config.field)); remote.IsValid() {
			return remote
		}
	}
	return g.said
}

// taken is what of a client's context is taken over. Which traces all nodes remember is for them to say: a client that
// said so of all of its own would leave no room for others, and one that said the contrary would go unseen. One that is
// believed may.
func (c *clients) taken(s stranger) trace.SpanContext {
	remote := s.spanContext()
	if state := remote.TraceState(); !c.tracer.clients.sampled && state.Get(domain.TraceStateKey) != "" {
		return remote.WithTraceState(state.Delete(domain.TraceStateKey))
	}
	return remote
}

// judged is a client's context with the flag that counts: its own if clients are believed, else what the provider's
// sampler says of a trace that begins here. It is asked by way of a span that is never ended, so that nobody gets it.
func (c *clients) judged(ctx context.Context, remote trace.SpanContext, kind int) trace.SpanContext {
	if c.tracer.clients.sampled {
		return remote
	}
	if !c.tracer.begins() {
		return remote.WithTraceFlags(remote.TraceFlags().WithSampled(false))
	}
	_, probe := c.tracer.tracer.Start( //nolint:spancheck // whoever ends it has it exported
		ctx, c.names[kind], append(slices.Clip(c.starts[kind]), trace.WithNewRoot())...)
	sampled := probe.SpanContext().IsSampled()
	return remote.WithTraceFlags(remote.TraceFlags().WithSampled(sampled)) //nolint:spancheck // as above
}

// The fields of W3C Trace Context.
const (
	traceparent = "traceparent"
	tracestate  = "tracestate"
)

// How much of what a stranger says is looked at. A traceparent has 55 characters, and the specification asks for 512 of a
// tracestate.
const (
	maxTraceparent = 128
	maxTracestate  = 512
)

// stranger is a trace context as a client has sent it.
type stranger struct{ parent, state string }

// spanContext is what was said, if it is a valid context; the zero SpanContext otherwise. Baggage is not taken from
// clients: it would travel to all nodes.
func (s stranger) spanContext() trace.SpanContext {
	if s.parent == "" || len(s.parent) > maxTraceparent {
		return trace.SpanContext{}
	}
	carried := propagation.MapCarrier{traceparent: s.parent}
	if len(s.state) <= maxTracestate {
		carried[tracestate] = s.state
	}
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), carried))
}

// fromFields reads a context out of a JSON object: from the field of a name, and tracestate beside it. The last one
// counts, as in JavaScript.
func fromFields(object []byte, name string) (s stranger) {
	for key, value := range domain.Fields(object) {
		switch string(key) {
		case name:
			s.parent = text(value, maxTraceparent)
		case tracestate:
			s.state = text(value, maxTracestate)
		}
	}
	return s
}

// inEvent reads a context out of the last argument of an event that is an object.
func inEvent(event []byte, name string) (s stranger) {
	first := true
	for element := range domain.Elements(event) {
		if !first && bytes.HasPrefix(element, []byte{'{'}) {
			s = fromFields(element, name)
		}
		first = false
	}
	return s
}

// text is a JSON string without its quotes, if it is one, has no escapes and is short enough. No context needs an escape.
func text(value []byte, most int) string {
	if len(value) < 2 || len(value) > most+2 || value[0] != '"' || bytes.IndexByte(value, '\\') >= 0 {
		return ""
	}
	return string(value[1 : len(value)-1])
}
