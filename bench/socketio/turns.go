package main

import (
	"context"
	"fmt"

	"github.com/roombus/roombus/bench/lab"
)

// What the Admin UI costs: servers with and without one, each with as many clients, take turns within the same minute,
// a block of work at a time. A second server without it shows what the machine makes of two that are alike.

// adminContenders are the server without the Admin UI, the same once more, and the one with it and a UI that is
// connected, in production mode.
var adminContenders = []contender{
	{name: "without", title: "without"},
	{name: "again", title: "without, again"},
	{name: "with", title: "with, and a UI", admin: true},
}

const (
	// A block of work: broadcasts flat out, others at a pace (with pauses of so many ms), and handshakes.
	adminBroadcasts = 200
	adminPaced      = 20
	adminPause      = 50
	adminHandshakes = 1_000
)

// adminRows are what is measured.
var adminRows = []string{
	"µs CPU a delivery, flat out", fmt.Sprintf("µs CPU a delivery, %d broadcasts a second", 1000/adminPause), "µs CPU a handshake",
}

// rig is a server that runs, with its clients.
type rig struct {
	pair
	received int
}

// compareAdmin prints the medians of the blocks, and of the quotients of each turn.
func (b *bench) compareAdmin(ctx context.Context) error {
	o := b.options
	// costs has, for each of adminRows, the µs of CPU of each contender, one a turn.
	costs := make([][][]float64, len(adminRows))
	for i := range costs {
		costs[i] = make([][]float64, len(adminContenders))
	}
	for range o.rounds {
		if err := b.adminRound(ctx, nil, costs); err != nil {
			return err
		}
	}
	fmt.Printf("| production mode, %d clients, %d turns | %s | %s | %s | again / without | with / without |\n| --- | --- | --- | --- | --- | --- |\n",
		o.clients, o.rounds*o.turns, adminContenders[0].title, adminContenders[1].title, adminContenders[2].title)
	for i, title := range adminRows {
		fmt.Printf("| %s |", title)
		for _, v := range costs[i] {
			fmt.Printf(" %s |", lab.SpreadOf(v).Markdown(2))
		}
		for _, other := range costs[i][1:] {
			fmt.Printf(" %s |", lab.Ratios(other, costs[i][0]).Markdown(3))
		}
		fmt.Println()
	}
	return nil
}

// adminRound starts the servers that do not run yet, one inside of the other, and then lets them take turns.
func (b *bench) adminRound(ctx context.Context, running []*rig, costs [][][]float64) error {
	if len(running) < len(adminContenders) {
		return b.with(ctx, &adminContenders[len(running)], "admin", func(p pair) error {
			if err := p.clients.Scan(fmt.Sprint("connect ", b.options.clients)); err != nil {
				return err
			}
			if len(running) == len(adminContenders)-1 {
				if err := p.clients.Scan("admin"); err != nil {
					return err
				}
			}
			return b.adminRound(ctx, append(running, &rig{pair: p}), costs)
		})
	}
	for turn := range b.options.turns + 1 {
		for i := range running {
			at := (turn + i) % len(running) // another one begins each time
			block, err := running[at].block(b.options)
			if err != nil {
				return fmt.Errorf("%s: %w", adminContenders[at].title, err)
			}
			for row := range block {
				if turn > 0 { // the first one warms up
					costs[row][at] = append(costs[row][at], block[row])
				}
			}
		}
	}
	return nil
}

// block does a block of work, and returns the µs of CPU of its server for each of adminRows.
func (r *rig) block(o *options) (costs []float64, err error) {
	work := func(times int, what ...func() error) func() error {
		return func() error {
			var cpu, wall float64
			begin := func() error { return r.server.Scan("begin") }
			end := func() error { return r.server.Scan("cost", &cpu, &wall) }
			err := do(append(append([]func() error{begin}, what...), end)...)
			costs = append(costs, cpu/float64(times))
			return err
		}
	}
	broadcasts := func(n, pause int) func() error {
		return work(n*o.clients,
			func() error { return r.server.Scan(fmt.Sprintf("broadcast %d %d", n, pause)) },
			func() error {
				r.received += n * o.clients
				return r.clients.Scan(fmt.Sprint("received ", r.received))
			})
	}
	var took float64
	err = do(broadcasts(adminBroadcasts, 0), broadcasts(adminPaced, adminPause), work(adminHandshakes, func() error {
		return r.clients.Scan(fmt.Sprint("handshakes ", adminHandshakes), &took)
	}))
	return costs, err
}
