package engineio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server is an http.Handler that speaks Engine.IO. Mount it where clients look
// for it; it does not look at the path. Create it with NewServer.
//
// The http.Server in front of it should have a ReadHeaderTimeout. Its
// ReadTimeout and WriteTimeout may be set or not: polls that wait longer than
// either are answered all the same, and WebSockets are not subject to them.
type Server struct {
	handler Handler
	config  Config

	mu        sync.RWMutex
	conns     map[string]*Conn
	accepting bool
	closed    bool
	// empty is closed when the last connection is forgotten; nil while nobody
	// waits for that.
	empty chan struct{}

	// closing ends the waiting for clients that may never come again.
	closing chan struct{}
	// elsewhere ends what Config.Elsewhere waits for.
	elsewhere    context.Context //nolint:containedctx // the server's lifetime, no caller's
	endElsewhere context.CancelFunc
	// running counts requests, connections, readers and writers. It is added
	// to only under mu before Close, or by someone who is counted already, so
	// that Close's Wait misses nobody.
	running  sync.WaitGroup
	open     atomic.Int64
	counters counters
	// traffic is nil while nobody wants messages counted.
	traffic atomic.Pointer[traffic]
	flusher flusher
}

// NewServer returns a server that tells h of its connections. The error names
// the first setting in cfg that cannot work.
func NewServer(h Handler, cfg Config) (*Server, error) {
	if h == nil {
		return nil, errors.New("engineio: NewServer needs a Handler")
	}
	if err := cfg.withDefaults(); err != nil {
		return nil, err
	}
	s := &Server{
		handler: h, config: cfg,
		conns: make(map[string]*Conn), accepting: true,
		closing: make(chan struct{}),
	}
	s.flusher.server = s
	s.elsewhere, s.endElsewhere = context.WithCancel(context.Background())
	return s, nil
}

// Len returns the number of open connections.
func (s *Server) Len() int { return int(s.open.Load()) }

// StopAccepting refuses new connections with status 503 from now on. Those that
// are open stay. It is the first step of a drain; the connections are closed by
// whoever knows in which order.
func (s *Server) StopAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepting = false
}

// Empty returns when no connection is left: none is open, and those that were
// closed have sent what they had, or have run out of CloseTimeout. The error is
// ctx's. After StopAccepting it stays so.
func (s *Server) Empty(ctx context.Context) error {
	s.mu.Lock()
	if len(s.conns) == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close closes all connections with ReasonServerShuttingDown, refuses all
// requests with status 503 from now on, and returns when all goroutines of the
// server have ended: after CloseTimeout at the latest, or when the last
// Receiver has returned. What is queued on WebSockets, and on polling
// connections whose client waits, is sent first. It may be called again, and
// then waits likewise. The error is always nil.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed, s.accepting = true, false
	conns := make([]*Conn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	if first {
		for _, c := range conns {
			c.Close(ReasonServerShuttingDown)
		}
		close(s.closing)
		s.endElsewhere()
	}
	s.running.Wait()
	return nil
}

// enter counts a request as running; false means that the server is closed.
func (s *Server) enter() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// register makes a connection with an id of its own and counts it as running
// and open. The error says why there can be none now. The caller is counted as
// running.
func (s *Server) register(r *http.Request) (*Conn, error) {
	ctx := context.Background()
	if s.config.ConnContext != nil {
		ctx = context.WithoutCancel(s.config.ConnContext(r))
	}
	c := &Conn{id: newID() + s.config.IDSuffix, server: s, handshake: packHandshake(r, time.Now()), ctx: ctx, done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.accepting:
		return nil, errClosed
	case s.config.MaxConnections > 0 && len(s.conns) >= s.config.MaxConnections:
		return nil, errFull
	}
	s.conns[c.id] = c
	s.running.Add(1)
	s.open.Add(1)
	return c, nil
}

// remove forgets a connection that has ended.
func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	delete(s.conns, c.id)
	if s.empty != nil && len(s.conns) == 0 {
		close(s.empty)
		s.empty = nil
	}
	s.mu.Unlock()
	s.running.Done()
}

// lookup returns the connection with the id, or nil.
func (s *Server) lookup(id string) *Conn {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.conns[id]
}

// idAlphabet is what ids are made of.
const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// newID returns 20 characters of URL-safe base64 from 15 random bytes, as
// engine.io's ids are.
func newID() string {
	var b [15]byte
	rand.Read(b[:]) // never fails, says crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}
