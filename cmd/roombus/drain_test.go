package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// front is a TCP load balancer: new connections go to the processes that are there, in turn.
type front struct {
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	targets []string
	next    int
	open    map[net.Conn]struct{}
}

func startFront(t *testing.T) *front {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{listener: listener, open: make(map[net.Conn]struct{})}
	f.running.Go(f.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		f.mu.Lock()
		for c := range f.open {
			_ = c.Close()
		}
		f.open = nil
		f.mu.Unlock()
		f.running.Wait()
	})
	return f
}

// before sets the processes.
func (f *front) before(processes ...*process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets = nil
	for _, p := range processes {
		f.targets = append(f.targets, strings.TrimPrefix(p.url, "http://"))
	}
}

func (f *front) accept() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return // it is closed
		}
		f.running.Go(func() { f.forward(client) })
	}
}

func (f *front) forward(client net.Conn) {
	defer client.Close()
	f.mu.Lock()
	target := f.targets[f.next%len(f.targets)]
	f.next++
	f.mu.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return // the process is gone; the client tries again
	}
	defer server.Close()
	if !f.add(client, server) {
		return
	}
	defer f.remove(client, server)
	var ways sync.WaitGroup
	ways.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
	_, _ = io.Copy(client, server)
	_ = client.Close()
	ways.Wait()
}

func (f *front) add(conns ...net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		return false
	}
	for _, c := range conns {
		f.open[c] = struct{}{}
	}
	return true
}

func (f *front) remove(conns ...net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range conns {
		delete(f.open, c)
	}
}

// Every process is replaced by another one while messages go on. The official clients come back by themselves, each on
// another process, and get every message once and in order.
func TestCase23_ARollingRestart(t *testing.T) {
	redis := realredis.Start(t)
	start := func(name string) *process { return serveWith(t, nil, "--redis", redis.URL(), "--name", name) }
	a, b := start("a"), start("b")
	f := startFront(t)
	f.before(a, b)
	clients := nodejs.StartClients(t)
	var all []*nodejs.Client
	for i := range 20 {
		c := clients.Connect(fmt.Sprint("client", i), "http://"+f.listener.Addr().String(),
			nodejs.ConnectOptions{Transports: []string{"websocket"}})
		join(t, c, "den")
		all = append(all, c)
	}

	transport, err := redisstream.Connect(t.Context(), redis.URL(), redisstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := transport.Close(); err != nil {
			t.Errorf("close the emitter's transport: %v", err)
		}
	}()
	emitter, err := app.NewEmitter(transport.Log())
	if err != nil {
		t.Fatal(err)
	}
	job, err := socketio.NewEmitter(emitter)
	if err != nil {
		t.Fatal(err)
	}
	emit := func(event string, n int) {
		if _, err := job.To("den").Emit(t.Context(), event, n); err != nil {
			t.Errorf("emit %s %d: %v", event, n, err)
		}
	}
	stop, sent := make(chan struct{}), 0
	var emitting sync.WaitGroup
	emitting.Go(func() {
		often := time.NewTicker(time.Second / 300)
		defer often.Stop()
		for {
			select {
			case <-stop:
				return
			case <-often.C:
				emit("n", sent)
				sent++
			}
		}
	})

	third := start("c")
	f.before(a, b, third) // a balancer learns late who is leaving
	a.stop()
	f.before(b, third)
	fourth := start("d")
	f.before(b, third, fourth)
	b.stop()
	f.before(third, fourth)
	for _, c := range all {
		c.Wait(nodejs.OfKind(nodejs.Disconnect))
		if e := c.Wait(nodejs.OfKind(nodejs.Connect)); !e.Recovered {
			t.Errorf("%s was not recovered", c.Name())
		}
	}
	close(stop)
	emitting.Wait()
	emit("last", 0)
	for _, c := range all {
		c.Wait(nodejs.Named("last"))
		got := c.Events(nodejs.Named("n"))
		for i, e := range got {
			var n int
			if err := e.Args.Decode(&n); err != nil || n != i {
				t.Errorf("%s: event %d has the number %s (%v)", c.Name(), i, e.Args, err)
				break
			}
		}
		if len(got) != sent {
			t.Errorf("%s has %d of %d messages", c.Name(), len(got), sent)
		}
	}
	clients.Stop()
	third.stop()
	fourth.stop()
}
