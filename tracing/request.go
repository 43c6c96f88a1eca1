package tracing

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/domain"
)

// openRequests are the recorded requests that wait for answers. The zero openRequests is ready.
type openRequests struct {
	mu   sync.Mutex
	open map[domain.RequestID]*request
}

// request is the span of a request, from the question to the last answer.
type request struct {
	span trace.Span
	acks int
}

// maxAckEvents is how many acks of a request's sockets are events of its span: there may be one for each of thousands,
// and a span keeps the last 128 events by default, among which those of the nodes should be.
const maxAckEvents = 64

// beginRequest begins the span of a request. One that is not recorded costs nothing further.
func (t *Tracer) beginRequest(ctx context.Context, r *domain.RequestBegun) context.Context {
	s := t.request
	if !trace.SpanContextFromContext(ctx).IsValid() && !t.begins() {
		return trace.ContextWithSpanContext(ctx, t.none)
	}
	ctx, span := s.tracer.tracer.Start(ctx, s.names[r.Kind], s.start...)
	if !span.IsRecording() {
		return ctx
	}
	span.SetAttributes(s.attributes[r.Kind]...)
	span.SetAttributes(destination(r.Namespace), conversation(r.Request), askedKey.Int(len(r.Nodes)+r.Unnamed))
	t.requests.mu.Lock()
	defer t.requests.mu.Unlock()
	if t.requests.open == nil {
		t.requests.open = make(map[domain.RequestID]*request)
	}
	t.requests.open[r.Request] = &request{span: span}
	return ctx
}

// answered notes an answer as an event on the request's span.
func (o *openRequests) answered(e *domain.Answered) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.open[e.Request]
	if !ok {
		return
	}
	name := "answer"
	if e.Answer == domain.KindAck {
		r.acks++
		if r.acks > maxAckEvents {
			return
		}
		name = "ack"
	}
	r.span.AddEvent(name, trace.WithAttributes(senderKey.String(string(e.From)), kindKey.String(e.Answer.String())))
}

// done ends the request's span: an error where answers are missing, with who has not given them.
func (o *openRequests) done(e *domain.RequestDone) {
	o.mu.Lock()
	r, ok := o.open[e.Request]
	delete(o.open, e.Request)
	o.mu.Unlock()
	if !ok {
		return
	}
	r.span.SetAttributes(answersKey.Int(e.Answers))
	if partial, isPartial := errors.AsType[*domain.PartialError](e.Err); isPartial {
		r.span.SetAttributes(missingOf(partial)...)
	}
	if e.Err != nil {
		fail(r.span, e.Err)
	}
	r.span.End()
}

func missingOf(partial *domain.PartialError) []attribute.KeyValue {
	missing := make([]string, len(partial.Missing))
	for i, id := range partial.Missing {
		missing[i] = string(id)
	}
	return []attribute.KeyValue{
		missingKey.StringSlice(missing), unnamedKey.Int(partial.Unnamed), missingAcksKey.Int(partial.MissingAcks),
	}
}
