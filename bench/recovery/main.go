// Command recovery measures what it costs a server when many clients come back at once that have lost their
// connections: this repository's server beside socket.io of Node.js with its Redis Streams adapter, in one run, on a
// Redis that it starts. It prints the table of docs/performance.md. Run it by `make bench-recovery`.
//
// In each round the clients connect to a first server of a contender and receive one event; their connections are cut,
// and that server ends. Then so many entries are written to the log that are for none of them, and all of them come back
// to a second server within a second. What this one uses until the last client has its session again is the result.
// The clients and the log are the same for all contenders, which take turns.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/roombus/roombus/bench/lab"
)

// options are what the user chooses.
type options struct {
	rounds      int
	clients     int
	nodeClients int
	entries     int
	size        int
	within      time.Duration
	only        string
	json        string
	profiles    string
	limit       time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "rounds")
	flag.IntVar(&o.clients, "clients", 2000, "clients that come back")
	flag.IntVar(&o.nodeClients, "node-clients", 200,
		"clients that come back to Node.js; Redis holds each one's answer, the whole log, in memory: 2,000 would take 12 GB")
	flag.IntVar(&o.entries, "entries", 9000, "entries of the log to look through, none of them for these clients")
	flag.IntVar(&o.size, "size", 500, "bytes of each entry's text")
	flag.DurationVar(&o.within, "within", time.Second, "the time in which the clients come back")
	flag.StringVar(&o.only, "only", "", "contenders, separated by commas; default all")
	flag.StringVar(&o.json, "json", "", "a file for all figures of all rounds")
	flag.StringVar(&o.profiles, "profiles", "", "a folder for CPU profiles of the Go servers, for go tool pprof")
	flag.DurationVar(&o.limit, "limit", 30*time.Minute, "the longest that the whole run may take")
	role := flag.String("role", "", "used by the program when it runs itself")
	redisURL := flag.String("redis", "", "used by the program when it runs itself")
	profile := flag.String("profile", "", "used by the program when it runs itself")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if *role == "" {
		err = compare(ctx, &o)
	} else {
		err = serve(ctx, *redisURL, *profile)
	}
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "recovery:", err)
		os.Exit(1)
	}
}

// compare runs the rounds and prints what came of them; of what was measured too when it ends early.
func compare(ctx context.Context, o *options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	chosen, err := o.chosen()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "roombus-recovery-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o}
	if b.redis.Redis, err = lab.StartRedis(ctx, lab.OrElse("ROOMBUS_TEST_REDIS_SERVER", "redis-server"), dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.redis.Stop()) }()
	r := &report{
		Time: time.Now(), Machine: lab.Machine(), Go: runtime.Version(), Redis: b.redis.Version, Entries: o.entries, Size: o.size,
		Within: o.within.Seconds(),
	}
	err = b.run(ctx, chosen, r)
	return errors.Join(err, r.write(os.Stdout), lab.Save(o.json, r))
}

func (b *bench) run(ctx context.Context, chosen []*contender, r *report) error {
	for number := range b.options.rounds {
		for i := range chosen {
			c := chosen[(i+number)%len(chosen)]
			s, err := b.round(ctx, c, number+1)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", c.name, number+1, err)
			}
			r.Samples = append(r.Samples, *s)
			fmt.Fprintf(os.Stderr, "round %d: %s: %.2f ms CPU a client, %d of %d recovered in %.1f s\n",
				s.Round, c.name, s.CPU, s.Recovered, s.Clients, s.Seconds)
		}
	}
	return nil
}
