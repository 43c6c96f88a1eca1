package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/roombus/roombus/bench/lab"
)

// contender is a server to be measured.
type contender struct {
	name, title string
	nodeJS      bool
	// with is what roombus has that it could do without: "admin" for the Admin UI, "tracing" for 1 % of the traces.
	with string
}

// Roombus comes first: it is compared with the other.
var contenders = []contender{
	{name: "roombus", title: "roombus"},
	{name: "nodejs", title: "socket.io 4.8, Node.js", nodeJS: true},
}

// bench is a run of this program.
type bench struct {
	options *options
	node    string // the path of node
}

// sample is what a round of a contender came to. Times of the processor are the server's, in microseconds.
type sample struct {
	Contender string `json:"contender"`
	Round     int    `json:"round"`
	// Memory is what an idle connection adds to the resident memory, in kB.
	Memory float64 `json:"memory"`
	// Deliveries are those a second, flat out.
	Deliveries  float64 `json:"deliveries"`
	DeliveryCPU float64 `json:"deliveryMicros"`
	// PacedCPU is in per cent of a core, P50 and P99 are the milliseconds from the emit to a client, at a pace.
	PacedCPU float64 `json:"pacedPercent"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	// Handshakes are those a second, to being in a namespace.
	Handshakes   float64 `json:"handshakes"`
	HandshakeCPU float64 `json:"handshakeMicros"`
	// Echoes are acked events a second.
	Echoes  float64 `json:"echoes"`
	EchoCPU float64 `json:"echoMicros"`
}

// pair is a server and its clients.
type pair struct{ server, clients *lab.Process }

// do does one step after the other until one fails.
func do(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (p pair) serverIs(question string, numbers ...*float64) func() error {
	return func() error { return p.server.Scan(question, numbers...) }
}

func (p pair) clientsAre(question string, numbers ...*float64) func() error {
	return func() error { return p.clients.Scan(question, numbers...) }
}

// round measures everything, each with a server and clients of its own.
func (b *bench) round(ctx context.Context, c *contender, s *sample) error {
	for _, part := range []struct {
		name    string
		measure func(pair, *options, *sample) error
	}{
		{"idle", measureIdle}, {"broadcasts", measureBroadcasts}, {"paced", measurePaced}, {"handshakes", measureHandshakes},
		{"echoes", measureEchoes},
	} {
		if err := b.with(ctx, c, part.name, func(p pair) error { return part.measure(p, b.options, s) }); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// with runs f while a server and its clients run.
func (b *bench) with(ctx context.Context, c *contender, part string, f func(pair) error) (err error) {
	var p pair
	if c.nodeJS {
		p.server, err = lab.Start(ctx, c.name, b.node, "--expose-gc", "socketio/server.mjs")
	} else {
		profile := ""
		if b.options.profiles != "" {
			profile = filepath.Join(b.options.profiles, part+".cpu")
		}
		p.server, err = lab.StartSelf(ctx, c.name, "-role", "server", "-profile", profile, "-with", c.with)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.server.Stop()) }()
	p.clients, err = lab.StartSelf(ctx, "the clients of "+c.name, "-role", "clients", "-address", p.server.First)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.clients.Stop()) }()
	return f(p)
}

func measureIdle(p pair, o *options, s *sample) error {
	var before, after float64
	err := do(
		p.serverIs("memory", &before),
		p.clientsAre(fmt.Sprint("connect ", o.idle)),
		p.serverIs("memory", &after),
	)
	s.Memory = (after - before) / float64(o.idle)
	return err
}

// warmUp is how many broadcasts come before those that count.
const warmUp = 20

// measureBroadcasts hands all broadcasts over at once, and waits until the clients have them.
func measureBroadcasts(p pair, o *options, s *sample) error {
	var cpu, wall float64
	err := do(
		p.clientsAre(fmt.Sprint("connect ", o.clients)),
		p.serverIs(fmt.Sprintf("broadcast %d 0", warmUp)),
		p.clientsAre(fmt.Sprint("received ", warmUp*o.clients)),
		p.serverIs("begin"),
		p.serverIs(fmt.Sprintf("broadcast %d 0", o.broadcasts)),
		p.clientsAre(fmt.Sprint("received ", (warmUp+o.broadcasts)*o.clients)),
		p.serverIs("cost", &cpu, &wall),
	)
	deliveries := float64(o.broadcasts * o.clients)
	s.Deliveries, s.DeliveryCPU = deliveries/wall*1e6, cpu/deliveries
	return err
}

// measurePaced broadcasts every 50 ms for 5 s.
func measurePaced(p pair, o *options, s *sample) error {
	const broadcasts, pause = 100, 50
	var cpu, wall, p50, p99 float64
	err := do(
		p.clientsAre(fmt.Sprint("connect ", o.clients)),
		p.serverIs(fmt.Sprintf("broadcast %d %d", warmUp, pause)),
		p.clientsAre(fmt.Sprint("received ", warmUp*o.clients)),
		p.clientsAre("watch"),
		p.serverIs("begin"),
		p.serverIs(fmt.Sprintf("broadcast %d %d", broadcasts, pause)),
		p.clientsAre(fmt.Sprint("received ", (warmUp+broadcasts)*o.clients)),
		p.serverIs("cost", &cpu, &wall),
		p.clientsAre("times", &p50, &p99),
	)
	s.PacedCPU, s.P50, s.P99 = 100*cpu/wall, p50/1000, p99/1000
	return err
}

func measureHandshakes(p pair, o *options, s *sample) error {
	var took, cpu, wall float64
	err := do(
		p.clientsAre(fmt.Sprint("handshakes ", o.handshakes/10+1), &took), // these warm up
		p.serverIs("begin"),
		p.clientsAre(fmt.Sprint("handshakes ", o.handshakes), &took),
		p.serverIs("cost", &cpu, &wall),
	)
	s.Handshakes, s.HandshakeCPU = float64(o.handshakes)/took*1e6, cpu/float64(o.handshakes)
	return err
}

func measureEchoes(p pair, o *options, s *sample) error {
	var took, cpu, wall float64
	err := do(
		p.clientsAre(fmt.Sprint("echo ", o.echoes/10+echoClients), &took), // these warm up
		p.serverIs("begin"),
		p.clientsAre(fmt.Sprint("echo ", o.echoes), &took),
		p.serverIs("cost", &cpu, &wall),
	)
	s.Echoes, s.EchoCPU = float64(o.echoes)/took*1e6, cpu/float64(o.echoes)
	return err
}
