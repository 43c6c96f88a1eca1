package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// contender is a server to be measured.
type contender struct {
	name, title string
	// fresh has the second server start after the entries were written, so that it has none of them in memory.
	fresh  bool
	nodeJS bool
}

// Roombus comes first: the others are compared with it.
var contenders = []contender{
	{name: "roombus", title: "roombus, a node that was there"},
	{name: "roombus-fresh", title: "roombus, a node that has just started", fresh: true},
	{name: "nodejs", title: "socket.io, @socket.io/redis-streams-adapter 0.3.1", nodeJS: true},
}

func (o *options) chosen() ([]*contender, error) {
	if o.rounds < 1 || o.clients < 1 || o.nodeClients < 1 || o.entries < 0 || o.size < 1 || o.within < 0 {
		return nil, errors.New("-rounds, -clients, -node-clients and -size must be at least 1, and nothing negative")
	}
	names := strings.Split(o.only, ",")
	var chosen []*contender
	for i := range contenders {
		for _, name := range names {
			if o.only == "" || name == contenders[i].name {
				chosen = append(chosen, &contenders[i])
				break
			}
		}
	}
	if len(chosen) < len(names) && o.only != "" {
		return nil, fmt.Errorf("-only %s: the contenders are roombus, roombus-fresh and nodejs", o.only)
	}
	return chosen, nil
}

// bench is what all rounds share.
type bench struct {
	options *options
	redis   log
}

// sample is what a round has measured.
type sample struct {
	Contender string `json:"contender"`
	Round     int    `json:"round"`
	Clients   int    `json:"clients"`
	Recovered int    `json:"recovered"`
	// CPU is that of the server for each client that came back, RedisCPU that of Redis, and Connecting that of the first
	// server for each client that connected without a session; milliseconds.
	CPU        float64 `json:"cpu"`
	RedisCPU   float64 `json:"redisCpu"`
	Connecting float64 `json:"connecting"`
	// Seconds is from the first client that comes back to the last that is there; P50 and P99 are how long clients waited
	// for their sessions, in milliseconds.
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	// Resident is the server's memory at its highest, in MB.
	Resident float64 `json:"resident"`
}

func (b *bench) start(ctx context.Context, c *contender, round int) (server, error) {
	profile := ""
	if b.options.profiles != "" {
		profile = filepath.Join(b.options.profiles, fmt.Sprintf("%s-%d.cpu", c.name, round))
	}
	return start(ctx, c, b.redis.URL, profile)
}

func (b *bench) round(ctx context.Context, c *contender, number int) (s *sample, err error) {
	if err := b.redis.Empty(ctx); err != nil {
		return nil, err
	}
	s = &sample{Contender: c.name, Round: number, Clients: b.options.clients}
	if c.nodeJS {
		s.Clients = b.options.nodeClients
	}
	clients, err := b.leave(ctx, c, s)
	if err != nil {
		return nil, fmt.Errorf("the first server: %w", err)
	}
	var second server
	if !c.fresh {
		if second, err = b.start(ctx, c, number); err != nil {
			return nil, err
		}
	}
	if err := b.redis.fill(ctx, b.options.entries, b.options.size); err != nil {
		return nil, err
	}
	if c.fresh {
		if second, err = b.start(ctx, c, number); err != nil {
			return nil, err
		}
	}
	defer func() { err = errors.Join(err, second.Stop()) }()
	if err := b.caughtUp(ctx, second); err != nil {
		return nil, err
	}
	return s, b.storm(ctx, second, clients, s)
}

// leave connects clients to a first server, has them receive an event, and cuts them off.
func (b *bench) leave(ctx context.Context, c *contender, s *sample) (clients []*client, err error) {
	first, err := b.start(ctx, c, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, first.Stop()) }()
	before, err := first.number("cpu")
	if err != nil {
		return nil, err
	}
	clients = make([]*client, s.Clients)
	for i := range clients {
		clients[i] = &client{}
	}
	defer func() {
		for _, c := range clients {
			c.cut()
		}
	}()
	if err := each(clients, func(c *client) error { return c.connect(ctx, first.address()) }); err != nil {
		return nil, err
	}
	after, err := first.number("cpu")
	if err != nil {
		return nil, err
	}
	s.Connecting = (after - before) / 1000 / float64(len(clients))
	if err := b.redis.emit(ctx, "all"); err != nil {
		return nil, err
	}
	if err := each(clients, (*client).event); err != nil {
		return nil, err
	}
	for _, c := range clients {
		c.cut()
	}
	return clients, b.stored(ctx, first, len(clients))
}

// stored waits until a server has noticed that its clients are gone, and Redis has their sessions.
func (b *bench) stored(ctx context.Context, first server, sessions int) error {
	for {
		sockets, err := first.number("sockets")
		if err != nil {
			return err
		}
		keys, err := b.redis.sessions(ctx)
		if err != nil {
			return err
		}
		if sockets == 0 && keys >= sessions { // with the lease of a node
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d sessions are stored: %w", keys, sessions, ctx.Err())
		case <-time.After(askEach):
		}
	}
}

// caughtUp waits until a server has read the log to its end.
func (b *bench) caughtUp(ctx context.Context, s server) error {
	c := &client{}
	if err := c.connect(ctx, s.address()); err != nil {
		return err
	}
	defer c.cut()
	if err := b.redis.emit(ctx, "end", c.sid); err != nil {
		return err
	}
	return c.event()
}

// storm has all clients come back.
func (b *bench) storm(ctx context.Context, second server, clients []*client, s *sample) error {
	defer func() {
		for _, c := range clients {
			c.cut()
		}
	}()
	redisBefore, err := b.redis.ProcessorTime(ctx)
	if err != nil {
		return err
	}
	before, err := second.number("begin")
	if err != nil {
		return err
	}
	times, took, err := comeBack(ctx, clients, second.address(), b.options.within)
	if err != nil {
		return err
	}
	after, err := second.number("end")
	if err != nil {
		return err
	}
	redisAfter, err := b.redis.ProcessorTime(ctx)
	if err != nil {
		return err
	}
	if s.Resident, err = second.number("resident"); err != nil {
		return err
	}
	n := float64(len(clients))
	s.CPU, s.RedisCPU = (after-before)/1000/n, (redisAfter-redisBefore)/1000/n
	s.Seconds, s.P50, s.P99 = took.Seconds(), milliseconds(times[len(times)/2]), milliseconds(times[len(times)*99/100])
	for _, c := range clients {
		if c.recovered {
			s.Recovered++
		}
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
