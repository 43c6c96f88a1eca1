package tracing_test

import (
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/conformance"
	"github.com/roombus/roombus/ports"
	"github.com/roombus/roombus/tracing"
)

// newTracer records everything. It writes nothing into the messages, which the kits compare as a whole.
func newTracer(t *testing.T) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.New(tracing.Config{
		TracerProvider: newRecorder().provider(t),
		Propagator:     propagation.NewCompositeTextMapPropagator(),
	})
	if err != nil {
		t.Fatalf("make a tracer: %v", err)
	}
	return tracer
}

func TestATracedLogKeepsTheContract(t *testing.T) {
	conformance.Log(t, conformance.LogHarness{
		Open: func(t *testing.T) conformance.LogCluster {
			c, tracer := newCluster(t), newTracer(t)
			return conformance.LogCluster{
				Member: func() conformance.LogMember {
					m := c.Member()
					return conformance.LogMember{Log: tracer.Log(m.Log()), Close: m.Close}
				},
				Trim:  c.Trim,
				Reset: c.Reset,
			}
		},
		TellsOffsets: true, CanResume: true, CanReplay: true, CountsLoss: true,
	})
}

func TestATracedChannelKeepsTheContract(t *testing.T) {
	conformance.Channel(t, conformance.ChannelHarness{
		Open: func(t *testing.T) conformance.ChannelCluster {
			c, tracer := newCluster(t), newTracer(t)
			return conformance.ChannelCluster{
				Member: func() conformance.ChannelMember {
					m := c.Member()
					return conformance.ChannelMember{Log: tracer.Log(m.Log()), Channel: tracer.Channel(m.Channel())}
				},
			}
		},
		HasOwnLane: true,
	})
}

func TestAbilitiesAreFoundThroughTheDecorators(t *testing.T) {
	tracer := newTracer(t)
	conformance.Decorator(t, conformance.Decorators{Log: tracer.Log, Channel: tracer.Channel})
	off, err := tracing.New(tracing.Config{TracerProvider: noop.NewTracerProvider()})
	if err != nil {
		t.Fatal(err)
	}
	inner := new(hollow)
	if off.Log(inner) != ports.Log(inner) || off.Interceptor() != nil {
		t.Error("a tracer that is off decorates all the same")
	}
	told := make(watch[*domain.Gap], 1)
	if _, ok := ports.As[watch[*domain.Gap]](tracer.Observer(told)); !ok {
		t.Error("the next observer was not found through the traced one")
	}
}
