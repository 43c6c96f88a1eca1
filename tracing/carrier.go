package tracing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/domain"
)

// carrier reads the trace's context from a message's headers.
type carrier domain.Headers

var _ propagation.TextMapCarrier = carrier(nil)

func (c carrier) Get(key string) string { return c[key] }

// Set does nothing: headers that were handed over are never changed.
func (c carrier) Set(string, string) {}

func (c carrier) Keys() []string { return slices.Sorted(maps.Keys(c)) }

// copier writes the trace's context into a copy of a message's headers, made when there is something to write.
type copier struct {
	original domain.Headers
	changed  domain.Headers
}

var _ propagation.TextMapCarrier = (*copier)(nil)

func (c *copier) Get(key string) string {
	if c.changed != nil {
		return c.changed[key]
	}
	return c.original[key]
}

func (c *copier) Set(key, value string) {
	if c.changed == nil {
		c.changed = make(domain.Headers, len(c.original)+2)
		maps.Copy(c.changed, c.original)
	}
	c.changed[key] = value
}

func (c *copier) Keys() []string {
	if c.changed != nil {
		return carrier(c.changed).Keys()
	}
	return carrier(c.original).Keys()
}

// extract puts the context in headers into ctx, as the propagator does.
func (t *Tracer) extract(ctx context.Context, h domain.Headers) context.Context {
	if t.unrecorded != nil && h[tracestate] == "" && h[baggageField] == "" {
		if sc := decodeTraceparent(h[traceparent]); sc.IsValid() {
			return trace.ContextWithRemoteSpanContext(ctx, sc)
		}
	}
	return t.propagator.Extract(ctx, carrier(h))
}

// withContext is m, or a copy of it with the context of ctx in its headers: that of the sending's span, or where there is
// none (nil) that above it. What is not recorded and belongs to no trace that anybody knows has nothing to say; numbered
// says that its receivers see by its number that it is of a node that would say it otherwise.
func (t *Tracer) withContext(
	ctx context.Context, m *domain.Message, span, above trace.Span, numbered bool,
) *domain.Message {
	switch {
	case t.unrecorded == nil || baggage.FromContext(ctx).Len() > 0:
		c := copier{original: m.Headers}
		t.propagator.Inject(ctx, &c)
		return withHeaders(m, c.changed)
	case numbered && span == nil && above == nil: // most messages, where few are recorded
		return m
	default:
		return t.withHeadersOf(m, contextOf(span), contextOf(above), numbered)
	}
}

// contextOf is the context of a span, the zero one of none.
func contextOf(span trace.Span) trace.SpanContext {
	if span == nil {
		return trace.SpanContext{}
	}
	return span.SpanContext()
}

// withHeadersOf does for withContext what is not done at a glance.
func (t *Tracer) withHeadersOf(m *domain.Message, sc, above trace.SpanContext, numbered bool) *domain.Message {
	known := above.IsValid() && above.TraceID() != t.none.TraceID()
	if !sc.IsValid() {
		sc = above
	}
	switch {
	case known || sc.IsSampled():
		changed := make(domain.Headers, len(m.Headers)+2)
		maps.Copy(changed, m.Headers)
		changed[traceparent] = encodeTraceparent(sc)
		if state := sc.TraceState().String(); state != "" {
			changed[tracestate] = state
		}
		return withHeaders(m, changed)
	case numbered:
		return m
	case len(m.Headers) == 0:
		return withHeaders(m, t.unrecorded)
	default:
		changed := maps.Clone(m.Headers)
		maps.Copy(changed, t.unrecorded)
		return withHeaders(m, changed)
	}
}

// withHeaders is a copy of m with other headers; m itself for none.
func withHeaders(m *domain.Message, changed domain.Headers) *domain.Message {
	if changed == nil {
		return m
	}
	sent := *m
	sent.Headers = changed
	return &sent
}

// The form of a traceparent (W3C Trace Context): version, trace, span and flags in hexadecimal, with hyphens.
const (
	traceparentBegins = "00-"
	traceparentLength = 55
	flagsUnrecorded   = "-00"
)

// baggageField is the field of W3C Baggage.
const baggageField = "baggage"

func encodeTraceparent(sc trace.SpanContext) string {
	var text [traceparentLength]byte
	id, span := sc.TraceID(), sc.SpanID()
	copy(text[:], traceparentBegins)
	hex.Encode(text[3:], id[:])
	text[35] = '-'
	hex.Encode(text[36:], span[:])
	copy(text[52:], flagsUnrecorded)
	if sc.IsSampled() {
		text[54] = '1'
	}
	return string(text[:])
}

// decodeTraceparent reads what encodeTraceparent writes. What it does not know gives no valid context, which does not mean
// that there is none.
func decodeTraceparent(text string) trace.SpanContext {
	if len(text) != traceparentLength || !strings.HasPrefix(text, traceparentBegins) || text[35] != '-' || text[52:54] != "-0" {
		return trace.SpanContext{}
	}
	id, err := trace.TraceIDFromHex(text[3:35])
	if err != nil {
		return trace.SpanContext{}
	}
	span, err := trace.SpanIDFromHex(text[36:52])
	if err != nil {
		return trace.SpanContext{}
	}
	config := trace.SpanContextConfig{TraceID: id, SpanID: span}
	switch text[54] {
	case '0':
	case '1':
		config.TraceFlags = trace.FlagsSampled
	default:
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(config)
}

// noContext is a context of no trace, which is not recorded.
func noContext() trace.SpanContext {
	var id [24]byte
	_, _ = rand.Read(id[:]) // never fails
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID(id[:16]), SpanID: trace.SpanID(id[16:])})
}

// isUnrecorded reports whether headers say that what they are of is not recorded. Of what is none of the usual form it
// reports false: whoever reads it in full decides.
func (t *Tracer) isUnrecorded(h domain.Headers) bool {
	if t.unrecorded == nil {
		return false
	}
	parent := h[traceparent]
	return len(parent) == traceparentLength && strings.HasPrefix(parent, traceparentBegins) && strings.HasSuffix(parent, flagsUnrecorded)
}
