package metrics

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/roombus/roombus/domain"
)

// Config is what meters can be told. The zero Config works.
type Config struct {
	// MeterProvider makes the instruments; default: OpenTelemetry's global one, which measures nothing until the
	// application sets another.
	MeterProvider metric.MeterProvider
	// System is the label messaging.system; default: "roombus".
	System string
	// Namespaces tells the nodes of the cluster apart by namespace. Leave it where clients can make namespaces up: each
	// would be a time series. Default: off.
	Namespaces bool
}

// scope names the instrumentation.
const scope = "github.com/roombus/roombus/metrics"

// Meters measures one node. Its methods may be called from many goroutines.
type Meters struct {
	config Config
	log    logReading
	counts counts
	source atomic.Pointer[func(*Numbers)]

	sending  metric.Float64Histogram
	delivery metric.Float64Histogram
	// how a publish ended, by lane and word, as the label sets of sending
	outcomes map[lane]map[string][]metric.RecordOption

	observables  map[string]metric.Observable
	registration metric.Registration
}

// New makes the instruments.
func New(config Config) (*Meters, error) {
	if config.MeterProvider == nil {
		config.MeterProvider = otel.GetMeterProvider()
	}
	config.System = cmp.Or(config.System, "roombus")
	m := &Meters{
		config:      config,
		outcomes:    make(map[lane]map[string][]metric.RecordOption),
		observables: make(map[string]metric.Observable),
	}
	meter := config.MeterProvider.Meter(scope)
	var all []metric.Observable
	for i := range instruments {
		o, err := m.declare(meter, &instruments[i])
		if err != nil {
			return nil, fmt.Errorf("make the metric %s: %w", instruments[i].name, err)
		}
		if o != nil {
			m.observables[instruments[i].name] = o
			all = append(all, o)
		}
	}
	for l := range lanes {
		m.outcomes[l] = make(map[string][]metric.RecordOption)
		for _, word := range append([]string{""}, outcomeWords()...) {
			set := attribute.NewSet(m.operation("send", l, word)...)
			m.outcomes[l][word] = []metric.RecordOption{metric.WithAttributeSet(set)}
		}
	}
	var err error
	m.registration, err = meter.RegisterCallback(m.collect, all...)
	if err != nil {
		return nil, fmt.Errorf("register the metrics: %w", err)
	}
	return m, nil
}

// seconds are the bounds of the histograms: from half a millisecond to the default deadline of a publish, and beyond.
func seconds() []float64 {
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
}

// declare makes an instrument; a histogram is kept in its field, all others are observed.
func (m *Meters) declare(meter metric.Meter, i *instrument) (o metric.Observable, err error) {
	unit, about := metric.WithUnit(i.unit), metric.WithDescription(i.about)
	switch {
	case i.kind == histogram:
		var h metric.Float64Histogram
		h, err = meter.Float64Histogram(i.name, unit, about, metric.WithExplicitBucketBoundaries(seconds()...))
		if i.name == sendDuration {
			m.sending = h
		} else {
			m.delivery = h
		}
		return nil, err
	case i.kind == counter:
		return meter.Int64ObservableCounter(i.name, unit, about)
	case i.unit == "s":
		return meter.Float64ObservableGauge(i.name, unit, about)
	default:
		return meter.Int64ObservableUpDownCounter(i.name, unit, about)
	}
}

// Read has the numbers of a node and its server measured as well: source is called when the metrics are collected, and
// fills them in. It must not block for long, and must not ask other nodes. A later call replaces the source, nil removes
// it.
func (m *Meters) Read(source func(*Numbers)) {
	if source == nil {
		m.source.Store(nil)
		return
	}
	m.source.Store(&source)
}

// Close ends the measuring: the observed metrics are gone, and the histograms get nothing more from what was decorated
// only when that has ended. Calling it again does nothing.
func (m *Meters) Close() error {
	if err := m.registration.Unregister(); err != nil {
		return fmt.Errorf("unregister the metrics: %w", err)
	}
	return nil
}

// operation are the labels of what is done to messages on a lane.
func (m *Meters) operation(name string, l lane, failure string) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attribute.String(systemLabel, m.config.System),
		attribute.String(operationLabel, name),
		attribute.String(laneLabel, l.String()),
	}
	if failure != "" {
		all = append(all, attribute.String(errorLabel, failure))
	}
	return all
}

// outcomeWords are what a failed publish is called, in the order of failures.
func outcomeWords() []string {
	words := make([]string, len(failures))
	for i := range failures {
		words[i] = failures[i].word
	}
	return words
}

// failures are the ways in which a publish can fail; the last one is any.
var failures = [...]struct {
	err  error
	word string
}{
	{domain.ErrNotPublished, "not_published"},
	{domain.ErrUnknown, "unknown_outcome"},
	{domain.ErrClosed, "closed"},
	{context.DeadlineExceeded, "timeout"},
	{context.Canceled, "canceled"},
	{nil, "_OTHER"},
}

// failureOf is the index in failures of an error.
func failureOf(err error) int {
	for i := range failures {
		if failures[i].err == nil || errors.Is(err, failures[i].err) {
			return i
		}
	}
	return len(failures) - 1
}
