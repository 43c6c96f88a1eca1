package batch_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/roombus/roombus/tracing/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exporter remembers the names of spans in the order in which they came.
type exporter struct {
	mu    sync.Mutex
	names []string
}

func (e *exporter) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range spans {
		e.names = append(e.names, s.Name())
	}
	return nil
}

func (e *exporter) Shutdown(context.Context) error { return nil }

func (e *exporter) expect(t *testing.T, n int) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.names) != n {
		t.Fatalf("%d spans were exported, want %d", len(e.names), n)
	}
	for i, name := range e.names {
		if name != strconv.Itoa(i) {
			t.Fatalf("span %s came as number %d", name, i)
		}
	}
}

// spans ends so many spans, named by their numbers.
func spans(p *sdktrace.TracerProvider, from, to int) {
	tracer := p.Tracer("test")
	for i := from; i < to; i++ {
		_, span := tracer.Start(context.Background(), strconv.Itoa(i))
		span.End()
	}
}

func TestAllSpansComeInOrder(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 65, 1_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var e exporter
				p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(batch.NewProcessor(&e, sdktrace.WithBatchTimeout(time.Second))))
				spans(p, 0, n)
				time.Sleep(2 * time.Second) // the bubble's: for a bunch that is not full, and the SDK's batch
				synctest.Wait()
				e.expect(t, n)
				spans(p, n, n+3)
				if err := p.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
				e.expect(t, n+3)
				spans(p, n+3, n+5)
				if err := p.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				e.expect(t, n+5)
				spans(p, n+5, n+100)
				synctest.Wait()
				e.expect(t, n+5)
			})
		})
	}
}

// A few spans do not wait for others: they are in the SDK's queue after a tenth of a second.
func TestFewSpansDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e exporter
		p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(batch.NewProcessor(&e, sdktrace.WithMaxExportBatchSize(1))))
		for i := range 5 {
			spans(p, i, i+1)
			time.Sleep(150 * time.Millisecond) // the bubble's
			synctest.Wait()
			e.expect(t, i+1)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// What is recorded but not sampled is for other processors alone.
func TestUnsampledSpansAreNotExported(t *testing.T) {
	var e exporter
	p := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(recordOnly{}), sdktrace.WithSpanProcessor(batch.NewProcessor(&e)))
	spans(p, 0, 100)
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.expect(t, 0)
}

type recordOnly struct{}

func (recordOnly) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return sdktrace.SamplingResult{Decision: sdktrace.RecordOnly}
}

func (recordOnly) Description() string { return "record only" }

// Spans that end at the same time on many goroutines, and while the processor is flushed, all come once.
func TestManyAtOnce(t *testing.T) {
	var e exporter
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(batch.NewProcessor(&e, sdktrace.WithMaxQueueSize(100_000))))
	var errs [4]error
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for range 20 {
				spans(p, 0, 50)
				errs[i] = errors.Join(errs[i], p.ForceFlush(t.Context()))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(append(errs[:], p.Shutdown(t.Context()))...); err != nil {
		t.Fatal(err)
	}
	if want := len(errs) * 20 * 50; len(e.names) != want {
		t.Errorf("%d spans were exported, want %d", len(e.names), want)
	}
}
