package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/metrics"
	"github.com/roombus/roombus/tracing"
)

// telemetry are the flags of serve that say what traces and metrics show. Where they go the environment says, as
// OpenTelemetry has it.
type telemetry struct {
	details       bool
	clients       string
	clientSampled bool
	clientField   string
	metrics       bool
	metricsAddr   string
	namespaces    bool
}

// clientContexts are the values of --trace-clients.
var clientContexts = map[string]tracing.ClientContext{
	"parent": tracing.ClientParent, "link": tracing.ClientLink, "ignore": tracing.ClientIgnored,
}

func (t *telemetry) flags(f *flag.FlagSet) {
	f.BoolVar(&t.details, "trace-details", false, "whether spans show rooms, socket ids, event names and the words of the application's errors")
	f.StringVar(&t.clients, "trace-clients", "parent", "the `role` of the trace context that clients send (traceparent in their headers or their auth): parent, link or ignore")
	f.BoolVar(&t.clientSampled, "trace-clients-sampled", false, "whether clients may decide, by the sampled flag of their context, what is recorded")
	f.StringVar(&t.clientField, "trace-client-field", "", "the `field` of an event's argument in which clients send a traceparent for that event alone")
	f.BoolVar(&t.metrics, "metrics", false, "whether Prometheus can scrape /metrics at --metrics-addr")
	f.StringVar(&t.metricsAddr, "metrics-addr", "localhost:9464", "the `host:port` of /metrics: another one than --addr, so that clients from outside cannot see it")
	f.BoolVar(&t.namespaces, "metrics-namespaces", false, "whether metrics of nodes and of the log are told apart by namespace; leave it off where clients can make namespaces up")
}

func (t *telemetry) check() error {
	if _, ok := clientContexts[t.clients]; !ok {
		return fmt.Errorf("--trace-clients is %q; it must be one of %s", t.clients,
			strings.Join(slices.Sorted(maps.Keys(clientContexts)), ", "))
	}
	if _, _, err := net.SplitHostPort(t.metricsAddr); err != nil {
		return fmt.Errorf("--metrics-addr is %q; it must be like localhost:9464", t.metricsAddr)
	}
	return nil
}

// newTracer makes the node's tracer.
func newTracer(provider trace.TracerProvider, s *settings) (*tracing.Tracer, error) {
	t := &s.telemetry
	return tracing.New(tracing.Config{
		TracerProvider: provider, Node: s.name, Share: shareWanted(os.Getenv),
		Details: t.details, Clients: clientContexts[t.clients], ClientSampled: t.clientSampled, ClientField: t.clientField,
	})
}

// measure makes the meters, and serves them if they are asked for.
func (run *server) measure(ctx context.Context, s *settings) (err error) {
	if run.measuring, err = measure(ctx, &s.telemetry); err != nil {
		return err
	}
	run.meters, err = metrics.New(metrics.Config{
		MeterProvider: run.measuring.provider, Namespaces: s.telemetry.namespaces,
	})
	if err != nil {
		return err
	}
	if run.measuring.scrape != nil {
		run.scraping, err = serveMetrics(ctx, s.telemetry.metricsAddr, run.measuring.scrape, run.log)
	}
	return err
}

// stopMeasuring exports the last metrics, and ends the endpoint.
func (run *server) stopMeasuring(ctx context.Context) error {
	var errs []error
	if run.measuring != nil {
		if err := run.measuring.shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("export the last metrics: %w", err))
		}
	}
	if run.meters != nil {
		errs = append(errs, run.meters.Close())
	}
	if run.scraping != nil {
		errs = append(errs, run.scraping.stop())
	}
	return errors.Join(errs...)
}
