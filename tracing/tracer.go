package tracing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/roombus/roombus/domain"
)

// Config is what a tracer can be told. The zero Config works.
type Config struct {
	// TracerProvider makes the spans; default: OpenTelemetry's global one, which makes none until the application
	// sets another. With that of go.opentelemetry.io/otel/trace/noop the tracer is off: it decorates nothing, and hands
	// back what it is given.
	TracerProvider trace.TracerProvider
	// Propagator writes the trace's context into messages and reads it; default: W3C Trace Context and Baggage,
	// whatever the global propagator is, done in a way that costs little where nothing is recorded. All nodes of a
	// cluster need the same.
	Propagator propagation.TextMapPropagator
	// Relation ties the span of a message's processing to that of its sending; default: Parent.
	Relation Relation
	// System is the attribute messaging.system; default: "roombus".
	System string
	// Node is the name of this node, an attribute of all its spans; default: none.
	Node string
	// Details adds to the spans what is personal or of high cardinality: rooms, socket ids and event names, and the words
	// of errors that the application has returned. Payloads are in no span in any case. Default: they are left out.
	Details bool
	// Share is the part of the traces that begin here which are begun at all; the others cost next to nothing, because the
	// provider's sampler is not asked. What belongs to a trace of somebody else is not its affair. A provider whose sampler
	// takes all that has no parent (the default) then records this share. 0 and 1 are all.
	Share float64
	// Clients says what becomes of the trace context that a client sends; default: ClientParent.
	Clients ClientContext
	// ClientSampled lets clients decide what is recorded: the sampled flag of their context counts, as far as the
	// provider's sampler goes by it. Anybody could have everything recorded then, so by default the sampler decides as
	// for a trace that begins here.
	ClientSampled bool
	// ClientField is the name of a field in which a client sends the context with an event: of the last argument that is
	// an object, as text in the form of the header traceparent. It wins over the context of the connection. Default:
	// events are not searched.
	ClientField string
}

// ClientContext is what becomes of the trace context that a client sends: the headers traceparent and tracestate of the
// request with which its connection began, or, where they are missing, the fields of these names in its auth.
type ClientContext uint8

const (
	// ClientParent makes the client's span the parent of what is done for the client.
	ClientParent ClientContext = iota
	// ClientLink begins a trace of this node's own for each event, which points at the client's.
	ClientLink
	// ClientIgnored does as if clients sent none.
	ClientIgnored
)

// Relation is how the processing of a message belongs to its sending.
type Relation uint8

const (
	// Parent makes the processing a child of the sending: one trace from the emit to all deliveries.
	Parent Relation = iota
	// Link makes every node's processing a trace of its own that points at the sending. A broadcast on hundreds of
	// nodes then stays readable, and each node samples for itself.
	Link
)

// scope names the instrumentation.
const scope = "github.com/roombus/roombus/tracing"

// Tracer decorates ports. Its methods may be called from many goroutines; it has nothing to close.
type Tracer struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	relation   Relation
	system     string
	node       []attribute.KeyValue
	details    bool
	off        bool
	clients    clientConfig
	share      float64 // zero for all
	// none is the context of what is not recorded, and belongs to no trace that anybody knows; unrecorded are its headers,
	// nil where another propagator than the default is used.
	none       trace.SpanContext
	unrecorded domain.Headers
	request    *spans // of requests
	requests   openRequests
}

// New returns a tracer.
func New(config Config) (*Tracer, error) {
	if config.Relation > Link {
		return nil, fmt.Errorf("tracing.Config: Relation is %d; it must be Parent or Link", config.Relation)
	}
	if config.Clients > ClientIgnored {
		return nil, fmt.Errorf("tracing.Config: Clients is %d; it must be ClientParent, ClientLink or ClientIgnored", config.Clients)
	}
	if !(config.Share >= 0 && config.Share <= 1) {
		return nil, fmt.Errorf("tracing.Config: Share is %v; it must be between 0 and 1", config.Share)
	}
	if config.TracerProvider == nil {
		config.TracerProvider = otel.GetTracerProvider()
	}
	standard := config.Propagator == nil
	if standard {
		config.Propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	}
	if config.System == "" {
		config.System = "roombus"
	}
	_, isNoop := config.TracerProvider.(noop.TracerProvider)
	t := &Tracer{
		tracer:     config.TracerProvider.Tracer(scope, trace.WithSchemaURL(schemaURL)),
		propagator: config.Propagator,
		relation:   config.Relation,
		system:     config.System,
		details:    config.Details,
		off:        isNoop,
		clients:    clientConfig{config.Clients, config.ClientSampled, config.ClientField},
	}
	if config.Node != "" {
		t.node = []attribute.KeyValue{nodeKey.String(config.Node)}
	}
	if config.Share > 0 && config.Share < 1 {
		t.share = config.Share
	}
	t.none = noContext()
	if standard {
		t.unrecorded = domain.Headers{traceparent: encodeTraceparent(t.none)}
	}
	t.request = t.spans(requesting(), "")
	return t, nil
}

// lane is how a message travels.
type lane string

const (
	logLane     lane = "log"
	channelLane lane = "channel"
	clientLane  lane = "client"
)

// spans are the beginnings of all spans of one operation on one lane, made once: what does not differ from message to
// message costs nothing a message.
type spans struct {
	tracer     *Tracer
	names      [domain.KindGoodbye + 1]string
	start      []trace.SpanStartOption
	attributes [domain.KindGoodbye + 1][]attribute.KeyValue
}

func (t *Tracer) spans(o operation, l lane) *spans {
	s := &spans{tracer: t, start: []trace.SpanStartOption{trace.WithSpanKind(o.kind)}}
	for kind := domain.KindInitialHeartbeat; kind.Valid(); kind++ {
		s.names[kind] = o.name + " " + kind.String()
		s.attributes[kind] = append(o.attributes(t.system, l, kind), t.node...)
	}
	return s
}

