package tracing_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/trace/noop"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
	"github.com/roombus/roombus/tracing"
)

// hollow is a log that does nothing and hands one entry to its tail again and again.
type hollow struct {
	ports.Log
	handler ports.LogHandler
}

func (h *hollow) Append(context.Context, *domain.Message) (domain.Offset, error) { return "1-0", nil }

func (h *hollow) Tail(_ context.Context, _ domain.Offset, to ports.LogHandler) (ports.Subscription, error) {
	h.handler = to
	return nil, nil //nolint:nilnil // nobody closes it
}

type deaf struct{}

func (deaf) HandleEntry(context.Context, *domain.Entry)  {}
func (deaf) HandleNotice(context.Context, domain.Notice) {}

func benchmark(b *testing.B, provider trace.TracerProvider) {
	tracer, err := tracing.New(tracing.Config{TracerProvider: provider, Node: "a"})
	if err != nil {
		b.Fatal(err)
	}
	inner := new(hollow)
	log := tracer.Log(inner)
	if _, err := log.Tail(b.Context(), "", deaf{}); err != nil {
		b.Fatal(err)
	}
	m := message(b)
	ctx := b.Context()
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := log.Append(ctx, m); err != nil {
				b.Fatal(err)
			}
		}
	})
	entries := map[string]domain.Headers{
		"entry":              nil, // a Node.js server's: a trace begins here
		"entry not recorded": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"},
		"entry recorded":     {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
	}
	for name, headers := range entries {
		e := &domain.Entry{Stream: "socket.io", Offset: "1-0", Message: *m}
		e.Message.Headers = headers
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				inner.handler.HandleEntry(ctx, e)
			}
		})
	}
	between := tracer.Interceptor()
	if between == nil {
		return
	}
	ctx = between.Greet(ctx, greet(b, "", sampled))
	call := domain.ClientCall{Kind: domain.ClientEvent, Namespace: "/"}
	b.Run("client's event", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, end := between.Begin(ctx, call)
			end(nil)
		}
	})
}

func BenchmarkOff(b *testing.B) { benchmark(b, noop.NewTracerProvider()) }

func BenchmarkOnePercent(b *testing.B) {
	benchmark(b, sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.01)))))
}
