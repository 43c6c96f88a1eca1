package redisstream

import (
	"context"
	"sync"
	"testing"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// counter counts entries, and says when all have come.
type counter struct {
	left int
	done chan struct{}
}

func (c *counter) HandleEntry(context.Context, *domain.Entry) {
	c.left--
	if c.left == 0 {
		close(c.done)
	}
}

func (c *counter) HandleNotice(context.Context, domain.Notice) {}

// BenchmarkBroadcasts publishes small broadcasts from many goroutines and reads them in the same process.
func BenchmarkBroadcasts(b *testing.B) {
	server := realredis.Start(b, realredis.WithoutPersistence())
	transport, err := Connect(b.Context(), server.URL(), Config{MaxLength: 1_000_000, ReadCount: 1000})
	if err != nil {
		b.Fatal(err)
	}
	defer transport.Close()
	c := &counter{left: b.N, done: make(chan struct{})}
	tail, err := transport.Log().Tail(b.Context(), "", c)
	if err != nil {
		b.Fatal(err)
	}
	defer tail.Close()
	m := broadcast(b, "an event of about a hundred bytes, as they are in a chat: somebody says something to a room")
	const inFlight = 500
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range inFlight {
		wg.Go(func() {
			for i := w; i < b.N; i += inFlight {
				if _, err := transport.Log().Append(b.Context(), m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	<-c.done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
