package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/roombus/roombus/bench/lab"
)

// candidate is a library as a server uses it.
type candidate struct {
	name, title string
	// build returns a handler that makes WebSockets and reads them, and a
	// function that delivers one prepared frame of text to all of them.
	build func() (http.Handler, func(text []byte) error)
}

// serve is a server's process: it prints its address, then answers "memory" by
// resident kB and goroutines, "begin" at once, "broadcast n" when n frames are
// handed over to every connection, and "cost" by the µs of CPU and of time since
// begin.
func serve(name string) error {
	handler, broadcast, err := build(name)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with the process
	var cpu time.Duration
	var began time.Time
	return lab.Obey(listener.Addr().String(), func(question string) (string, error) {
		var n int
		switch {
		case question == "memory":
			rss, err := lab.Resident()
			return fmt.Sprint(rss, runtime.NumGoroutine()), err
		case question == "begin":
			cpu, began = lab.ProcessorTime(), time.Now()
			return "ok", nil
		case lab.Matches(question, "broadcast %d", &n):
			for range n {
				if err := broadcast(frameText); err != nil {
					return "", err
				}
			}
			return "ok", nil
		case question == "cost":
			return fmt.Sprint((lab.ProcessorTime() - cpu).Microseconds(), time.Since(began).Microseconds()), nil
		default:
			return "", fmt.Errorf("unknown question %q", question)
		}
	})
}

func build(name string) (http.Handler, func([]byte) error, error) {
	for _, c := range candidates {
		if c.name == name {
			handler, broadcast := c.build()
			return handler, broadcast, nil
		}
	}
	return nil, nil, fmt.Errorf("no candidate is called %q", name)
}

// group is the connections of a server.
type group[T comparable] struct {
	mu    sync.Mutex
	conns map[T]struct{}
}

func (g *group[T]) add(c T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns == nil {
		g.conns = make(map[T]struct{})
	}
	g.conns[c] = struct{}{}
}

func (g *group[T]) remove(c T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, c)
}

func (g *group[T]) each(f func(T) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		if err := f(c); err != nil {
			return err
		}
	}
	return nil
}
