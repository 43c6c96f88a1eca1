package tracing

import (
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// FuzzTraceparent checks that what decodeTraceparent takes for valid is what OpenTelemetry's propagator reads.
func FuzzTraceparent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	f.Add("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01")
	f.Add("00-00000000000000000000000000000000-b7ad6b7169203331-01")
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03")
	f.Add("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Fuzz(func(t *testing.T, text string) {
		got := decodeTraceparent(text)
		if !got.IsValid() {
			return // whoever asks has the propagator read it
		}
		carried := propagation.MapCarrier{traceparent: text}
		want := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(t.Context(), carried))
		if !got.WithRemote(true).Equal(want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	})
}

func TestTraceparentBothWays(t *testing.T) {
	for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
		want := noContext().WithTraceFlags(flags)
		if got := decodeTraceparent(encodeTraceparent(want)); !got.Equal(want) {
			t.Errorf("%v became %v", want, got)
		}
	}
}
