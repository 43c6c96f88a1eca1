package main

import (
	"flag"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

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
	f.StringVar(&t.clients, "trace-clients", "parent", "what the trace `context` is that clients send (traceparent in their headers or their auth): parent, link or ignore")
	f.BoolVar(&t.clientSampled, "trace-clients-sampled", false, "whether clients may decide, by the sampled flag of their context, what is recorded")
	f.StringVar(&t.clientField, "trace-client-field", "", "the `field` of an event's argument in which clients send a traceparent of its own")
	f.BoolVar(&t.metrics, "metrics", false, "whether Prometheus can scrape /metrics at --metrics-addr")
	f.StringVar(&t.metricsAddr, "metrics-addr", "localhost:9464", "the `host:port` of /metrics: another one than --addr, so that clients from outside cannot see it")
	f.BoolVar(&t.namespaces, "metrics-namespaces", false, "whether metrics of nodes and of the log are told apart by namespace; where clients can make namespaces up, leave it")
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

// tracing is what a tracer is told.
func (t *telemetry) tracing() tracing.Config {
	return tracing.Config{
		Details: t.details, Clients: clientContexts[t.clients], ClientSampled: t.clientSampled, ClientField: t.clientField,
	}
}
