// Package batch makes the export of spans cheap where many end.
//
// The batch span processor of OpenTelemetry's SDK wakes its goroutine for each span that ends, which costs about as much
// as the making of the span. Behind the processor of this package it is woken once for many of them:
//
//	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(batch.NewProcessor(exporter)))
//
// Everything else is the SDK's: its queue, its limits and what happens beyond them, its environment variables.
package batch

import (
	"context"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	// bunch is how many spans are handed over at once: a small part of the 2,048 that the SDK's queue holds by default.
	bunch = 64
	// delay is after what time they are, however few. The SDK waits for 5 s by default before it exports them.
	delay = 100 * time.Millisecond
)

// NewProcessor returns the SDK's batch span processor for an exporter, which gets spans a bunch at a time: when 64 have
// ended, or a tenth of a second after the first of them. ForceFlush and Shutdown hand over what there is.
func NewProcessor(exporter sdktrace.SpanExporter, options ...sdktrace.BatchSpanProcessorOption) sdktrace.SpanProcessor {
	p := &processor{SpanProcessor: sdktrace.NewBatchSpanProcessor(exporter, options...)}
	p.timer = time.AfterFunc(delay, p.handOver)
	p.timer.Stop()
	return p
}

// processor changes OnEnd; OnStart is the inner one's.
type processor struct {
	sdktrace.SpanProcessor

	mu    sync.Mutex
	ended [bunch]sdktrace.ReadOnlySpan
	count int
	// timer is running while there are spans.
	timer *time.Timer
}

// OnEnd keeps a span for a while. One that is not sampled is exported by nobody.
func (p *processor) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended[p.count] = s
	p.count++
	switch p.count {
	case 1:
		p.timer.Reset(delay)
	case bunch:
		p.timer.Stop()
		p.pass()
	}
}

// handOver hands over what has ended.
func (p *processor) handOver() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.pass()
}

// pass passes the spans on, in the order in which they have ended. mu is held.
func (p *processor) pass() {
	for i, s := range p.ended[:p.count] {
		p.SpanProcessor.OnEnd(s)
		p.ended[i] = nil
	}
	p.count = 0
}

// ForceFlush has everything exported that has ended.
func (p *processor) ForceFlush(ctx context.Context) error {
	p.handOver()
	return p.SpanProcessor.ForceFlush(ctx)
}

// Shutdown exports what has ended and ends the processor. Spans that end later are not exported.
func (p *processor) Shutdown(ctx context.Context) error {
	p.handOver()
	return p.SpanProcessor.Shutdown(ctx)
}
