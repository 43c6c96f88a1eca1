package diagnostics

import (
	"cmp"
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

// kept is a span as it is remembered: small. It becomes a Span when somebody asks.
type kept struct {
	trace             trace.TraceID
	id, parent        trace.SpanID
	name, kind, error string
	failed            bool
	start, end        Instant
	attributes        []pair
	events            []keptEvent
	links             []trace.SpanContext
}

type keptEvent struct {
	time       Instant
	name       string
	attributes []pair
}

// pair is an attribute.
type pair struct{ key, value string }

// get is the value of an attribute; nothing when there is none.
func (k *kept) get(key string) string {
	for i := range k.attributes {
		if k.attributes[i].key == key {
			return k.attributes[i].value
		}
	}
	return ""
}

// spans is a ring of spans that have ended: the newest, bounded in number and bytes. It has no index: to look through all
// of them takes less than a millisecond, and nobody looks most of the time.
type spans struct {
	mu       sync.Mutex
	limit    int
	ring     []kept
	sizes    []int32
	first    int // the oldest
	count    int
	bytes    int
	maxBytes int
}

func newSpans(limit, maxBytes int) *spans { return &spans{limit: limit, maxBytes: maxBytes} }

// add puts a span into the ring, in the place of the oldest ones if need be.
func (s *spans) add(span kept) {
	size := span.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > s.maxBytes {
		return
	}
	for s.count > 0 && (s.count == s.limit || s.bytes+size > s.maxBytes) {
		s.bytes -= int(s.sizes[s.first])
		s.ring[s.first] = kept{}
		s.first = (s.first + 1) % len(s.ring)
		s.count--
	}
	if s.count == len(s.ring) {
		s.grow()
	}
	at := (s.first + s.count) % len(s.ring)
	s.ring[at], s.sizes[at] = span, int32(size)
	s.bytes += size
	s.count++
}

// grow doubles the ring, up to its limit: a node on which little happens has a small one. mu is held.
func (s *spans) grow() {
	larger := min(max(2*len(s.ring), 64), s.limit)
	s.ring = append(make([]kept, 0, larger), slices.Concat(s.ring[s.first:], s.ring[:s.first])...)[:larger]
	s.sizes = append(make([]int32, 0, larger), slices.Concat(s.sizes[s.first:], s.sizes[:s.first])...)[:larger]
	s.first = 0
}

// each calls f for every span, the newest first, until it returns false. f must not keep the pointer; what is in the span
// is never changed.
func (s *spans) each(f func(*kept) bool) {
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
		since = s.ring[s.first].end
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
	span := keep(s)
	if span.get(attributeNamespace) == Namespace {
		return
	}
	r.spans.add(span)
}

// Shutdown does nothing: what was remembered can still be asked for.
func (r *Recorder) Shutdown(context.Context) error { return nil }

// ForceFlush does nothing: there is nowhere to flush to.
func (r *Recorder) ForceFlush(context.Context) error { return nil }

// keep takes of a span what is remembered.
func keep(s sdktrace.ReadOnlySpan) kept {
	is := s.SpanContext()
	k := kept{
		trace: is.TraceID(), id: is.SpanID(), parent: s.Parent().SpanID(),
		name: short(s.Name(), maxAttributeValue), kind: s.SpanKind().String(),
		start: At(s.StartTime()), end: At(s.EndTime()),
		attributes: keepAttributes(s.Attributes()),
	}
	if status := s.Status(); status.Code == codes.Error {
		k.failed, k.error = true, short(status.Description, maxAttributeValue)
	}
	events := s.Events()
	for i := range events[:min(len(events), maxSpanEvents)] {
		e := &events[i]
		k.events = append(k.events, keptEvent{At(e.Time), short(e.Name, maxAttributeValue), keepAttributes(e.Attributes)})
	}
	links := s.Links()
	for i := range links[:min(len(links), maxLinks)] {
		k.links = append(k.links, links[i].SpanContext)
	}
	return k
}

// keepAttributes keeps what says something about messages. Spans of the application may have attributes that are nobody
// else's business.
func keepAttributes(all []attribute.KeyValue) []pair {
	pairs := make([]pair, 0, len(all))
	for i := range all {
		if key := string(all[i].Key); isKept(key) && len(pairs) < maxAttributes {
			pairs = append(pairs, pair{key, short(all[i].Value.String(), maxAttributeValue)})
		}
	}
	return pairs
}

// span is what is told of a span.
func (k *kept) span() Span {
	s := Span{
		Trace: k.trace.String(), ID: k.id.String(), Name: k.name, Kind: k.kind, Start: k.start, End: k.end,
		Failed: k.failed, Error: k.error, Attributes: asMap(k.attributes),
	}
	if k.parent.IsValid() {
		s.Parent = k.parent.String()
	}
	for _, e := range k.events {
		s.Events = append(s.Events, SpanEvent{Time: e.time, Name: e.name, Attributes: asMap(e.attributes)})
	}
	for _, l := range k.links {
		s.Links = append(s.Links, Link{Trace: l.TraceID().String(), Span: l.SpanID().String()})
	}
	return s
}

func asMap(pairs []pair) map[string]string {
	if len(pairs) == 0 {
		return nil
	}
	m := make(map[string]string, len(pairs))
	for _, p := range pairs {
		m[p.key] = p.value
	}
	return m
}

func isKept(key string) bool {
	switch key {
	case "error.type", "http.request.method", "http.response.status_code", "http.route":
		return true
	}
	return strings.HasPrefix(key, "roombus.") || strings.HasPrefix(key, "messaging.")
}

// size is about what a span takes in memory.
func (k *kept) size() int {
	const fixed, each = 240, 64
	size := fixed + len(k.name) + len(k.error) + each*len(k.links)
	add := func(pairs []pair) {
		for i := range pairs {
			size += each/2 + len(pairs[i].value) // keys are constants
		}
	}
	add(k.attributes)
	for i := range k.events {
		size += each + len(k.events[i].name)
		add(k.events[i].attributes)
	}
	return size
}

// traceSpans are the spans of a trace, and those that point at it, in the order of their beginnings.
func (r *Recorder) traceSpans(id string) []Span {
	wanted, err := trace.TraceIDFromHex(id)
	if err != nil {
		return nil // no trace has such a name
	}
	return r.selectSpans(func(k *kept) bool {
		return k.trace == wanted ||
			slices.ContainsFunc(k.links, func(l trace.SpanContext) bool { return l.TraceID() == wanted })
	})
}

// messageSpans are the spans of the traces in which a message is that is at a position of the log.
func (r *Recorder) messageSpans(offset string) []Span {
	traces := make(map[trace.TraceID]bool)
	r.spans.each(func(k *kept) bool {
		if k.get(attributeMessageID) == offset {
			traces[k.trace] = true
		}
		return true
	})
	if len(traces) == 0 {
		return nil
	}
	return r.selectSpans(func(k *kept) bool { return traces[k.trace] })
}

func (r *Recorder) selectSpans(is func(*kept) bool) []Span {
	var found []Span
	r.spans.each(func(k *kept) bool {
		if is(k) {
			found = append(found, k.span())
		}
		return true
	})
	slices.SortStableFunc(found, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	return found
}

// traces sums up the newest traces, the one that was heard of last first.
func (r *Recorder) traces(limit int, is func(*Trace) bool) []Trace {
	byID := make(map[trace.TraceID]*Trace)
	var order []*Trace
	r.spans.each(func(k *kept) bool {
		t, known := byID[k.trace]
		if !known {
			t = &Trace{ID: k.trace.String(), Start: k.start, End: k.end}
			byID[k.trace] = t
			order = append(order, t)
		}
		t.take(k, !known)
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
func (t *Trace) take(k *kept, first bool) {
	t.Spans++
	t.Failed = t.Failed || k.failed
	t.End = max(t.End, k.end)
	if !first && k.start > t.Start {
		t.Offset = cmp.Or(t.Offset, k.get(attributeMessageID))
		return
	}
	t.Start, t.Name = k.start, k.name
	t.Root = !k.parent.IsValid() && len(k.links) == 0
	t.Kind = cmp.Or(k.get(attributeKind), t.Kind)
	t.Namespace = cmp.Or(k.get(attributeNamespace), t.Namespace)
	t.Offset = cmp.Or(k.get(attributeMessageID), t.Offset)
}

// traceOf is the trace of a context that is being recorded; else nothing.
func traceOf(ctx context.Context) string {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		return span.SpanContext().TraceID().String()
	}
	return ""
}
