package diagnostics

import (
	"context"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Attributes by which messages are found. They are those of package tracing.
const (
	attributeNamespace = "messaging.destination.name"
	attributeMessageID = "messaging.message.id"
	attributeKind      = "roombus.message.kind"
)

// What is kept of a span at the most. Spans of the application can carry anything.
const (
	maxAttributes     = 32
	maxAttributeValue = 256
	maxSpanEvents     = 64
	maxLinks          = 8
)

// spans is a ring of spans that have ended: the newest, bounded in number and bytes. It has no index: to look through all
// of them takes less than a millisecond, and nobody looks most of the time.
type spans struct {
	mu       sync.Mutex
	ring     []Span
	sizes    []int
	first    int // the oldest
	count    int
	bytes    int
	maxBytes int
}

func newSpans(limit, maxBytes int) *spans {
	return &spans{ring: make([]Span, limit), sizes: make([]int, limit), maxBytes: maxBytes}
}

// add puts a span into the ring, in the place of the oldest ones if need be.
func (s *spans) add(span Span) {
	size := span.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > s.maxBytes || len(s.ring) == 0 {
		return
	}
	for s.count == len(s.ring) || s.bytes+size > s.maxBytes {
		s.bytes -= s.sizes[s.first]
		s.ring[s.first] = Span{}
		s.first = (s.first + 1) % len(s.ring)
		s.count--
	}
	at := (s.first + s.count) % len(s.ring)
	s.ring[at], s.sizes[at] = span, size
	s.bytes += size
	s.count++
}

// each calls f for every span, the newest first, until it returns false. f must not keep the pointer; what is in the span
// is never changed.
func (s *spans) each(f func(*Span) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := s.count - 1; i >= 0; i-- {
		if !f(&s.ring[(s.first+i)%len(s.ring)]) {
			return
		}
	}
}

// state is how many there are, and when the oldest has ended.
func (s *spans) state() (count int, since Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count > 0 {
		since = s.ring[s.first].End
	}
	return s.count, since
}

// OnStart does nothing: what counts is known at the end. It is for OpenTelemetry, as are OnEnd, Shutdown and ForceFlush.
func (r *Recorder) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd remembers a span, unless [Recorder.Sampler] has not chosen its trace, or it belongs to the diagnostics.
func (r *Recorder) OnEnd(s sdktrace.ReadOnlySpan) {
	if r.sampling.Load() && s.SpanContext().TraceState().Get(stateKey) != stateChosen {
		return
	}
	span := spanOf(s)
	if span.Attributes[attributeNamespace] == Namespace {
		return
	}
	r.spans.add(span)
}

// Shutdown does nothing: what was remembered can still be asked for.
func (r *Recorder) Shutdown(context.Context) error { return nil }

// ForceFlush does nothing: there is nowhere to flush to.
func (r *Recorder) ForceFlush(context.Context) error { return nil }

func spanOf(s sdktrace.ReadOnlySpan) Span {
	is := s.SpanContext()
	span := Span{
		Trace: is.TraceID().String(), ID: is.SpanID().String(),
		Name: short(s.Name(), maxAttributeValue), Kind: s.SpanKind().String(),
		Start: At(s.StartTime()), End: At(s.EndTime()),
		Attributes: attributesOf(s.Attributes()),
	}
	if parent := s.Parent(); parent.SpanID().IsValid() {
		span.Parent = parent.SpanID().String()
	}
	if status := s.Status(); status.Code == codes.Error {
		span.Failed, span.Error = true, short(status.Description, maxAttributeValue)
	}
	for _, e := range s.Events() {
		if len(span.Events) == maxSpanEvents {
			break
		}
		span.Events = append(span.Events, SpanEvent{
			Time: At(e.Time), Name: short(e.Name, maxAttributeValue), Attributes: attributesOf(e.Attributes),
		})
	}
	for _, l := range s.Links() {
		if len(span.Links) == maxLinks {
			break
		}
		span.Links = append(span.Links, Link{Trace: l.SpanContext.TraceID().String(), Span: l.SpanContext.SpanID().String()})
	}
	return span
}

// attributesOf keeps what says something about messages. Spans of the application may have attributes that are nobody
// else's business.
func attributesOf(all []attribute.KeyValue) map[string]string {
	var kept map[string]string
	for _, a := range all {
		key := string(a.Key)
		if !isKept(key) {
			continue
		}
		if kept == nil {
			kept = make(map[string]string, len(all))
		}
		if len(kept) == maxAttributes {
			break
		}
		kept[key] = short(a.Value.String(), maxAttributeValue)
	}
	return kept
}

func isKept(key string) bool {
	switch key {
	case "error.type", "http.request.method", "http.response.status_code", "http.route":
		return true
	}
	return strings.HasPrefix(key, "roombus.") || strings.HasPrefix(key, "messaging.")
}

// size is about what a span takes in memory.
func (s *Span) size() int {
	const fixed, pair = 320, 64
	size := fixed + len(s.Name) + len(s.Error) + pair*len(s.Links)
	add := func(attributes map[string]string) {
		for key, value := range attributes {
			size += pair + len(key) + len(value)
		}
	}
	add(s.Attributes)
	for _, e := range s.Events {
		size += pair + len(e.Name)
		add(e.Attributes)
	}
	return size
}

// traceSpans are the spans of a trace, and those that point at it, in the order of their beginnings.
func (r *Recorder) traceSpans(id string) []Span {
	return r.selectSpans(func(s *Span) bool {
		return s.Trace == id || slices.ContainsFunc(s.Links, func(l Link) bool { return l.Trace == id })
	})
}

// messageSpans are the spans of the traces in which a message is that is at a position of the log.
func (r *Recorder) messageSpans(offset string) []Span {
	traces := make(map[string]bool)
	r.spans.each(func(s *Span) bool {
		if s.Attributes[attributeMessageID] == offset {
			traces[s.Trace] = true
		}
		return true
	})
	if len(traces) == 0 {
		return nil
	}
	return r.selectSpans(func(s *Span) bool { return traces[s.Trace] })
}

func (r *Recorder) selectSpans(is func(*Span) bool) []Span {
	var found []Span
	r.spans.each(func(s *Span) bool {
		if is(s) {
			found = append(found, *s)
		}
		return true
	})
	slices.SortStableFunc(found, func(a, b Span) int { return int(a.Start - b.Start) })
	return found
}

// traces sums up the newest traces, the one that was heard of last first.
func (r *Recorder) traces(limit int, is func(*Trace) bool) []Trace {
	byID := make(map[string]*Trace)
	var order []*Trace
	r.spans.each(func(s *Span) bool {
		t, known := byID[s.Trace]
		if !known {
			t = &Trace{ID: s.Trace, Start: s.Start, End: s.End}
			byID[s.Trace] = t
			order = append(order, t)
		}
		t.take(s, !known)
		return true
	})
	var found []Trace
	for _, t := range order {
		if len(found) == limit {
			break
		}
		if is(t) {
			found = append(found, *t)
		}
	}
	return found
}

// take adds a span. The earliest one gives the trace its name.
func (t *Trace) take(s *Span, first bool) {
	t.Spans++
	t.Failed = t.Failed || s.Failed
	t.End = max(t.End, s.End)
	if !first && s.Start > t.Start {
		if t.Offset == "" {
			t.Offset = s.Attributes[attributeMessageID]
		}
		return
	}
	t.Start, t.Name = s.Start, s.Name
	t.Root = s.Parent == "" && len(s.Links) == 0
	if kind := s.Attributes[attributeKind]; kind != "" {
		t.Kind = kind
	}
	if namespace := s.Attributes[attributeNamespace]; namespace != "" {
		t.Namespace = namespace
	}
	if offset := s.Attributes[attributeMessageID]; offset != "" {
		t.Offset = offset
	}
}

// traceOf is the trace of a context that is being recorded; else nothing.
func traceOf(ctx context.Context) string {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		return span.SpanContext().TraceID().String()
	}
	return ""
}
