package tracing

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Log returns a log that traces what is appended to the given one and what is read from its tail. It keeps the
// contract of ports.Log, and ports.As finds the inner log's abilities through it.
func (t *Tracer) Log(inner ports.Log) ports.Log {
	if t.off {
		return inner
	}
	return &tracedLog{
		Log:     inner,
		tracer:  t,
		send:    t.spans(sending(), logLane),
		process: t.spans(processing(), logLane),
	}
}

// tracedLog changes Append and Tail; the inner log's other methods are its own.
type tracedLog struct {
	ports.Log
	tracer  *Tracer
	send    *spans
	process *spans
}

var _ ports.Decorator = (*tracedLog)(nil)

// Unwrap returns the inner log.
func (l *tracedLog) Unwrap() any { return l.Log }

// Append appends a copy of m that carries the trace's context, inside a span that ends with the outcome.
func (l *tracedLog) Append(ctx context.Context, m *domain.Message) (domain.Offset, error) {
	if !isTraced(m.Kind()) {
		return l.Log.Append(ctx, m)
	}
	above := spanIn(ctx)
	if l.send.leavesOut(above) {
		return l.Log.Append(ctx, l.tracer.withContext(ctx, m, nil, above, true))
	}
	ctx, span := l.send.begin(ctx, m)
	at, err := l.Log.Append(ctx, l.tracer.withContext(ctx, m, span, above, true))
	if err != nil {
		fail(span, err)
		l.send.end(span, m)
	} else {
		l.send.end(span, m, messageID(at))
	}
	return at, err
}

// Tail hands every entry to h inside a span.
func (l *tracedLog) Tail(ctx context.Context, after domain.Offset, h ports.LogHandler) (ports.Subscription, error) {
	return l.Log.Tail(ctx, after, &tracedReader{LogHandler: h, process: l.process})
}

// tracedReader changes HandleEntry; notices pass. They reach the trace through the observer, together with the gaps
// that only the core can see.
type tracedReader struct {
	ports.LogHandler
	process *spans
	// unrecorded is the context of entries that are not recorded, made once for each context of the reader.
	unrecorded atomic.Pointer[handling]
}

// HandleEntry hands e to the inner handler inside a span.
func (r *tracedReader) HandleEntry(ctx context.Context, e *domain.Entry) {
	kind := e.Message.Kind()
	switch {
	case !isTraced(kind):
		r.LogHandler.HandleEntry(ctx, e)
	case kind.IsAnswer():
		r.LogHandler.HandleEntry(r.process.answered(ctx, &e.Message, e.Offset), e)
	case r.process.skips(&e.Message):
		r.LogHandler.HandleEntry(r.without(ctx), e)
	default:
		ctx, span := r.process.received(ctx, &e.Message, time.Time{})
		if !span.IsRecording() {
			r.LogHandler.HandleEntry(ctx, e)
			span.End()
			return
		}
		h := &handling{Context: ctx, span: span}
		defer func() {
			r.process.end(span, &e.Message, messageID(e.Offset), streamKey.String(e.Stream), h.sockets)
		}()
		r.LogHandler.HandleEntry(h, e)
	}
}

// without returns ctx with the word that nothing is recorded: who looks for a span finds that at once.
func (r *tracedReader) without(ctx context.Context) context.Context {
	h := r.unrecorded.Load()
	if h == nil || h.of != ctx {
		h = &handling{Context: trace.ContextWithSpanContext(ctx, r.process.tracer.none), of: ctx}
		r.unrecorded.Store(h)
	}
	return h
}

// handling is the context in which an entry is handled, and what is found out about the entry meanwhile.
type handling struct {
	context.Context

	// of is the context from which that of all unrecorded entries was made.
	of context.Context //nolint:containedctx // it is compared with the next entry's
	// span is the entry's; nil if it is not recorded.
	span trace.Span
	// sockets is to how many it went.
	sockets attribute.KeyValue
}

type handlingKey struct{}

// Value finds the handling in contexts that are made from it.
func (h *handling) Value(key any) any {
	if key == (handlingKey{}) {
		return h
	}
	return h.Context.Value(key)
}

// handlingIn is the handling of the entry of which ctx is, nil for none.
func handlingIn(ctx context.Context) *handling {
	if h, ok := ctx.(*handling); ok { // nearly always
		return h
	}
	h, _ := ctx.Value(handlingKey{}).(*handling)
	return h
}

// reached notes on the span of a message to how many sockets it went.
func reached(ctx context.Context, sockets int) {
	h := handlingIn(ctx)
	if h != nil && h.span == nil {
		return
	}
	span := trace.SpanFromContext(ctx)
	switch {
	case !span.IsRecording():
	case h != nil && h.span == span:
		h.sockets = socketsKey.Int(sockets) // is set with the others
	default:
		span.SetAttributes(socketsKey.Int(sockets))
	}
}
