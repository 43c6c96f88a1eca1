// Command websocket compares WebSocket libraries under what a Socket.IO server
// asks of them: many idle connections, and one prepared frame written to all.
// It prints the table of docs/performance.md. Run it by `make bench-websocket`.
//
// Every candidate runs in a process of its own, and its clients in another;
// both are this program again. The last row is this repository's own server,
// which stands on one of the candidates.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/roombus/roombus/bench/lab"
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
	err := with(name, n, func(server, clients *lab.Process) error {
		var before, after idle
		for _, step := range []func() error{
			func() error { return server.Scan("memory", &before.kB, &before.goroutines) },
			func() error { return clients.Scan("connect") },
			func() error { return server.Scan("memory", &after.kB, &after.goroutines) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		r = idle{kB: (after.kB - before.kB) / float64(n), goroutines: (after.goroutines - before.goroutines) / float64(n)}
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
	err := with(name, n, func(server, clients *lab.Process) error {
		var kB, goroutines, cpu, wall float64
		steps := []func() error{
			func() error { return clients.Scan("connect") },
			func() error { return server.Scan("memory", &kB, &goroutines) }, // begins after a collection
			func() error { return server.Scan("begin") },
		}
		for done := 0; done < deliveries; done += burst {
			steps = append(steps,
				func() error { return server.Scan(fmt.Sprint("broadcast ", burst/n)) },
				func() error { return clients.Scan(fmt.Sprint("received ", done+burst)) })
		}
		steps = append(steps, func() error { return server.Scan("cost", &cpu, &wall) })
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		r = delivery{micros: cpu / float64(deliveries), rate: float64(deliveries) / wall * 1e6}
		return nil
	})
	return r, err
}

// with runs f while a server and its clients run.
func with(name string, n int, f func(server, clients *lab.Process) error) (err error) {
	ctx := context.Background()
	server, err := lab.StartSelf(ctx, name, "-role", "server", "-candidate", name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	clients, err := lab.StartSelf(ctx, "clients", "-role", "clients", "-addr", server.First, "-connections", strconv.Itoa(n))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clients.Stop()) }()
	return f(server, clients)
}
