package diagnostics

import (
	"context"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
)

// Provider returns a provider whose spans are remembered and go nowhere else: for a process without an exporter. What is
// not chosen costs next to nothing, here and on the wire: it has no span at all, and its message no context, which package
// tracing takes for what it is on the other nodes. There is nothing to shut down.
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

// passedOver marks the context of what was not chosen.
type passedOver struct{}

func isPassedOver(ctx context.Context) bool { return ctx.Value(passedOver{}) != nil }
