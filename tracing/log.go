package tracing

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
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
	if h, ok := ctx.(*handling); ok && h.plain || !isTraced(m.Kind()) {
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
	process    *spans
	unrecorded unrecorded
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
		r.LogHandler.HandleEntry(r.unrecorded.in(ctx, r.process.tracer), e)
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

// unrecorded makes the contexts of what is not recorded, once for each context in which it comes.
type unrecorded struct{ last atomic.Pointer[handling] }

// known is the one made from ctx, if it is the last that was.
func (u *unrecorded) known(ctx context.Context) (*handling, bool) {
	h := u.last.Load()
	return h, h != nil && h.of == ctx
}

// in returns ctx with the word that nothing is recorded: who looks for a span finds that at once.
func (u *unrecorded) in(ctx context.Context, t *Tracer) *handling {
	h, ok := u.known(ctx)
	if !ok {
		h = &handling{
			Context: trace.ContextWithSpanContext(ctx, t.none), of: ctx,
			plain: t.unrecorded != nil && baggage.FromContext(ctx).Len() == 0,
		}
		u.last.Store(h)
	}
	return h
}

// handling is the context in which an entry or a client's event is handled, and what is found out about it meanwhile.
type handling struct {
	context.Context //nolint:containedctx // it is one

	// of is the context from which that of all that is not recorded was made.
	of context.Context //nolint:containedctx // it is compared with the next one's
	// plain is set where nothing is recorded and there is nothing to be said of it: what is appended to the log goes as
	// it is.
	plain bool
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

// reached notes on the span of a message to how many sockets it went.
func reached(ctx context.Context, sockets int) {
	h, ok := ctx.(*handling) // nearly always
	if ok && h.span == nil {
		return
	}
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	if !ok {
		h, ok = ctx.Value(handlingKey{}).(*handling)
	}
	if ok && h.span == span {
		h.sockets = socketsKey.Int(sockets) // is set with the others
	} else {
		span.SetAttributes(socketsKey.Int(sockets))
	}
}
