package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// measuring is what metrics go to: the endpoint for Prometheus, and what the environment asks for.
type measuring struct {
	provider metric.MeterProvider
	shutdown func(context.Context) error
	scrape   http.Handler // nil when Prometheus is not to ask
}

// measure returns the provider of meters that the settings and OpenTelemetry's environment variables ask for. Without
// --metrics, OTEL_METRICS_EXPORTER or an OTLP endpoint nothing is measured.
func measure(ctx context.Context, s *telemetry) (*measuring, error) {
	wanted := exportWanted(os.Getenv, "METRICS")
	if !s.metrics && !wanted {
		return &measuring{provider: noop.NewMeterProvider(), shutdown: func(context.Context) error { return nil }}, nil
	}
	origin, err := origin(ctx)
	if err != nil {
		return nil, err
	}
	m := &measuring{}
	options := []sdkmetric.Option{sdkmetric.WithResource(origin)}
	if wanted {
		reader, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return nil, fmt.Errorf("metrics cannot be exported as the environment says (OTEL_METRICS_EXPORTER is %q): %w",
				os.Getenv("OTEL_METRICS_EXPORTER"), err)
		}
		options = append(options, sdkmetric.WithReader(reader))
	}
	if s.metrics {
		registry := prometheus.NewRegistry() // the global one is for whoever uses it
		reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
		if err != nil {
			return nil, fmt.Errorf("prepare the metrics for Prometheus: %w", err)
		}
		options = append(options, sdkmetric.WithReader(reader))
		m.scrape = promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, EnableOpenMetrics: true})
	}
	provider := sdkmetric.NewMeterProvider(options...)
	m.provider, m.shutdown = provider, provider.Shutdown
	return m, nil
}

// maxScrapes bounds how many scrapes run at once; the others get 503.
const maxScrapes = 4

// scraping serves the metrics to Prometheus on an address of their own, so that the clients' port does not show them.
type scraping struct {
	http   *http.Server
	served chan struct{}
}

// serveMetrics serves /metrics until stop.
func serveMetrics(ctx context.Context, addr string, scrape http.Handler, log *slog.Logger) (*scraping, error) {
	listener, err := listen(ctx, "--metrics-addr", addr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", scrape)
	s := &scraping{
		http: &http.Server{
			Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
		served: make(chan struct{}),
	}
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are not served any more", "error", err)
		}
	}()
	log.InfoContext(ctx, "metrics are served", "at", "http://"+listener.Addr().String()+"/metrics")
	return s, nil
}

// stop ends it. A scrape that is under way ends with it: there will be no other for its numbers to belong to.
func (s *scraping) stop() error {
	err := s.http.Close()
	<-s.served
	return err
}
