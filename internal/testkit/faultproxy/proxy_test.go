package faultproxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that sends back each line, and reports it first.
type echo struct {
	addr string
	got  chan string
	ends chan error // how its connections ended
}

func startEcho(t *testing.T) *echo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{addr: listener.Addr().String(), got: make(chan string, 1000), ends: make(chan error, 100)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { e.ends <- e.serve(conn) })
		}
	})
	// Registered before the proxy's, so it runs after the proxy has cut all.
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return e
}

func (e *echo) serve(conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(conn)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return err
		}
		e.got <- strings.TrimSpace(line)
		if _, err := io.WriteString(conn, line); err != nil {
			return err
		}
	}
}

type client struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
}

func dial(t *testing.T, p *Proxy) *client {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, line+"\n"); err != nil {
		c.t.Fatalf("send %q: %v", line, err)
	}
}

func (c *client) want(line string) {
	c.t.Helper()
	if got, err := c.reader.ReadString('\n'); err != nil || got != line+"\n" {
		c.t.Fatalf("received %q (%v), want %q", got, err, line)
	}
}

func (c *client) wantReset() {
	c.t.Helper()
	got, err := io.ReadAll(c.reader)
	if len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
		c.t.Fatalf("received %q (%v), want a reset", got, err)
	}
}

// wantNothing looks for a little while.
func (c *client) wantNothing() {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		c.t.Fatal(err)
	}
	b, err := c.reader.Peek(1)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		c.t.Fatalf("received %q (%v), want nothing", b, err)
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
}

func TestForwards(t *testing.T) {
	e := startEcho(t)
	p := Start(t, e.addr)
	c := dial(t, p)
	c.send("one")
	c.want("one")
	big := strings.Repeat("x", 3<<20)
	go func() { _, _ = io.WriteString(c.conn, big+"\n") }()
	c.want(big)
	if got := p.Connections(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
	if err := c.conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := <-e.ends; !errors.Is(err, io.EOF) {
		t.Errorf("the server's connection ended with %v, want an orderly end", err)
	}
	if rest, err := io.ReadAll(c.reader); err != nil || len(rest) > 0 {
		t.Errorf("the client's connection ended with %q, %v, want an orderly end", rest, err)
	}
}

func TestCut(t *testing.T) {
	e := startEcho(t)
	p := Start(t, e.addr)
	a, b := dial(t, p), dial(t, p)
	for _, c := range []*client{a, b} {
		c.send("x")
		c.want("x")
	}
	p.Cut()
	a.wantReset()
	b.wantReset()
	for range 2 {
		if err := <-e.ends; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server's connection ended with %v, want a reset", err)
		}
	}
	c := dial(t, p)
	c.send("again")
	c.want("again")
}

func TestRefuseAndAccept(t *testing.T) {
	p := Start(t, startEcho(t).addr)
	old := dial(t, p)
	old.send("before")
	old.want("before")
	p.Refuse()
	if conn, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dialled %v (%v), want that it is refused", conn, err)
	}
	old.send("x")
	old.want("x")
	for range 2 { // the second changes nothing
		if err := p.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	c := dial(t, p)
	c.send("y")
	c.want("y")
}

func TestHold(t *testing.T) {
	e := startEcho(t)
	p := Start(t, e.addr)
	c := dial(t, p)
	held := p.Hold(Answers)
	c.send("one")
	<-held
	if got := <-e.got; got != "one" {
		t.Fatalf("the server got %q", got)
	}
	c.send("two")
	<-e.got
	c.wantNothing()
	p.Release(Answers)
	c.want("one")
	c.want("two")

	held = p.Hold(Requests)
	c.send("three")
	<-held
	select {
	case got := <-e.got:
		t.Fatalf("the server got %q through a held lane", got)
	default:
	}
	p.Release(Requests)
	c.want("three")
}

func TestCutWhileHeld(t *testing.T) {
	e := startEcho(t)
	p := Start(t, e.addr)
	c := dial(t, p)
	held := p.Hold(Answers)
	c.send("lost")
	<-held
	p.Cut()
	c.wantReset()
	p.Release(Answers)
	d := dial(t, p)
	d.send("new")
	d.want("new")
}

func TestLatency(t *testing.T) {
	p := Start(t, startEcho(t).addr)
	c := dial(t, p)
	const latency = 50 * time.Millisecond
	p.Latency(latency)
	begin := time.Now()
	for range 20 {
		c.send("x")
	}
	for range 20 {
		c.want("x")
	}
	if took := time.Since(begin); took < 2*latency || took > 20*latency {
		t.Errorf("20 lines in flight took %s there and back, want a little over %s", took, 2*latency)
	}
	p.Latency(0)
	c.send("fast")
	c.want("fast")
}

func TestCutAfter(t *testing.T) {
	e := startEcho(t)
	p := Start(t, e.addr)

	t.Run("the answer is lost", func(t *testing.T) {
		c := dial(t, p)
		cut := p.CutAfter(Answers, 0)
		c.send("done")
		<-cut
		if got := <-e.got; got != "done" {
			t.Errorf("the server got %q", got)
		}
		c.wantReset()
	})
	t.Run("in the middle of the second request", func(t *testing.T) {
		c := dial(t, p)
		cut := p.CutAfter(Requests, len("whole\nha"))
		c.send("whole")
		c.want("whole")
		c.send("half")
		<-cut
		c.wantReset()
		if got := <-e.got; got != "whole" || len(e.got) > 0 {
			t.Errorf("the server got %q and %d more lines", got, len(e.got))
		}
	})
	t.Run("only once", func(t *testing.T) {
		c := dial(t, p)
		c.send("after")
		c.want("after")
	})
}

func TestTargetIsAway(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := Start(t, listener.Addr().String())
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	// The reset comes so soon that dialling may meet it already.
	conn, err := net.Dial("tcp", p.Addr())
	if err == nil {
		defer func() { _ = conn.Close() }()
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a proxy without a target answered %v, want a reset", err)
	}
}

func TestClose(t *testing.T) {
	p := Start(t, startEcho(t).addr)
	c := dial(t, p)
	held := p.Hold(Requests)
	c.send("x")
	<-held
	p.Close()
	p.Close()
	c.wantReset()
	if err := p.Accept(); err != nil {
		t.Errorf("accept after close: %v", err)
	}
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialled a closed proxy: %v, want that it is refused", err)
	}
}
