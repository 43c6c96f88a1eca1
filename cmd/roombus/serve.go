package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/admin"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/app"
	numbers "github.com/roombus/roombus/app/di/measure"
	"github.com/roombus/roombus/metrics"
)

// startTimeout bounds how long joining the cluster may take.
const startTimeout = 15 * time.Second

// requestGrace is how long requests other than those of Socket.IO clients may still take when the server stops.
const requestGrace = time.Second

// serveCommand runs a server until it is told to stop by SIGTERM or SIGINT; a second signal ends the process at once.
func serveCommand(args []string, env func(string) (string, bool), stdout, stderr io.Writer) error {
	var s settings
	if err := s.parse(args, env); errors.Is(err, errHelp) {
		return writeHelp(stdout)
	} else if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	veil := newVeil(s.redis, append(s.forwardSecrets(), s.admin.password, s.consolePassword)...)
	return veil.error(serve(ctx, stop, &s, s.logger(veil.writer(stderr))))
}

func (s *settings) logger(to io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.logLevel}
	if s.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}

// server is a running server with all that it has opened.
type server struct {
	log       *slog.Logger
	http      *http.Server
	serving   sync.WaitGroup
	served    chan error // what http.Server.Serve returned
	io        *socketio.Server
	node      *app.Node
	pulse     *pulse
	transport *transport
	admin     *admin.Admin // nil without
	traces    func(context.Context) error
	diagnosis *diagnosis
	measuring *measuring
	meters    *metrics.Meters
	scraping  *scraping
}

// serve runs a server until ctx ends. release is called then, so that the next signal ends the process.
func serve(ctx context.Context, release func(), s *settings, log *slog.Logger) error {
	started := time.Now()
	run, err := start(ctx, s, log)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("stopped by a signal before it had started")
		}
		return err
	}
	var failed error
	select {
	case <-ctx.Done():
		log.InfoContext(ctx, "stopping", "after", time.Since(started).Round(time.Second), "at_most", s.shutdownTimeout)
	case err := <-run.served:
		failed = fmt.Errorf("serve HTTP: %w", err)
	}
	release()
	if err := within(s.shutdownTimeout, run.stop); err != nil {
		return errors.Join(failed, err)
	}
	log.Info("stopped")
	return failed
}

// start opens everything and returns when the node is in the cluster and clients are served. The port comes first: it
// fails without a trace in the cluster.
func start(ctx context.Context, s *settings, log *slog.Logger) (*server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	listener, err := listen(ctx, "--addr", s.addr)
	if err != nil {
		return nil, err
	}
	s.advertise = advertised(s.advertise, listener.Addr())
	run := &server{log: log, served: make(chan error, 1)}
	if err := run.join(ctx, s); err != nil {
		return nil, errors.Join(err, listener.Close(), within(s.shutdownTimeout, run.stop))
	}
	run.serving.Go(func() { run.served <- run.http.Serve(listener) })
	log.InfoContext(ctx, "roombus serves: open "+pageURL(listener.Addr()), "url", pageURL(listener.Addr()),
		"node", run.node.Name(), "id", run.node.ID(), "transport", run.transport.name)
	if run.diagnosis.console != nil {
		log.InfoContext(ctx, "the console is at "+pageURL(listener.Addr())+consolePath)
	}
	s.admin.tell(ctx, log, pageURL(listener.Addr()))
	return run, nil
}

// join opens the transport, makes the node with its server, and joins the cluster.
func (run *server) join(ctx context.Context, s *settings) error {
	observer := &report{log: run.log}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		observer.braked(context.Background(), "traces or metrics could not be exported", "error", err)
	}))
	run.diagnosis = newDiagnosis(s)
	provider, shutdown, err := traces(ctx, run.diagnosis)
	if err != nil {
		return err
	}
	run.traces = shutdown
	tracer, err := newTracer(provider, s)
	if err != nil {
		return err
	}
	if err := run.measure(ctx, s); err != nil {
		return err
	}
	if run.transport, err = openTransport(ctx, s, run.log); err != nil {
		return err
	}
	run.pulse = newPulse(run.transport.log)
	log, channel := tracer.Log(run.meters.Log(run.diagnosis.log(run.pulse))), tracer.Channel(run.meters.Channel(run.transport.channel))
	run.node, err = app.NewNode(log, channel, run.transport.sessions, app.Config{
		Name:              s.name,
		Version:           version(),
		Address:           s.advertise,
		HeartbeatInterval: s.heartbeat,
		HeartbeatTimeout:  s.heartbeatLimit,
		Recovery:          app.Recovery{Window: s.recovery},
		Observer:          tracer.Observer(run.diagnosis.observer(run.meters.Observer(observer))),
	})
	if err != nil {
		return err
	}
	run.io, err = socketio.NewServer(run.node, socketio.Config{
		Path: s.path, OnError: observer.failed, Forward: s.forward(), Engine: engineio.Config{CORS: s.cors()},
		Interceptor: tracer.Interceptor(),
	})
	if err != nil {
		return err
	}
	if err := run.diagnosis.attach(run.node, run.io, run.pulse); err != nil {
		return err
	}
	run.meters.Read(numbers.Of(run.node, run.io))
	(&demo{io: run.io, node: run.node, report: observer}).register()
	if run.admin, err = s.admin.serve(run.io, s.name, run.transport.logins, observer); err != nil {
		return err
	}
	handler, err := run.handler(s)
	if err != nil {
		return err
	}
	run.http = &http.Server{
		Handler: handler,
		// A request's body and answer may take as long as a long-polling client needs.
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(run.log.Handler(), slog.LevelDebug), // what clients do to connections
	}
	if err := run.node.Run(ctx); err != nil {
		return fmt.Errorf("join the cluster: %w", err)
	}
	run.pulse.running.Store(true)
	return nil
}

