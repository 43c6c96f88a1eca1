package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/diagnostics/console"
	"github.com/roombus/roombus/ports"
)

// consolePath is where the console is.
const consolePath = "/console/"

// diagnosis is what the node remembers of itself, and answers to others; nothing at all when diagnostics are off.
type diagnosis struct {
	recorder *diagnostics.Recorder
	service  *diagnostics.Service
	console  *console.Console
	spans    bool
}

func newDiagnosis(s *settings) *diagnosis {
	if !s.diagnostics {
		return &diagnosis{}
	}
	return &diagnosis{
		recorder: diagnostics.NewRecorder(diagnostics.Config{TracesPerSecond: s.traceRecent, NoTraces: s.traceRecent == 0}),
		spans:    s.traceRecent != 0,
	}
}

// log is the given log, with what passes it counted.
func (d *diagnosis) log(inner ports.Log) ports.Log {
	if d.recorder == nil {
		return inner
	}
	return d.recorder.Log(inner)
}

// observer is the given observer, with what it is told remembered.
func (d *diagnosis) observer(next ports.Observer) ports.Observer {
	if d.recorder == nil {
		return next
	}
	return d.recorder.Observer(next)
}

// provider makes spans be remembered besides; base decides what is exported.
func (d *diagnosis) provider(base sdktrace.Sampler) []sdktrace.TracerProviderOption {
	return []sdktrace.TracerProviderOption{
		sdktrace.WithSampler(d.recorder.Sampler(base)), sdktrace.WithSpanProcessor(d.recorder),
	}
}

// attach makes the node answer. It must be called before the node runs.
func (d *diagnosis) attach(node *app.Node, io *socketio.Server, p *pulse) error {
	if d.recorder == nil {
		return nil
	}
	service, err := diagnostics.NewService(node, d.recorder, diagnostics.Sources{
		Version:   version(),
		Sockets:   func() int { return io.Stats().Sockets },
		RoomCount: func() int { return io.Stats().Rooms },
		Backlog: func() int {
			b := node.Backlog()
			return b.Questions + b.Requests + b.Changes + b.Handlers + b.Answers
		},
		Problem:  p.ready,
		Draining: p.closing.Load,
		Rooms:    io.RoomSizes,
	})
	if err != nil {
		return err
	}
	d.service = service
	return nil
}

// mount adds the console, if it was asked for.
func (d *diagnosis) mount(mux *http.ServeMux, s *settings) error {
	if s.consoleUser == "" {
		return nil
	}
	page, err := console.New(d.service, console.Config{User: s.consoleUser, Password: s.consolePassword})
	if err != nil {
		return fmt.Errorf("--console-user, --console-password: %w", err)
	}
	d.console = page
	mux.Handle("GET "+consolePath, http.StripPrefix(strings.TrimSuffix(consolePath, "/"), page))
	return nil
}

func (d *diagnosis) close() error {
	if d == nil {
		return nil
	}
	var errs []error
	if d.console != nil {
		errs = append(errs, d.console.Close())
	}
	if d.service != nil {
		errs = append(errs, d.service.Close())
	}
	return errors.Join(errs...)
}

// environmentSampler is the sampler that OTEL_TRACES_SAMPLER names, as OpenTelemetry says; the one that it says is the
// default for what is not set, or not known.
func environmentSampler(env func(string) string) sdktrace.Sampler {
	ratio := func() sdktrace.Sampler {
		share := 1.0
		if _, err := fmt.Sscan(env("OTEL_TRACES_SAMPLER_ARG"), &share); err != nil || share < 0 || share > 1 {
			share = 1
		}
		return sdktrace.TraceIDRatioBased(share)
	}
	switch env("OTEL_TRACES_SAMPLER") {
	case "always_on":
		return sdktrace.AlwaysSample()
	case "always_off":
		return sdktrace.NeverSample()
	case "traceidratio":
		return ratio()
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample())
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(ratio())
	default:
		return sdktrace.ParentBased(sdktrace.AlwaysSample())
	}
}
