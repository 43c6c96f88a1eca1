package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
)

// Client is a client of one server: one connection for any number of namespaces, each of which has a [Socket]. It is
// connected while a socket wants to be.
type Client struct {
	server   string
	endpoint string
	config   Config
	auth     domain.Value // what Config.Auth is
	// ctx is that of the handlers and of the attempts to connect. It ends with Close.
	ctx    context.Context //nolint:containedctx // it is the client's own life, which no call encloses
	cancel context.CancelFunc
	// running counts the goroutines that connect, read, and call handlers.
	running sync.WaitGroup

	mu      sync.Mutex
	sockets []*Socket // one for each namespace, in the order in which they were asked for
	effort  *effort   // nil when no socket wants to be connected
	// maxPayload is the largest message that the server takes; 0 as long as it is not known.
	maxPayload int
}

// effort is what is done to be connected, from the first socket that wants it to the last that no longer does. Client.mu
// guards it.
type effort struct {
	ctx    context.Context //nolint:containedctx // it ends the effort's goroutine, whatever that waits for
	cancel context.CancelFunc
	link   *link // nil while there is no connection
	// attempts is how often it was tried again since a socket was connected.
	attempts int
}

// New makes a client, which does nothing until a socket connects. The server is a URL with the scheme http, https, ws or
// wss, a host, and maybe a query. The error names the first setting that cannot work.
func New(server string, config Config) (*Client, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{server: server, config: config}
	if c.endpoint, err = endpoint(server, config); err != nil {
		return nil, err
	}
	if c.auth, err = authPayload(config.Auth); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// Of returns the client's socket in a namespace, always the same. It does not connect it. A leading slash may be missing.
func (c *Client) Of(namespace string) *Socket {
	if !strings.HasPrefix(namespace, "/") {
		namespace = "/" + namespace
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.find(namespace)
	if s == nil {
		s = &Socket{client: c, namespace: namespace}
		c.sockets = append(c.sockets, s)
	}
	return s
}

// find returns the socket of a namespace, nil for none. mu is held.
func (c *Client) find(namespace string) *Socket {
	for _, s := range c.sockets {
		if s.namespace == namespace {
			return s
		}
	}
	return nil
}

// Close disconnects all sockets, sends what was emitted before, within Config.CloseTimeout, and returns when the
// connection is closed and every handler has returned. The context of handlers ends at once; events that still wait for
// their handlers are dropped. It must not be called from a handler, for which it would wait; Socket.Disconnect may be. A
// second call waits as well.
func (c *Client) Close() {
	c.mu.Lock()
	c.cancel()
	for _, s := range c.sockets {
		s.leave(ErrClosed)
		s.discard()
	}
	c.mu.Unlock()
	c.running.Wait()
}

// closed reports whether Close was called. mu is held, and Close holds it, so that it stays true what this says.
func (c *Client) closed() bool { return c.ctx.Err() != nil }

// start sees to it that somebody connects. mu is held.
func (c *Client) start() {
	if c.effort != nil {
		return
	}
	e := &effort{}
	e.ctx, e.cancel = context.WithCancel(context.Background()) // Close ends it by rest
	c.effort = e
	c.running.Go(func() { c.keep(e) })
}

// rest ends the effort when no socket wants to be connected any more. mu is held.
func (c *Client) rest() {
	e := c.effort
	if e == nil || len(c.wanted()) > 0 {
		return
	}
	c.effort = nil
	e.cancel()
	if e.link != nil {
		e.link.leave()
	}
}

// wanted are the sockets that want to be connected. mu is held.
func (c *Client) wanted() []*Socket {
	var wanted []*Socket
	for _, s := range c.sockets {
		if s.wanted {
			wanted = append(wanted, s)
		}
	}
	return wanted
}

// keep connects, and connects again, until the effort ends.
func (c *Client) keep(e *effort) {
	defer e.cancel()
	for {
		l, err := c.open(e)
		if err != nil {
			c.unreachable(e, err)
		} else {
			reason, err := l.read(func(p parser.Packet) { c.receive(e, l, p) })
			l.end(reason == ReasonTransportClose)
			c.lost(e, reason, err)
		}
		if !c.pause(e) {
			return
		}
	}
}

// open makes a connection and asks for the namespaces of the sockets that want to be connected.
func (c *Client) open(e *effort) (*link, error) {
	if err := c.authenticate(e); err != nil {
		return nil, err
	}
	l, err := c.dial(e.ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.maxPayload, e.link = l.maxPayload, l
	if c.effort != e {
		l.leave()
		return l, nil
	}
	for _, s := range c.wanted() {
		s.join(l)
	}
	return l, nil
}

// authenticate asks what each socket is to send when it connects; one that has been connected by Connect right now knows
// already.
func (c *Client) authenticate(e *effort) error {
	c.mu.Lock()
	wanted := c.wanted()
	c.mu.Unlock()
	for _, s := range wanted {
		c.mu.Lock()
		known := s.authKnown
		c.mu.Unlock()
		if known {
			continue
		}
		ctx, cancel := context.WithTimeout(e.ctx, c.config.ConnectTimeout)
		auth, err := c.authFor(ctx, s.namespace)
		cancel()
		if err != nil {
			return err
		}
		c.mu.Lock()
		s.auth, s.authKnown = auth, true
		c.mu.Unlock()
	}
	return nil
}

// authFor is what is sent to a namespace.
func (c *Client) authFor(ctx context.Context, namespace string) (v domain.Value, err error) {
	if c.config.AuthFunc == nil {
		return c.auth, nil
	}
	err = handlers.Guarded(func() error {
		auth, err := c.config.AuthFunc(ctx, namespace)
		if err != nil {
			return fmt.Errorf("auth for %s: %w", namespace, err)
		}
		v, err = authPayload(auth)
		return err
	})
	return v, err
}

// receive takes a packet of the server, and waits while too much waits for the handlers of its socket.
func (c *Client) receive(e *effort, l *link, p parser.Packet) {
	c.mu.Lock()
	s := c.find(p.Namespace)
	if s == nil || c.effort != e {
		c.mu.Unlock()
		return
	}
	s.receive(e, p)
	c.mu.Unlock()
	if s.jobs.WaitForRoom(handlers.Bounds{Jobs: c.config.HandlerQueue, Bytes: c.config.HandlerQueueBytes}, e.ctx.Done()) {
		// That no ping was read meanwhile is not the server's fault.
		l.extend()
	}
}

// unreachable tells the sockets that an attempt has failed.
func (c *Client) unreachable(e *effort, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.effort != e {
		return
	}
	for _, s := range c.wanted() {
		s.authKnown = false
		s.failed(err)
	}
}

// lost tells the sockets that the connection has ended.
func (c *Client) lost(e *effort, reason Reason, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.link = nil
	if c.effort != e {
		return
	}
	for _, s := range c.wanted() {
		if s.connected {
			s.down(reason, err)
			continue
		}
		if err == nil {
			err = fmt.Errorf("the connection has ended (%s) before the server answered", reason)
		}
		s.joining, s.early, s.earlyBytes = nil, nil, 0
		s.failed(err)
	}
}

// pause waits before the next attempt. False says that there will be none.
func (c *Client) pause(e *effort) bool {
	delay, again := c.again(e)
	if !again {
		return false
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.ctx.Done():
		return false
	}
}

// again decides whether there is another attempt, and when.
func (c *Client) again(e *effort) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.effort != e {
		return 0, false
	}
	r := c.config.Reconnection
	if r.Off || (r.Attempts > 0 && e.attempts >= r.Attempts) {
		for _, s := range c.wanted() {
			s.abandon(r)
		}
		c.effort = nil
		return 0, false
	}
	delay := r.pause(e.attempts, rand.Float64())
	e.attempts++
	return delay, true
}
