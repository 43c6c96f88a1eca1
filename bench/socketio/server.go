package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"strings"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/admin"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/bench/lab"
	"github.com/roombus/roombus/tracing"
	"github.com/roombus/roombus/tracing/batch"
)

// What is broadcast, as it stands in a WebSocket message: 115 bytes, with a header 117. stampAt is where the time of the
// emit stands, in µs since 1970.
const (
	eventHead   = `42["message",{"at":`
	stampAt     = len(eventHead)
	stampLength = 16
	eventTail   = `,"room":"lobby","body":"`
	eventLength = 115
	bodyLength  = eventLength - stampAt - stampLength - len(eventTail) - len(`"}]`)
)

// room is what each client is joined to.
const room = "lobby"

// event is what is broadcast.
type event struct {
	At   int64  `json:"at"`
	Room string `json:"room"`
	Body string `json:"body"`
}

// serve is the process of this repository's server: its first line is its address; then it answers "memory" by resident kB,
// "begin" at once, "broadcast n p" when n events are handed over, with pauses of p ms, and "cost" by the µs of CPU and of
// time since begin. The node is alone, on the transport in memory, as the one of Node.js is.
func serve(ctx context.Context, profile, with string) error {
	tracer, err := newTracer(with)
	if err != nil {
		return err
	}
	transport := inmemory.New(inmemory.Config{}).Member()
	node, err := app.NewNode(tracer.Log(transport.Log()), tracer.Channel(transport.Channel()), nil, app.Config{Observer: tracer.Observer(nil)})
	if err != nil {
		return err
	}
	io, err := socketio.NewServer(node, socketio.Config{
		Engine: engineio.Config{PingInterval: 10 * time.Minute}, Interceptor: tracer.Interceptor(),
	})
	if err != nil {
		return err
	}
	socketio.OnAck(io, "echo", func(_ context.Context, _ *socketio.Socket, text string) (string, error) { return text, nil })
	io.OnConnect(func(ctx context.Context, s *socketio.Socket) error {
		if err := s.Join(ctx, room); !errors.Is(err, socketio.ErrNotConnected) {
			return err
		}
		return nil // it was a handshake, and nothing more
	})
	socketio.OnAck(io, "sit", func(ctx context.Context, s *socketio.Socket, room string) (string, error) {
		return room, s.Join(ctx, room)
	})
	socketio.OnAck(io, "say", func(ctx context.Context, s *socketio.Socket, m said) (string, error) {
		_, err := s.To(m.Room).Emit(ctx, "said", m.Text)
		return "ok", err
	})
	if with == "admin" {
		if _, err := admin.New(io, admin.Config{NoAuth: true}); err != nil {
			return err
		}
	}
	if err := node.Run(ctx); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: io, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with the process
	a := answers{io: io, profile: profile}
	return lab.Obey(listener.Addr().String(), a.answer)
}

// said is a client's message to a room.
type said struct {
	Room string `json:"room"`
	Text string `json:"text"`
}

// newTracer makes a tracer that records 1 % of the traces, exported to nobody, or one that is off.
func newTracer(with string) (*tracing.Tracer, error) {
	if with != "tracing" {
		return tracing.New(tracing.Config{TracerProvider: noop.NewTracerProvider()})
	}
	return tracing.New(tracing.Config{
		Node: "bench", Share: 0.01,
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(batch.NewProcessor(nowhere{}))),
	})
}

// nowhere is an exporter that throws spans away.
type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }

func (nowhere) Shutdown(context.Context) error { return nil }

type answers struct {
	io      *socketio.Server
	profile string
	cpu     time.Duration
	began   time.Time
}

func (a *answers) answer(question string) (string, error) {
	var n, pause int
	switch {
	case question == "memory":
		rss, err := lab.Resident()
		return fmt.Sprint(rss), err
	case question == "begin":
		if a.profile != "" {
			file, err := os.Create(a.profile) // it is closed with the process
			if err != nil {
				return "", err
			}
			if err := pprof.StartCPUProfile(file); err != nil {
				return "", err
			}
		}
		a.cpu, a.began = lab.ProcessorTime(), time.Now()
		return "ok", nil
	case lab.Matches(question, "broadcast %d %d", &n, &pause):
		return "ok", broadcast(a.io, n, time.Duration(pause)*time.Millisecond)
	case question == "cost":
		cpu, wall := lab.ProcessorTime()-a.cpu, time.Since(a.began)
		if a.profile != "" {
			pprof.StopCPUProfile()
		}
		return fmt.Sprint(cpu.Microseconds(), wall.Microseconds()), nil
	default:
		return "", fmt.Errorf("unknown question %q", question)
	}
}

func broadcast(io *socketio.Server, n int, pause time.Duration) error {
	body := strings.Repeat("x", bodyLength)
	for range n {
		e := event{At: time.Now().UnixMicro(), Room: room, Body: body}
		if _, err := io.To(room).Emit(context.Background(), "message", e); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return nil
}
