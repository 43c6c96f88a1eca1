package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Observer returns an observer that puts into the trace what the core reports, and then tells the given one, which may
// be nil.
func (t *Tracer) Observer(next ports.Observer) ports.Observer {
	if t.off {
		return next
	}
	o := &observer{tracer: t, next: next}
	o.deliveries, _ = ports.As[ports.DeliveryObserver](next)
	return o
}

type observer struct {
	tracer *Tracer
	next   ports.Observer
	// deliveries is the next one's ability; nil if it has none.
	deliveries ports.DeliveryObserver
}

var (
	_ ports.Decorator        = (*observer)(nil)
	_ ports.DeliveryObserver = (*observer)(nil)
	_ ports.RequestObserver  = (*observer)(nil)
)

// Unwrap returns the next observer; nil if there is none.
func (o *observer) Unwrap() any { return o.next }

// BeginRequest begins the request's span. It ends with domain.RequestDone.
func (o *observer) BeginRequest(ctx context.Context, r domain.RequestBegun) context.Context {
	ctx = o.tracer.beginRequest(ctx, &r)
	if next, ok := ports.As[ports.RequestObserver](o.next); ok {
		ctx = next.BeginRequest(ctx, r)
	}
	return ctx
}

// Observe puts e into the trace.
func (o *observer) Observe(ctx context.Context, e domain.Event) {
	o.record(ctx, e)
	if o.next != nil {
		o.next.Observe(ctx, e)
	}
}

// ObserveDelivery puts to how many sockets a message went on its span.
func (o *observer) ObserveDelivery(ctx context.Context, d domain.Delivered) {
	reached(ctx, d.Sockets)
	if o.deliveries != nil {
		o.deliveries.ObserveDelivery(ctx, d)
	}
}

func (o *observer) record(ctx context.Context, e domain.Event) {
	switch e := e.(type) {
	case *domain.Answered:
		o.answered(ctx, e)
	case *domain.RequestDone:
		o.tracer.requests.done(e)
	case *domain.Gap:
		o.note(ctx, "gap", nil, streamKey.String(e.Stream), messageID(e.Next), lostKey.Int64(int64(e.Lost)))
	case *domain.Reset:
		o.note(ctx, "reset", nil, streamKey.String(e.Stream), reasonKey.String(e.Reason))
	case *domain.BadEntry:
		o.note(ctx, "bad entry", e.Err, streamKey.String(e.Stream), messageID(e.Offset))
	case *domain.TransportLost:
		o.note(ctx, "transport lost", e.Err, streamKey.String(e.Stream))
	case *domain.TransportFound:
		o.note(ctx, "transport found", nil, streamKey.String(e.Stream), awayKey.Float64(e.Away.Seconds()))
	case *domain.Repeated:
		o.note(ctx, "repeat", nil, streamKey.String(e.Stream), messageID(e.Offset))
	case *domain.MemberChanged:
		o.note(ctx, "member "+e.Change.Event.String(), nil,
			destination(e.Namespace), senderKey.String(string(e.Change.Member.ID)))
	case *domain.RecoveryMixed:
		o.note(ctx, "recovery mixed", nil, destination(e.Namespace), senderKey.String(string(e.Node)))
	case *domain.Dropped:
		o.note(ctx, "dropped "+e.Kind.String(), e.Err, destination(e.Namespace))
	case *domain.RecoveryEnded:
		o.note(ctx, "recovery "+e.Recovery.Outcome.String(), nil,
			destination(e.Namespace), reasonKey.String(e.Recovery.Reason), replayedKey.Int(e.Replayed))
	case *domain.DrainBegun:
		o.note(ctx, "drain begins", nil)
	case *domain.DrainEnded:
		o.drained(ctx, e)
	case *domain.SessionsFailed:
		o.note(ctx, "sessions failed", e.Err)
	case *domain.LogTooShort:
		name := "log too short"
		if e.Enough {
			name = "log long enough"
		}
		o.note(ctx, name, nil, streamKey.String(e.Stream), reasonKey.String("it holds "+e.Held.Age.String()))
	}
}

// answered makes the span of an answer that came over a lane, and an event on the request's.
func (o *observer) answered(ctx context.Context, e *domain.Answered) {
	if a, ok := answerIn(ctx); ok {
		a.counts(ctx)
	}
	o.tracer.requests.answered(e)
}

// drained is the span of a drain that is over.
func (o *observer) drained(ctx context.Context, e *domain.DrainEnded) {
	now := time.Now()
	_, span := o.tracer.tracer.Start(ctx, "drain", trace.WithTimestamp(now.Add(-e.Took)), trace.WithAttributes(o.tracer.node...))
	if e.Err != nil {
		fail(span, e.Err)
	}
	span.End(trace.WithTimestamp(now))
}

// note is an event on the span of ctx while that goes on, else a short span.
func (o *observer) note(ctx context.Context, name string, err error, attributes ...attribute.KeyValue) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		if err != nil {
			attributes = append(attributes, errorType(typeOf(err)), reasonKey.String(err.Error()))
		}
		span.AddEvent(name, trace.WithAttributes(attributes...))
		return
	}
	_, span := o.tracer.tracer.Start(ctx, name, trace.WithAttributes(o.tracer.node...), trace.WithAttributes(attributes...))
	if err != nil {
		fail(span, err)
	}
	span.End()
}
