// Command transport measures the throughput and the latency of roombus' transport beside those of its peers, in one
// run, on a Redis that it starts: messages from one process to another, counted where they would be delivered. It
// prints the tables of docs/performance.md. Run it by `make bench-transport`.
//
// Each round starts two processes for a contender, a publisher and a receiver; the Go ones are this program again. The
// contenders take turns, beginning with another one in each round, so that what else the machine does meets all of
// them.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/roombus/roombus/bench/lab"
)

//go:embed adapter.mjs
var adapterScript []byte

// options are what the user chooses.
type options struct {
	rounds     int
	messages   int
	warmup     int
	window     int
	rate       float64
	seconds    float64
	only       string
	json       string
	profiles   string
	readCount  int64
	limit      time.Duration
	roundLimit time.Duration
}

func main() {
	var o options
	var s setup
	flag.IntVar(&o.rounds, "rounds", 3, "rounds")
	flag.IntVar(&o.messages, "messages", 50_000, "messages a round")
	flag.IntVar(&o.warmup, "warmup", 5_000, "messages before them that do not count; fewer than the streams' length")
	flag.IntVar(&o.window, "window", 500, "messages in flight")
	flag.Float64Var(&o.rate, "rate", 500, "messages a second for the latency")
	flag.Float64Var(&o.seconds, "seconds", 4, "how long a round of the latency takes; 0 leaves it out")
	flag.StringVar(&o.only, "only", "", "contenders, separated by commas; default all")
	flag.StringVar(&o.json, "json", "", "a file for all figures of all rounds")
	flag.StringVar(&o.profiles, "profiles", "",
		"a folder for profiles of the Go programs, for go tool pprof; this costs speed")
	flag.Int64Var(&o.readCount, "read-count", 0, "roombus' read count; 0 for its default")
	flag.DurationVar(&o.limit, "limit", 15*time.Minute, "the longest that the whole run may take")
	flag.DurationVar(&o.roundLimit, "round-limit", time.Minute, "the longest that a round may take")
	role := flag.String("role", "", "used by the program when it runs itself: publisher or receiver")
	flag.StringVar(&s.Contender, "contender", "", "used by the program when it runs itself")
	flag.StringVar(&s.Redis, "redis", "", "used by the program when it runs itself")
	flag.StringVar(&s.Stream, "stream", "", "used by the program when it runs itself")
	flag.Int64Var(&s.MaxLength, "max-length", 0, "used by the program when it runs itself")
	memory := flag.Bool("memory-profiles", false, "used by the program when it runs itself")
	flag.Parse()
	s.Window, s.ReadCount = o.window, o.readCount

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if *role == "" {
		err = compare(ctx, o)
	} else {
		if *memory {
			runtime.MemProfileRate = 16 << 10
		}
		err = runWorker(ctx, s, *role, os.Stdin, os.Stdout)
	}
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "transport:", err)
		os.Exit(1)
	}
}

// compare runs all contenders and prints what came of it; of what was measured too when it ends early.
func compare(ctx context.Context, o options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	chosen, err := chosen(o.only)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "roombus-bench-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, script: filepath.Join(dir, "adapter.mjs")}
	if b.self, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	r := &report{
		Time: time.Now(), Machine: lab.Machine(), Go: runtime.Version(), Window: o.window, ReadCount: o.readCount,
	}
	if err := b.findNode(ctx, chosen, r); err != nil {
		return err
	}
	if b.server, err = lab.StartRedis(ctx, lab.OrElse("ROOMBUS_TEST_REDIS_SERVER", "redis-server"), dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.server.Stop()) }()
	r.Redis = b.server.Version

	err = b.run(ctx, chosen, r)
	return errors.Join(err, r.write(os.Stdout), lab.Save(o.json, r))
}

func (o *options) check() error {
	switch {
	case o.rounds < 1 || o.messages < 1 || o.window < 1:
		return errors.New("-rounds, -messages and -window must be at least 1")
	case o.messages >= marker:
		return fmt.Errorf("-messages must be less than %d", marker)
	case o.warmup < 0 || o.seconds < 0 || o.rate <= 0:
		return errors.New("-warmup and -seconds must not be negative, and -rate must be more than 0")
	}
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o750); err != nil {
			return fmt.Errorf("make the folder for profiles: %w", err)
		}
	}
	return nil
}

// run runs the rounds.
func (b *bench) run(ctx context.Context, chosen []*contender, r *report) error {
	full := load{messages: b.options.messages}
	paced := load{messages: int(b.options.rate * b.options.seconds), rate: b.options.rate}
	for number := range b.options.rounds {
		for i := range chosen {
			c := chosen[(i+number)%len(chosen)]
			s, err := b.round(ctx, c, number+1, full)
			if err != nil {
				return fmt.Errorf("%s, round %d: %w", c.name, number+1, err)
			}
			r.Full = append(r.Full, s)
			fmt.Fprintf(os.Stderr, "round %d: %s: %.0f/s, %d lost\n", number+1, c.name, s.PerSecond, s.lost())
			if !c.paced || paced.messages == 0 {
				continue
			}
			if s, err = b.round(ctx, c, number+1, paced); err != nil {
				return fmt.Errorf("%s, round %d of the latency: %w", c.name, number+1, err)
			}
			r.Paced = append(r.Paced, s)
			fmt.Fprintf(os.Stderr, "round %d: %s: p50 %.2f ms, p99 %.2f ms\n", number+1, c.name, s.P50, s.P99)
		}
	}
	return nil
}

// findNode finds what the Node.js contender needs, if it was chosen.
func (b *bench) findNode(ctx context.Context, chosen []*contender, r *report) (err error) {
	wanted := false
	for _, c := range chosen {
		wanted = wanted || c.nodeJS
	}
	if !wanted {
		return nil
	}
	if b.node, r.Node, err = lab.Node(ctx); err != nil {
		return err
	}
	if b.folder, err = lab.Packages(); err != nil {
		return err
	}
	if err := os.WriteFile(b.script, adapterScript, 0o600); err != nil {
		return fmt.Errorf("write the script for Node.js: %w", err)
	}
	return nil
}
