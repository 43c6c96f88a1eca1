// Command websocket compares WebSocket libraries under what a Socket.IO server
// asks of them: many idle connections, and one prepared frame written to all.
// It prints the table of docs/performance.md. Run it by `make bench-websocket`.
//
// Every candidate runs in a process of its own, and its clients in another;
// both are this program again. The last row is this repository's own server,
// which stands on one of the candidates.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// frameText is what is delivered: with its header, a frame of 117 bytes.
var frameText = []byte(`42["message",{"room":"lobby","from":"ada","body":"` + strings.Repeat("x", 115-50-3) + `"}]`)

func main() {
	role := flag.String("role", "", "used by the program when it runs itself: server or clients")
	name := flag.String("candidate", "", "run this candidate alone")
	addr := flag.String("addr", "", "used by the program when it runs itself")
	count := flag.Int("connections", 0, "used by the program when it runs itself")
	deliveries := flag.Int("deliveries", 300_000, "number of deliveries to 1,000 connections")
	flag.Parse()
	var err error
	switch *role {
	case "server":
		err = serve(*name)
	case "clients":
		err = connect(*addr, *count)
	default:
		err = compare(*name, *deliveries)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "websocket:", err)
		os.Exit(1)
	}
}

// compare runs every candidate and prints a row for each.
func compare(only string, deliveries int) error {
	fmt.Println("| library | kB a connection, 2,000 idle | kB, 10,000 idle | goroutines a connection | µs CPU a delivery, one broadcast at a time | µs CPU, flat out | deliveries/s, flat out |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- |")
	for _, c := range candidates {
		if only != "" && only != c.name {
			continue
		}
		var kB [2]float64
		var goroutines float64
		for i, n := range []int{2_000, 10_000} {
			idle, err := measureIdle(c.name, n)
			if err != nil {
				return fmt.Errorf("%s, %d idle: %w", c.name, n, err)
			}
			kB[i], goroutines = idle.kB, idle.goroutines
		}
		const conns = 1_000
		single, err := measureDelivery(c.name, conns, deliveries, conns)
		if err != nil {
			return fmt.Errorf("%s, single deliveries: %w", c.name, err)
		}
		all, err := measureDelivery(c.name, conns, deliveries, deliveries)
		if err != nil {
			return fmt.Errorf("%s, deliveries: %w", c.name, err)
		}
		fmt.Printf("| %s | %.1f | %.1f | %.1f | %.1f | %.1f | %.0f |\n", c.title, kB[0], kB[1], goroutines, single.micros, all.micros, all.rate)
	}
	return nil
}

type idle struct{ kB, goroutines float64 }

// measureIdle returns what a connection costs that does nothing.
func measureIdle(name string, n int) (idle, error) {
	var r idle
	err := with(name, n, func(server, clients *child) error {
		before, err := server.ask("memory")
		if err != nil {
			return err
		}
		if _, err := clients.ask("connect"); err != nil {
			return err
		}
		after, err := server.ask("memory")
		if err != nil {
			return err
		}
		var rss0, rss1, g0, g1 float64
		if _, err := fmt.Sscan(before, &rss0, &g0); err != nil {
			return err
		}
		if _, err := fmt.Sscan(after, &rss1, &g1); err != nil {
			return err
		}
		r = idle{kB: (rss1 - rss0) / float64(n), goroutines: (g1 - g0) / float64(n)}
		return nil
	})
	return r, err
}

type delivery struct{ micros, rate float64 }

// measureDelivery returns what it costs to send one prepared frame to all of n
// connections, again and again. After each burst it waits until the clients
// have all.
func measureDelivery(name string, n, deliveries, burst int) (delivery, error) {
	var r delivery
	err := with(name, n, func(server, clients *child) error {
		if _, err := clients.ask("connect"); err != nil {
			return err
		}
		if _, err := server.ask("memory"); err != nil { // begins after a collection
			return err
		}
		if _, err := server.ask("begin"); err != nil {
			return err
		}
		for done := 0; done < deliveries; done += burst {
			if _, err := server.ask(fmt.Sprint("broadcast ", burst/n)); err != nil {
				return err
			}
			if _, err := clients.ask(fmt.Sprint("received ", done+burst)); err != nil {
				return err
			}
		}
		answer, err := server.ask("cost")
		if err != nil {
			return err
		}
		var cpu, wall float64
		if _, err := fmt.Sscan(answer, &cpu, &wall); err != nil {
			return err
		}
		r = delivery{micros: cpu / float64(deliveries), rate: float64(deliveries) / wall * 1e6}
		return nil
	})
	return r, err
}

// with runs f while a server and its clients run.
func with(name string, n int, f func(server, clients *child) error) (err error) {
	server, err := start("-role", "server", "-candidate", name)
	if err != nil {
		return err
	}
	defer func() { err = first(err, server.stop()) }()
	addr, err := server.line()
	if err != nil {
		return err
	}
	clients, err := start("-role", "clients", "-addr", addr, "-connections", strconv.Itoa(n))
	if err != nil {
		return err
	}
	defer func() { err = first(err, clients.stop()) }()
	return f(server, clients)
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// child is this program in another process, which answers lines with lines.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(context.Background(), self, args...)} //nolint:gosec // it is this program again
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	return c, c.cmd.Start()
}

func (c *child) line() (string, error) {
	line, err := c.out.ReadString('\n')
	return strings.TrimSpace(line), err
}

func (c *child) ask(question string) (string, error) {
	if _, err := fmt.Fprintln(c.in, question); err != nil {
		return "", err
	}
	return c.line()
}

// stop ends the child by the end of its input.
func (c *child) stop() error {
	if err := c.in.Close(); err != nil {
		return err
	}
	return c.cmd.Wait()
}
