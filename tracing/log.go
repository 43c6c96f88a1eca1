package tracing

import (
	"context"
	"sync/atomic"
	"time"

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
	without atomic.Pointer[without]
}

// without is the context of entries that are not recorded, made once for each context of the reader.
type without struct{ of, ctx context.Context } //nolint:containedctx // it is kept for the next entry alone

// unrecorded returns ctx with the word that nothing is recorded: who looks for a span finds that at once.
func (r *tracedReader) unrecorded(ctx context.Context) context.Context {
	w := r.without.Load()
	if w == nil || w.of != ctx {
		w = &without{of: ctx, ctx: trace.ContextWithSpanContext(ctx, r.process.tracer.none)}
		r.without.Store(w)
	}
	return w.ctx
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
		r.LogHandler.HandleEntry(r.unrecorded(ctx), e)
	default:
		ctx, span := r.process.received(ctx, &e.Message, time.Time{})
		if !span.IsRecording() {
			r.LogHandler.HandleEntry(ctx, e)
			span.End()
			return
		}
		to := &processed{span: span}
		defer func() {
			r.process.end(span, &e.Message, messageID(e.Offset), streamKey.String(e.Stream), to.sockets)
		}()
		r.LogHandler.HandleEntry(context.WithValue(ctx, processedKey{}, to), e)
	}
}
