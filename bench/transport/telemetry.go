package main

import (
	"context"

	"go.opentelemetry.io/otel/trace/noop"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/metrics"
	"github.com/roombus/roombus/ports"
	"github.com/roombus/roombus/tracing"
	"github.com/roombus/roombus/tracing/batch"
)

// decorators are what stands around a node's ports: a tracer, or meters.
type decorators interface {
	Log(inner ports.Log) ports.Log
	Channel(inner ports.Channel) ports.Channel
	Observer(next ports.Observer) ports.Observer
}

// decoration makes decorators.
type decoration func() (decorators, error)

// observed has an observer that does nothing and stands around nothing else: what any program pays that looks at its nodes.
func observed() (decorators, error) { return onlookers{}, nil }

type onlookers struct{}

func (onlookers) Log(inner ports.Log) ports.Log { return inner }

func (onlookers) Channel(inner ports.Channel) ports.Channel { return inner }

func (onlookers) Observer(next ports.Observer) ports.Observer {
	if next != nil {
		return next
	}
	return onlooker{}
}

type onlooker struct{}

func (onlooker) Observe(context.Context, domain.Event) {}

// spansOff traces with a provider that makes no spans, as a program has it that exports none.
func spansOff() (decorators, error) {
	return tracing.New(tracing.Config{TracerProvider: noop.NewTracerProvider(), Node: "bench"})
}

// spansSampled has the provider's sampler take a part of what begins; spans are batched as for an export, and thrown away.
func spansSampled(part float64) decoration {
	return func() (decorators, error) {
		return tracing.New(tracing.Config{Node: "bench", TracerProvider: sdktrace.NewTracerProvider(
			sdktrace.WithSpanProcessor(batch.NewProcessor(discard{})), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(part))),
		)})
	}
}

// spansShared has the tracer itself begin a part of what could begin.
func spansShared(part float64) decoration {
	return func() (decorators, error) {
		return tracing.New(tracing.Config{
			Node: "bench", Share: part, TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(batch.NewProcessor(discard{}))),
		})
	}
}

// measured has meters that a reader could collect.
func measured() (decorators, error) {
	return metrics.New(metrics.Config{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
	})
}

// discard is an exporter that throws spans away.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }

func (discard) Shutdown(context.Context) error { return nil }
