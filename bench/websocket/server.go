package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"
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
	fmt.Println(listener.Addr())
	in := bufio.NewScanner(os.Stdin)
	var cpu, began time.Duration
	for in.Scan() {
		var n int64
		switch {
		case in.Text() == "memory":
			rss, err := resident()
			if err != nil {
				return err
			}
			fmt.Println(rss, runtime.NumGoroutine())
		case in.Text() == "begin":
			cpu, began = processTime(), sinceStart()
			fmt.Println("ok")
		case scans(in.Text(), "broadcast %d", &n):
			for range n {
				if err := broadcast(frameText); err != nil {
					return err
				}
			}
			fmt.Println("ok")
		case in.Text() == "cost":
			fmt.Println((processTime() - cpu).Microseconds(), (sinceStart() - began).Microseconds())
		default:
			return fmt.Errorf("unknown question %q", in.Text())
		}
	}
	return in.Err()
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

var processStart = time.Now()

func sinceStart() time.Duration { return time.Since(processStart) }

// processTime is the CPU time of the process, user and system.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // only a wrong argument makes it fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the resident memory in kB after garbage is gone.
func resident() (int, error) {
	runtime.GC()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			return strconv.Atoi(string(bytes.Fields(value)[0]))
		}
	}
	return 0, errors.New("/proc/self/status has no VmRSS")
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
