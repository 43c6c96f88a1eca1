package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/roombus/roombus/bench/lab"
)

// What something costs that a server can have or not: servers with and without it, each with as many clients, take turns
// within the same minute, a block of work at a time. A second server without it shows what the machine makes of two that
// are alike.

// comparison is what something costs.
type comparison struct {
	name, title string
	clients     int // by default
	// with is the server that has it, after the two that have it not.
	with contender
	// prepare is done when the clients of that one are connected; nil for nothing.
	prepare func(pair) error
	figures []figure
	// block does a block of work and returns the figures of its server.
	block func(*rig, *options) ([]float64, error)
}

// figure is something that is measured.
type figure struct {
	title  string
	digits int
}

// contenders are the server without it, the same once more, and the one with it.
func (c *comparison) contenders() []contender {
	return []contender{{name: "without", title: "without"}, {name: "again", title: "without, again"}, c.with}
}

const (
	// The Admin UI's block of work: broadcasts flat out, others at a pace (with pauses of so many ms), and handshakes.
	adminBroadcasts = 200
	adminPaced      = 20
	adminPause      = 50
	adminHandshakes = 1_000

	// That of tracing.
	tracedBroadcasts = 200
	tracedEchoes     = 50_000
	tracedMessages   = 20_000
)

var comparisons = []*comparison{
	{
		name: "admin", title: "Admin UI in production mode", clients: 5_000,
		with:    contender{name: "with", title: "with, and a UI", with: "admin"},
		prepare: func(p pair) error { return p.clients.Scan("admin") },
		figures: []figure{
			{"µs CPU a delivery, flat out", 2},
			{fmt.Sprintf("µs CPU a delivery, %d broadcasts a second", 1000/adminPause), 2},
			{"µs CPU a handshake", 2},
		},
		block: func(r *rig, o *options) ([]float64, error) {
			var flatOut, paced, shaken cost
			err := do(
				r.broadcasts(&flatOut, adminBroadcasts, 0, o), r.broadcasts(&paced, adminPaced, adminPause, o),
				r.work(&shaken, adminHandshakes, r.clientsAre(fmt.Sprint("handshakes ", adminHandshakes), new(float64))),
			)
			return []float64{flatOut.cpu, paced.cpu, shaken.cpu}, err
		},
	},
	{
		name: "tracing", title: "1 % of the traces", clients: 1_000,
		with: contender{name: "with", title: "with", with: "tracing"},
		figures: []figure{
			{"deliveries a second, flat out", -3},
			{fmt.Sprintf("acked events a second, %d clients", echoClients), -2},
			{fmt.Sprintf("messages a second to rooms of %d, acked, %d clients", roomClients, echoClients), -2},
			{"µs CPU a delivery, flat out", 2},
			{"µs CPU an acked event", 1},
			{"µs CPU an acked message to a room", 1},
		},
		block: func(r *rig, o *options) ([]float64, error) {
			var flatOut, echo, say cost
			var echoed, said float64 // µs, without the time to connect
			err := do(
				r.broadcasts(&flatOut, tracedBroadcasts, 0, o),
				r.work(&echo, tracedEchoes, r.clientsAre(fmt.Sprint("echo ", tracedEchoes), &echoed)),
				r.work(&say, tracedMessages, r.clientsAre(fmt.Sprint("say ", tracedMessages), &said)),
			)
			return []float64{flatOut.rate, tracedEchoes / echoed * 1e6, tracedMessages / said * 1e6, flatOut.cpu, echo.cpu, say.cpu}, err
		},
	},
}

// rig is a server that runs, with its clients.
type rig struct {
	pair

	received int
}

// cost is what a piece of work cost the server: in µs of CPU, and how many a second there were.
type cost struct{ cpu, rate float64 }

// work measures a piece of work that is done so many times.
func (r *rig) work(c *cost, times int, what ...func() error) func() error {
	return func() error {
		var cpu, wall float64
		err := do(r.serverIs("begin"), func() error { return do(what...) }, r.serverIs("cost", &cpu, &wall))
		*c = cost{cpu / float64(times), float64(times) / wall * 1e6}
		return err
	}
}

// broadcasts measures n broadcasts with pauses of so many ms.
func (r *rig) broadcasts(c *cost, n, pause int, o *options) func() error {
	return r.work(c, n*o.clients, r.serverIs(fmt.Sprintf("broadcast %d %d", n, pause)), func() error {
		r.received += n * o.clients
		return r.clients.Scan(fmt.Sprint("received ", r.received))
	})
}

// compareWith prints the medians of the blocks, and of the quotients of each turn.
func (b *bench) compareWith(ctx context.Context, c *comparison) error {
	ctx, cancel := context.WithTimeout(ctx, b.options.limit)
	defer cancel()
	if o := b.options; o.rounds < 1 || o.turns < 1 || o.clients < 1 {
		return errors.New("-rounds, -turns and -clients must be at least 1")
	}
	contenders := c.contenders()
	// all has, for each figure, that of each contender, one a turn.
	all := make([][][]float64, len(c.figures))
	for i := range all {
		all[i] = make([][]float64, len(contenders))
	}
	for range b.options.rounds {
		if err := b.turns(ctx, c, contenders, nil, all); err != nil {
			return err
		}
	}
	fmt.Printf("| %s, %d clients, %d turns |", c.title, b.options.clients, b.options.rounds*b.options.turns)
	for i := range contenders {
		fmt.Printf(" %s |", contenders[i].title)
	}
	fmt.Printf(" again / without | with / without |\n| --- |%s\n", strings.Repeat(" --- |", len(contenders)+2))
	for i, figure := range c.figures {
		fmt.Printf("| %s |", figure.title)
		for _, v := range all[i] {
			fmt.Printf(" %s |", lab.SpreadOf(v).Markdown(figure.digits))
		}
		for _, other := range all[i][1:] {
			fmt.Printf(" %s |", lab.Ratios(other, all[i][0]).Markdown(3))
		}
		fmt.Println()
	}
	return nil
}

// turns starts the servers that do not run yet, one inside of the other, and then lets them take turns.
func (b *bench) turns(ctx context.Context, c *comparison, contenders []contender, running []*rig, all [][][]float64) error {
	if len(running) < len(contenders) {
		return b.with(ctx, &contenders[len(running)], c.name, func(p pair) error {
			if err := p.clients.Scan(fmt.Sprint("connect ", b.options.clients)); err != nil {
				return err
			}
			if len(running) == len(contenders)-1 && c.prepare != nil {
				if err := c.prepare(p); err != nil {
					return err
				}
			}
			return b.turns(ctx, c, contenders, append(running, &rig{pair: p}), all)
		})
	}
	for turn := range b.options.turns + 1 {
		for i := range running {
			at := (turn + i) % len(running) // another one begins each time
			block, err := c.block(running[at], b.options)
			if err != nil {
				return fmt.Errorf("%s: %w", contenders[at].title, err)
			}
			for i := range block {
				if turn > 0 { // the first one warms up
					all[i][at] = append(all[i][at], block[i])
				}
			}
		}
	}
	return nil
}
