package di_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/app/di"
	"github.com/roombus/roombus/app/di/core"
	"github.com/roombus/roombus/internal/testkit/realredis"
	"github.com/roombus/roombus/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type injector func(ctx context.Context, config core.Config) (*core.Application, func(), error)

// check makes an application, lets it say something, and closes it.
func check(t *testing.T, inject injector, broker core.Broker) {
	t.Helper()
	a, cleanup, err := inject(t.Context(), core.Config{
		Broker:  broker,
		Node:    app.Config{Name: "north"},
		Tracing: tracing.Config{TracerProvider: noop.NewTracerProvider()},
	})
	if err != nil {
		t.Fatalf("make the application: %v", err)
	}
	defer cleanup() // after Close it has nothing to do
	if err := a.Node.Run(t.Context()); err != nil {
		t.Fatalf("run the node: %v", err)
	}
	if a.Node.Name() != "north" {
		t.Errorf("the node is called %q, want north", a.Node.Name())
	}
	if offset, err := a.Server.Emit(t.Context(), "hello"); err != nil || offset == "" {
		t.Errorf("emit: offset %q, error %v; want an offset", offset, err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// checkRefusal makes an application that cannot be; what was made before it is closed, or goleak tells.
func checkRefusal(t *testing.T, inject injector, broker core.Broker) {
	t.Helper()
	_, _, err := inject(t.Context(), core.Config{Broker: broker, Server: socketio.Config{Path: "no slashes"}})
	if err == nil || !strings.Contains(err.Error(), "no slashes") {
		t.Errorf("an impossible path ended with %v, want an error that shows it", err)
	}
}

func TestMemory(t *testing.T) {
	check(t, di.Memory, core.Broker{MaxLength: 10})
	checkRefusal(t, di.Memory, core.Broker{})
}

func TestRedis(t *testing.T) {
	server := realredis.Start(t)
	check(t, di.Redis, core.Broker{URL: server.URL(), Stream: "ours", MaxLength: 1000})
	if n, err := server.Client().XLen(t.Context(), "ours").Result(); err != nil || n == 0 {
		t.Errorf("the stream has %d entries (%v), want those of the node", n, err)
	}
	checkRefusal(t, di.Redis, core.Broker{URL: server.URL()})
	if _, _, err := di.Redis(t.Context(), core.Config{Broker: core.Broker{URL: "nothing"}}); err == nil {
		t.Error("a broker without a URL was taken")
	}
	if _, _, err := di.Redis(t.Context(), core.Config{Broker: core.Broker{URL: server.URL(), PubSub: "loud"}}); err == nil ||
		!strings.Contains(err.Error(), "loud") {
		t.Errorf("an unknown lane ended with %v, want an error that shows it", err)
	}
}

// TestRedisGetsAllOfTheBroker: a lane of its own, several streams, and what is to be warned of.
func TestRedisGetsAllOfTheBroker(t *testing.T) {
	server := realredis.Start(t, realredis.WithConfig("maxmemory 100mb", "maxmemory-policy allkeys-lru"))
	var warned []string
	check(t, di.Redis, core.Broker{
		URL: server.URL(), Streams: 2, PubSub: "plain", OnWarning: func(warning string) { warned = append(warned, warning) },
	})
	if len(warned) != 1 || !strings.Contains(warned[0], "allkeys-lru") {
		t.Errorf("warned of %q, want of the policy", warned)
	}
	if n, err := server.Client().Exists(t.Context(), "socket.io-0", "socket.io-1", "socket.io--1").Result(); err != nil || n == 0 {
		t.Errorf("%d of the streams are there (%v), want one", n, err)
	}
}

func TestTheSetOfMemoryBringsNoBroker(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/roombus/roombus/app/di/memory").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dependency := range strings.Lines(string(output)) {
		if strings.Contains(dependency, "redis") || strings.Contains(dependency, "atermill") {
			t.Errorf("app/di/memory depends on %s", strings.TrimSpace(dependency))
		}
	}
}
