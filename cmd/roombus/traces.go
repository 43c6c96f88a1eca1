package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/roombus/roombus/tracing/batch"
)

// traces returns the provider of spans that OpenTelemetry's environment variables ask for, and what ends it. Without
// OTEL_TRACES_EXPORTER or an OTLP endpoint there are no spans but those that the node itself remembers.
// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and the rest mean what OpenTelemetry says.
func traces(ctx context.Context, d *diagnosis) (provider trace.TracerProvider, shutdown func(context.Context) error, err error) {
	wanted := exportWanted(os.Getenv, "TRACES")
	switch {
	case !wanted && d.spans:
		return d.recorder.Provider(), func(context.Context) error { return nil }, nil
	case !wanted:
		return noop.NewTracerProvider(), func(context.Context) error { return nil }, nil
	}
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("traces cannot be exported as the environment says (OTEL_TRACES_EXPORTER is %q): %w",
			os.Getenv("OTEL_TRACES_EXPORTER"), err)
	}
	origin, err := origin(ctx)
	if err != nil {
		return nil, nil, err
	}
	options := []sdktrace.TracerProviderOption{sdktrace.WithSpanProcessor(batch.NewProcessor(exporter)), sdktrace.WithResource(origin)}
	base := environmentSampler(os.Getenv)
	if shareWanted(os.Getenv) > 0 { // the tracer sees to it
		base = sdktrace.ParentBased(sdktrace.AlwaysSample())
	}
	if d.spans {
		options = append(options, d.provider(base)...)
	} else {
		options = append(options, sdktrace.WithSampler(base))
	}
	p := sdktrace.NewTracerProvider(options...)
	return p, p.Shutdown, nil
}

// origin says where traces and metrics come from. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
func origin(ctx context.Context) (*resource.Resource, error) {
	origin, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "roombus"), attribute.String("service.version", version())),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(), // last: it wins
	)
	if err != nil {
		return nil, fmt.Errorf("describe this process to traces and metrics: %w", err)
	}
	return origin, nil
}

// exportWanted reports whether the environment asks for a signal, TRACES or METRICS, to be exported.
func exportWanted(env func(string) string, signal string) bool {
	if off, err := strconv.ParseBool(env("OTEL_SDK_DISABLED")); err == nil && off {
		return false
	}
	if exporter := env("OTEL_" + signal + "_EXPORTER"); exporter != "" {
		return exporter != "none"
	}
	return env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || env("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
}

// shareWanted is the ratio of a parentbased_traceidratio sampler that the environment asks for; zero for anything else. The
// tracer then takes it as its Share, which means the same and is cheaper: what does not begin is not even asked for.
func shareWanted(env func(string) string) float64 {
	if env("OTEL_TRACES_SAMPLER") != "parentbased_traceidratio" {
		return 0
	}
	ratio, err := strconv.ParseFloat(env("OTEL_TRACES_SAMPLER_ARG"), 64)
	if err != nil || !(ratio > 0 && ratio < 1) {
		return 0 // OpenTelemetry's own sampler deals with it
	}
	return ratio
}