// begin begins the span of a message. The sampler knows its name and its kind. Further options must not be kept by the
// caller.
func (s *spans) begin(ctx context.Context, m *domain.Message, more ...trace.SpanStartOption) (context.Context, trace.Span) {
	options := s.start
	if len(more) > 0 {
		options = append(slices.Clip(options), more...)
	}
	return s.tracer.tracer.Start(ctx, s.names[m.Kind()], options...) //nolint:spancheck // the caller calls end
}

// end ends the span of a message. Its attributes are set here, when all are known: at each call that sets some the SDK
// makes room for them anew. Of more, zero ones are none.
func (s *spans) end(span trace.Span, m *domain.Message, more ...attribute.KeyValue) {
	if span.IsRecording() {
		all, ok := attributeLists.Get().(*attributeList)
		if !ok {
			all = new(attributeList)
		}
		list := all[:0]
		list = append(list, s.attributes[m.Kind()]...)
		list = append(list, destination(m.Namespace), senderKey.String(string(m.Node)))
		if id := m.Request(); id != "" {
			list = append(list, conversation(id))
		}
		for _, a := range more {
			if a.Valid() {
				list = append(list, a)
			}
		}
		if s.tracer.details {
			list = append(list, detailsOf(m.Body)...)
		}
		span.SetAttributes(list...) // copies them
		clear(list)
		attributeLists.Put(all)
	}
	span.End()
}

// attributeList has room for the attributes of nearly all spans.
type attributeList [16]attribute.KeyValue

var attributeLists sync.Pool // of *attributeList

// leavesOut decides whether what is sent is not recorded, and has no span: because what stands above it is not, or
// because no trace begins with it. The context above, if any (nil: none), goes on with the message.
func (s *spans) leavesOut(above trace.Span) bool {
	if above != nil {
		if sc := above.SpanContext(); sc.IsValid() {
			return !sc.IsSampled()
		}
	}
	return !s.tracer.begins()
}

// begins decides whether a trace that could begin here does.
func (t *Tracer) begins() bool { return t.share == 0 || rand.Float64() < t.share }

// nobody is a span that is none: what a context has in which there is no span.
var nobody = trace.SpanFromContext(context.Background())

// spanIn is the span of a context, nil for none: what is most often asked costs one comparison.
func spanIn(ctx context.Context) trace.Span {
	if span := trace.SpanFromContext(ctx); span != nobody {
		return span
	}
	return nil
}

// received begins the span of a message that was received, at the given time (zero: now). ctx is the receiver's own.
// What its sender has not recorded is not recorded here either, where the processing belongs to the sending.
func (s *spans) received(ctx context.Context, m *domain.Message, at time.Time) (context.Context, trace.Span) {
	t := s.tracer
	if t.relation == Parent && t.isSilent(m) {
		return trace.ContextWithSpanContext(ctx, t.none), nobody
	}
	ctx = t.extract(ctx, m.Headers)
	sender := trace.SpanContextFromContext(ctx)
	switch {
	case t.relation == Parent && sender.IsValid() && !sender.IsSampled() && t.unrecorded != nil:
		return ctx, nobody
	case (t.relation == Link || !sender.IsValid()) && !t.begins():
		return trace.ContextWithSpanContext(ctx, t.none), nobody
	}
	var more []trace.SpanStartOption
	if !at.IsZero() {
		more = append(more, trace.WithTimestamp(at))
	}
	if t.relation == Link {
		more = append(more, trace.WithNewRoot())
		if sender.IsValid() {
			more = append(more, trace.WithLinks(trace.Link{SpanContext: sender}))
		}
	}
	return s.begin(ctx, m, more...)
}

// skips reports whether nothing is to be done for a message that was received: its sender has not recorded it, and it
// leads to nothing that would need its context.
func (s *spans) skips(m *domain.Message) bool {
	t := s.tracer
	return t.relation == Parent && (t.isSilent(m) || t.isUnrecorded(m.Headers) && !leadsOn(m.Body))
}

// isSilent reports whether a message says by having no context that its sender has not recorded it: a node of ours, whose
// messages are numbered. Node.js servers have none, and never say anything of traces.
func (t *Tracer) isSilent(m *domain.Message) bool {
	return t.unrecorded != nil && m.Publisher != "" && (len(m.Headers) == 0 || m.Headers[traceparent] == "")
}

// leadsOn reports whether a message can have others follow, which need its context: an answer, or what the application
// does about it.
func leadsOn(b domain.Body) bool {
	switch b := b.(type) {
	case *domain.Broadcast:
		return b.Request != ""
	case *domain.FetchSockets, *domain.ServerSideEmit:
		return true
	default:
		return false
	}
}

// isTraced reports whether messages of a kind have spans: those do not that nodes say without a reason.
func isTraced(kind domain.Kind) bool {
	switch kind {
	case domain.KindInitialHeartbeat, domain.KindHeartbeat, domain.KindGoodbye:
		return false
	default:
		return true
	}
}

// fail marks a span as failed. Errors of the ports carry neither payloads nor passwords.
func fail(span trace.Span, err error) {
	span.SetStatus(codes.Error, err.Error())
	span.SetAttributes(errorType(typeOf(err)))
}

// typeOf is an error as one of a few words. The outcome of a publish comes before its reason.
func typeOf(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{domain.ErrNotPublished, "not_published"},
		{domain.ErrUnknown, "unknown_outcome"},
		{domain.ErrClosed, "closed"},
		{domain.ErrUnsupported, "unsupported"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "canceled"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return otherError
}

// otherError is what the conventions call an error that has no name.
const otherError = "_OTHER"
