package diagnostics

import (
	"context"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/roombus/roombus/domain"
)

// Provider returns a provider whose spans are remembered and go nowhere else: for a process without an exporter. What is
// not chosen costs next to nothing, here and on the wire: it has no span at all, and its message no context, which the
// other nodes take for what it is (see [Recorder.Log]). There is nothing to shut down.
func (r *Recorder) Provider() trace.TracerProvider {
	r.sampling.Store(true)
	inner := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(&sampler{base: sdktrace.NeverSample(), recorder: r, allowed: true}), sdktrace.WithSpanProcessor(r))
	return &provider{inner: inner, recorder: r}
}

type provider struct {
	embedded.TracerProvider
	inner    trace.TracerProvider
	recorder *Recorder
}

// Tracer returns a tracer.
func (p *provider) Tracer(name string, options ...trace.TracerOption) trace.Tracer {
	return &tracer{inner: p.inner.Tracer(name, options...), recorder: p.recorder}
}

// tracer begins new traces within the budget.
type tracer struct {
	embedded.Tracer
	inner    trace.Tracer
	recorder *Recorder
}

// Start begins a span, or none.
func (t *tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		switch {
		case isPassedOver(ctx):
			return ctx, noop.Span{}
		case !t.recorder.allow():
			return context.WithValue(ctx, passedOver{}, true), noop.Span{} // what follows from it is no trace either
		}
	}
	return t.inner.Start(ctx, name, options...) //nolint:spancheck // whoever has asked for it ends it
}

// passedOver marks the context of what was not chosen, and that of an entry that has no trace although a node of ours has
// published it: that has not chosen it, so nobody else begins a trace for it. What Node.js servers have written begins one
// here.
type passedOver struct{}

func isPassedOver(ctx context.Context) bool { return ctx.Value(passedOver{}) != nil }

// hasNoTrace reports whether a message was published by a node of ours without a trace.
func hasNoTrace(m *domain.Message) bool { return m.Publisher != "" && len(m.Headers) == 0 }
