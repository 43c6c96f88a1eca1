// Package faultproxy is a TCP proxy that breaks connections on purpose, for tests.
//
//	proxy := faultproxy.Start(t, server.Addr())
//	client := dial(proxy.Addr())
//	held := proxy.Hold(faultproxy.Answers)
//	go client.Write()   // reaches the server
//	<-held              // the server has answered
//	proxy.Cut()         // and the answer is lost
//
// Everything is forwarded in order. Cut connections end with a reset, so neither side
// takes the end for a farewell. All methods may be called from any goroutine.
package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/port"
)

// Direction is a way through the proxy.
type Direction int

// The directions.
const (
	// Requests go from the client to the server.
	Requests Direction = iota
	// Answers go from the server to the client.
	Answers
)

// String is the direction's name.
func (d Direction) String() string {
	if d == Requests {
		return "requests"
	}
	return "answers"
}

// Proxy forwards the connections to its address to a target.
type Proxy struct {
	target string
	port   int
	ctx    context.Context //nolint:containedctx // ends the dialling that Close finds under way
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu       sync.Mutex
	listener *net.TCPListener // nil while refusing
	closed   bool
	links    map[*link]struct{}
	lanes    [2]lane
	latency  time.Duration
}

// lane is what is ordered for a direction.
type lane struct {
	holding  bool
	held     chan struct{} // closed by the first bytes that are held
	isHeld   bool
	released chan struct{} // closed by Release

	cutting bool
	left    int           // bytes that still pass before the cut
	cut     chan struct{} // closed by it
}

// Start starts a proxy to the target (host:port), which need not be there yet. It ends
// with the test.
func Start(t testing.TB, target string) *Proxy {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &Proxy{target: target, ctx: ctx, cancel: cancel, links: map[*link]struct{}{}}
	t.Cleanup(p.Close)
	var err error
	for range port.Tries {
		p.port = port.Candidate()
		if err = p.listen(); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		t.Fatalf("start a fault proxy: %v", err)
	}
	return p
}

// Addr is the host and port that clients dial. It stays the same.
func (p *Proxy) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// listen begins to accept.
func (p *Proxy) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.listener != nil {
		return nil
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.port})
	if err != nil {
		return fmt.Errorf("listen on %s: %w", p.Addr(), err)
	}
	p.listener = listener
	p.wg.Go(func() { p.accept(listener) })
	return nil
}

func (p *Proxy) accept(listener *net.TCPListener) {
	for {
		conn, err := listener.AcceptTCP()
		if err != nil {
			return // the listener is closed
		}
		p.wg.Go(func() { p.serve(conn) })
	}
}

// serve forwards a connection until it has ended.
func (p *Proxy) serve(client *net.TCPConn) {
	conn, err := new(net.Dialer).DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	server, ok := conn.(*net.TCPConn)
	if !ok { // which the network "tcp" rules out
		_ = conn.Close()
		reset(client)
		return
	}
	l := newLink(p, client, server)
	if !p.add(l) {
		l.cut()
		return
	}
	l.run()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.links[l] = struct{}{}
	return true
}

// Connections is the number of connections that are forwarded now.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Cut resets all connections. What was under way, and what is held, is lost. New
// connections are accepted as before.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// Refuse lets nobody connect any more: dialling is refused. Connections that are there
// stay.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse()
}

func (p *Proxy) refuse() {
	if p.listener != nil {
		// It was open, and closing it is all that was wanted.
		_ = p.listener.Close()
		p.listener = nil
	}
}

// Accept lets clients connect again after Refuse.
func (p *Proxy) Accept() error { return p.listen() }

// Hold forwards nothing in that direction until Release: the connections stay open and
// silent, new ones too. The channel is closed when the first bytes are being held: with
// Answers, when the server has begun to answer something.
func (p *Proxy) Hold(d Direction) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.lanes[d]
	if !l.holding {
		l.holding, l.isHeld = true, false
		l.held, l.released = make(chan struct{}), make(chan struct{})
	}
	return l.held
}

// Release forwards what was held, and everything after it.
func (p *Proxy) Release(d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := &p.lanes[d]; l.holding {
		l.holding = false
		close(l.released)
	}
}

// Latency delays everything that comes from now on by that time, in each direction,
// without limiting how much flows.
func (p *Proxy) Latency(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = d
}

// CutAfter lets n more bytes pass in that direction, counted over all connections; the
// connection that has more to forward is cut then, and the order is done. The channel
// is closed when that has happened. With n = 0 and Answers, the server has done what it
// was asked, and the client never hears of it. A second call replaces the first.
func (p *Proxy) CutAfter(d Direction, n int) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.lanes[d]
	l.cutting, l.left, l.cut = true, n, make(chan struct{})
	return l.cut
}

// hold says whether bytes must wait, and for what.
func (p *Proxy) hold(d Direction) (<-chan struct{}, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.lanes[d]
	if l.holding && !l.isHeld {
		l.isHeld = true
		close(l.held)
	}
	return l.released, l.holding
}

// pass says how many of n bytes may pass, and what is to be closed after a cut.
func (p *Proxy) pass(d Direction, n int) (int, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.lanes[d]
	if !l.cutting {
		return n, nil
	}
	if n <= l.left {
		l.left -= n
		return n, nil
	}
	l.cutting = false
	return l.left, l.cut
}

func (p *Proxy) due() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latency == 0 {
		return time.Time{}
	}
	return time.Now().Add(p.latency)
}

// Close refuses, cuts, and waits until nothing of the proxy runs any more. It may be
// called more than once.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.refuse()
	p.cancel()
	for l := range p.links {
		l.cut()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
