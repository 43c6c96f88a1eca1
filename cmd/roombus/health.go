package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// silenceLimit is how long the log's reader may be silent: it says something at least every second while it can read.
const silenceLimit = 5 * time.Second

// pulse is a log that knows when its reader was last heard: an entry, or the word that there is none. It is what
// readiness is judged by.
type pulse struct {
	ports.Log
	begun   time.Time
	last    atomic.Int64 // since begun; 0 is never
	running atomic.Bool
	closing atomic.Bool
}

var _ ports.Decorator = (*pulse)(nil)

func newPulse(log ports.Log) *pulse { return &pulse{Log: log, begun: time.Now()} }

// Unwrap returns the log inside.
func (p *pulse) Unwrap() any { return p.Log }

// Tail listens to what the reader says.
func (p *pulse) Tail(ctx context.Context, after domain.Offset, h ports.LogHandler) (ports.Subscription, error) {
	return p.Log.Tail(ctx, after, &pulseReader{LogHandler: h, pulse: p})
}

func (p *pulse) beat() { p.last.Store(int64(time.Since(p.begun))) }

type pulseReader struct {
	ports.LogHandler
	pulse *pulse
}

// HandleEntry passes e on.
func (r *pulseReader) HandleEntry(ctx context.Context, e *domain.Entry) {
	r.pulse.beat()
	r.LogHandler.HandleEntry(ctx, e)
}

// HandleNotice passes n on.
func (r *pulseReader) HandleNotice(ctx context.Context, n domain.Notice) {
	if _, lost := n.(*domain.TransportLost); !lost {
		r.pulse.beat()
	}
	r.LogHandler.HandleNotice(ctx, n)
}

// ready says why the node cannot serve clients now; nil when it can.
func (p *pulse) ready() error {
	switch last := time.Duration(p.last.Load()); {
	case p.closing.Load():
		return errors.New("the node is stopping")
	case !p.running.Load():
		return errors.New("the node is starting")
	case last == 0:
		return errors.New("the node has not read its log yet")
	case time.Since(p.begun)-last > silenceLimit:
		return fmt.Errorf("the node has not been able to read its log for %s",
			(time.Since(p.begun) - last).Round(time.Second))
	default:
		return nil
	}
}

// health adds the health endpoints: /healthz is 200 while the process lives, /readyz while the node can serve clients.
func health(mux *http.ServeMux, p *pulse) {
	answer := func(w http.ResponseWriter, status int, sentence string) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = fmt.Fprintln(w, sentence) // who asked and is gone needs no answer
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := p.ready(); err != nil {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
}