// cors allows the origins of the settings; nil for none.
func (s *settings) cors() *engineio.CORS {
	if len(s.corsOrigins) == 0 {
		return nil
	}
	// The Admin UI asks with credentials, which browsers refuse where all origins may.
	return &engineio.CORS{Origins: s.corsOrigins, Credentials: s.admin.on() && !slices.Contains(s.corsOrigins, "*")}
}

// handler routes clients, the page and the health endpoints.
func (run *server) handler(s *settings) (http.Handler, error) {
	index, assets, err := page(s.path)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(s.path, run.io)
	mux.Handle(strings.TrimSuffix(s.path, "/"), run.io)
	mux.Handle("GET /{$}", index)
	mux.Handle("GET /assets/", assets)
	health(mux, run.pulse)
	if err := run.diagnosis.mount(mux, s); err != nil {
		return nil, err
	}
	return mux, s.admin.files(mux)
}

// stop closes what was opened, in the order that loses least: the clients are sent elsewhere, then the node leaves the
// cluster, then the transport is closed, and the traces of all that come last.
func (run *server) stop(ctx context.Context) error {
	if run.pulse != nil {
		run.pulse.closing.Store(true)
	}
	drain, cancel := drainTime(ctx)
	defer cancel()
	if run.admin != nil {
		_ = run.admin.Close() // is always nil
	}
	errs := []error{run.diagnosis.close(), run.stopClients(drain)}
	if run.node != nil {
		if err := run.leave(drain, run.node); err != nil {
			errs = append(errs, fmt.Errorf("leave the cluster: %w", err))
		}
	}
	if run.transport != nil {
		errs = append(errs, run.transport.close())
	}
	errs = append(errs, run.stopMeasuring(ctx))
	if run.traces != nil {
		if err := run.traces(ctx); err != nil {
			errs = append(errs, fmt.Errorf("export the last traces: %w", err))
		}
	}
	return errors.Join(errs...)
}

// leave ends a server or node softly, if it ever was in the cluster; else there is nobody to send elsewhere or to tell.
func (run *server) leave(ctx context.Context, of interface {
	Drain(ctx context.Context) error
	Close() error
},
) error {
	if run.pulse.running.Load() {
		return of.Drain(ctx)
	}
	return of.Close()
}

// drainTime is the part of a stop in which clients and handlers are waited for. The rest is for what must be done in any
// case: the goodbye, and closing.
func drainTime(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)*3/4)
}

// stopClients sends the clients elsewhere, and then closes the listener: until then new ones are told to go elsewhere,
// and those over long-polling can fetch what is left for them.
func (run *server) stopClients(ctx context.Context) error {
	var errs []error
	if run.io != nil {
		if err := run.leave(ctx, run.io); err != nil {
			errs = append(errs, fmt.Errorf("send the clients elsewhere: %w", err))
		}
	}
	run.sayForwarded()
	if run.http != nil {
		// What is left are pages that are being loaded, and connections that have not asked for anything yet, for which
		// Shutdown would wait five seconds.
		requests, cancel := context.WithTimeout(ctx, requestGrace)
		defer cancel()
		if err := run.http.Shutdown(requests); err != nil {
			_ = run.http.Close() // it only says again what is wrong
		}
	}
	run.serving.Wait()
	return errors.Join(errs...)
}

// within calls f and waits for it no longer than the limit. When it takes longer the process is about to end with it.
func within(limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("the orderly stop took longer than %s (--shutdown-timeout) and was given up", limit)
	}
}

// listen listens on the address of a flag, or says in a sentence why it cannot.
func listen(ctx context.Context, flag, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: another process has this port; choose another one with %s", addr, flag)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen on %s: this port needs more rights; choose one above 1023 with %s", addr, flag)
	case !strings.Contains(addr, ":"):
		return nil, &usageError{fmt.Sprintf("serve: %s is %q; it must be a host and a port, or a port alone, such as :3000", flag, addr)}
	default:
		return nil, fmt.Errorf("%s %q: %w", flag, addr, err)
	}
}

// pageURL is the page's address in a browser on this machine.
func pageURL(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "http://" + addr.String()
	}
	host := "localhost"
	if !tcp.IP.IsUnspecified() {
		host = tcp.IP.String()
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}
