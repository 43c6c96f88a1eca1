package diagnostics_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
	"github.com/roombus/roombus/ports"
	"github.com/roombus/roombus/tracing"
)

// counter is an edge that counts what it is handed.
type counter struct {
	crowd
	want int64
	got  atomic.Int64
	done chan struct{}
}

func (c *counter) Deliver(context.Context, *domain.Delivery) int {
	if c.got.Add(1) == c.want {
		close(c.done)
	}
	return 10
}

// BenchmarkOverRedis is broadcasts through a real Redis and back to the node that sends them, from many goroutines: what
// diagnostics cost of it as a whole. "plain" has neither tracing nor diagnostics, "tracing off" is what serve does without
// them, "default" what it does with them.
func BenchmarkOverRedis(b *testing.B) {
	for _, mode := range []struct {
		name   string
		on     bool
		config diagnostics.Config
	}{
		{"plain", false, diagnostics.Config{}},
		{"tracing off", false, diagnostics.Config{NoTraces: true}},
		{"no traces", true, diagnostics.Config{NoTraces: true}},
		{"default", true, diagnostics.Config{}},
		{"all traces", true, diagnostics.Config{TracesPerSecond: -1}},
	} {
		b.Run(mode.name, func(b *testing.B) { overRedis(b, mode.on, mode.config) })
	}
}

func overRedis(b *testing.B, on bool, config diagnostics.Config) {
	redis := realredis.Start(b)
	transport, err := redisstream.New(redis.Client(), redisstream.Config{MaxLength: 1_000_000})
	if err != nil {
		b.Fatal(err)
	}
	var (
		log      ports.Log = transport.Log()
		channel            = transport.Channel()
		observer ports.Observer
	)
	recorder := diagnostics.NewRecorder(config)
	if !on && config.NoTraces {
		tracer, err := tracing.New(tracing.Config{TracerProvider: noop.NewTracerProvider(), Node: "a"})
		if err != nil {
			b.Fatal(err)
		}
		log, channel, observer = tracer.Log(log), tracer.Channel(channel), tracer.Observer(nil)
	}
	if on {
		var provider trace.TracerProvider = noop.NewTracerProvider()
		if !config.NoTraces {
			provider = recorder.Provider()
		}
		tracer, err := tracing.New(tracing.Config{TracerProvider: provider, Node: "a"})
		if err != nil {
			b.Fatal(err)
		}
		log, channel, observer = tracer.Log(recorder.Log(log)), tracer.Channel(channel), tracer.Observer(recorder.Observer(nil))
	}
	node, err := app.NewNode(log, channel, nil, app.Config{Name: "a", Observer: observer})
	if err != nil {
		b.Fatal(err)
	}
	edge := &counter{want: int64(b.N), done: make(chan struct{})}
	if err := node.Attach(edge); err != nil {
		b.Fatal(err)
	}
	if on {
		service, err := diagnostics.NewService(node, recorder, diagnostics.Sources{})
		if err != nil {
			b.Fatal(err)
		}
		defer service.Close()
	}
	if err := node.Run(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer transport.Close()
	defer node.Close()
	p, err := domain.NewPacket([]byte(`["news","a text of a hundred bytes or so, as people write them to each other in a room when they talk"]`))
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(64)
	b.ReportAllocs()
	b.ResetTimer()
	before := diagnostics.CPUTime()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := node.Broadcast(b.Context(), "/", domain.Target{Rooms: []string{"kitchen"}}, p); err != nil {
				b.Error(err)
				return
			}
		}
	})
	<-edge.done
	b.ReportMetric(float64(diagnostics.CPUTime()-before)/float64(b.N), "cpu-ns/op")
}

// hollow is a log that does nothing.
type hollow struct{ silentLog }

func (*hollow) Append(context.Context, *domain.Message) (domain.Offset, error) { return "1-0", nil }

// BenchmarkDecorators is what a message costs in what surrounds the log and the observer: once appended, once read, once
// delivered. "tracing off" is without diagnostics, the others with them and a budget that is used up.
func BenchmarkDecorators(b *testing.B) {
	for _, mode := range []struct {
		name   string
		on     bool
		config diagnostics.Config
	}{
		{"tracing off", false, diagnostics.Config{}},
		{"no traces", true, diagnostics.Config{NoTraces: true}},
		{"default", true, diagnostics.Config{}},
		{"all traces", true, diagnostics.Config{TracesPerSecond: -1}},
	} {
		b.Run(mode.name, func(b *testing.B) {
			inner := new(hollow)
			var log ports.Log = inner
			var provider trace.TracerProvider = noop.NewTracerProvider()
			recorder := diagnostics.NewRecorder(mode.config)
			if mode.on {
				log = recorder.Log(inner)
				if !mode.config.NoTraces {
					provider = recorder.Provider()
				}
			}
			tracer, err := tracing.New(tracing.Config{TracerProvider: provider, Node: "a"})
			if err != nil {
				b.Fatal(err)
			}
			observer := tracer.Observer(nil)
			if mode.on {
				observer = tracer.Observer(recorder.Observer(nil))
			}
			deliveries, _ := ports.As[ports.DeliveryObserver](observer)
			log = tracer.Log(log)
			if _, err := log.Tail(b.Context(), "", delivering{deliveries}); err != nil {
				b.Fatal(err)
			}
			p, err := domain.NewPacket([]byte(`["news","a text"]`))
			if err != nil {
				b.Fatal(err)
			}
			m := &domain.Message{Node: "a", Namespace: "/", Body: &domain.Broadcast{Packet: p}}
			e := &domain.Entry{Stream: "socket.io", Offset: "1-0", Time: time.Now(), Message: *m}
			e.Message.Publisher = "0123456789abcdef"
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := log.Append(ctx, m); err != nil {
					b.Fatal(err)
				}
				inner.handler.HandleEntry(ctx, e)
			}
		})
	}
}

// delivering tells of a delivery for each entry, as a node does.
type delivering struct{ observer ports.DeliveryObserver }

func (d delivering) HandleEntry(ctx context.Context, e *domain.Entry) {
	if d.observer == nil {
		return // as a node does that has none
	}
	d.observer.ObserveDelivery(ctx, domain.Delivered{Namespace: e.Message.Namespace, Offset: e.Offset, Sockets: 10})
}

func (delivering) HandleNotice(context.Context, domain.Notice) {}
