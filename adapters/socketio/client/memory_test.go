package client_test

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"

	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// BenchmarkIdleClients says what a client costs that is connected to one namespace and waits: in memory of this process,
// with a server in another. ROOMBUS_BENCH_CLIENTS is their number, 2,000 if it is not set.
//
//	go test -run '^$' -bench IdleClients -benchtime 1x ./adapters/socketio/client
func BenchmarkIdleClients(b *testing.B) {
	count := 2000
	if set := os.Getenv("ROOMBUS_BENCH_CLIENTS"); set != "" {
		var err error
		if count, err = strconv.Atoi(set); err != nil {
			b.Fatalf("ROOMBUS_BENCH_CLIENTS: %v", err)
		}
	}
	server := nodejs.StartServer(b, nodejs.ServerConfig{})
	for b.Loop() {
		before := memory()
		clients := idle(b, server.URL(), count)
		after := memory()
		b.ReportMetric(float64(after.heap-before.heap)/float64(count), "heap-B/client")
		b.ReportMetric(float64(after.stack-before.stack)/float64(count), "stack-B/client")
		var closing sync.WaitGroup
		for _, c := range clients {
			closing.Go(c.Close)
		}
		closing.Wait()
	}
}

// idle connects so many clients, fifty at a time.
func idle(b *testing.B, url string, count int) []*client.Client {
	b.Helper()
	clients := make([]*client.Client, count)
	var connecting sync.WaitGroup
	for part := range 50 {
		connecting.Go(func() {
			for i := part; i < count; i += 50 {
				c, err := client.New(url, client.Config{Reconnection: client.Reconnection{Off: true}})
				if err != nil {
					b.Error(err)
					return
				}
				clients[i] = c
				s := c.Of("/")
				client.On(s, "news", func(context.Context, string) error { return nil })
				if err := s.Connect(b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	connecting.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return clients
}

type usage struct{ heap, stack int64 }

// memory is what this process uses after everything that is free was given back.
func memory() usage {
	for range 5 { // stacks shrink by half a collection
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{heap: int64(m.HeapInuse), stack: int64(m.StackInuse)}
}
