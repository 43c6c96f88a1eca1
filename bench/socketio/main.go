// Command socketio compares this repository's Socket.IO server with socket.io of Node.js: the memory of idle connections,
// broadcasts to a thousand clients, flat out and at a pace, handshakes, and acked events. It prints a table of
// docs/performance.md. Run it by `make bench-socketio`.
//
// Each server runs in a process of its own, and its clients, which are the same for both, in another. The two take turns,
// beginning with the other one in each round.
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
	rounds, idle, clients, broadcasts int
	handshakes, echoes                int
	turns                             int
	json, profiles                    string
	limit                             time.Duration
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the table has the medians, the least and the most")
	flag.IntVar(&o.idle, "idle", 10_000, "idle connections, each joined to one room")
	flag.IntVar(&o.clients, "clients", 1_000, "clients of the broadcasts")
	flag.IntVar(&o.broadcasts, "broadcasts", 200, "broadcasts, flat out")
	flag.IntVar(&o.handshakes, "handshakes", 10_000, "handshakes, 50 at a time")
	flag.IntVar(&o.echoes, "echoes", 100_000, "events of 100 clients, each the next one when the last was acknowledged")
	flag.StringVar(&o.json, "json", "", "a file for all figures of all rounds")
	flag.StringVar(&o.profiles, "profiles", "", "a folder for CPU profiles of this repository's server, for go tool pprof; this costs speed")
	flag.DurationVar(&o.limit, "limit", 15*time.Minute, "the longest that the whole run may take")
	chosen := make([]*bool, len(comparisons))
	for i, c := range comparisons {
		chosen[i] = flag.Bool(c.name, false, fmt.Sprintf("measure what this costs instead: %s; -clients is then %d if it is not given", c.title, c.clients))
	}
	flag.IntVar(&o.turns, "turns", 10, "with one of these, how often the servers take turns in a round")
	role := flag.String("role", "", "used by the program when it runs itself: server or clients")
	address := flag.String("address", "", "used by the program when it runs itself")
	with := flag.String("with", "", "used by the program when it runs itself")
	profile := flag.String("profile", "", "used by the program when it runs itself")
	flag.Parse()
	var wanted *comparison
	for i, c := range comparisons {
		switch {
		case !*chosen[i]:
		case wanted != nil:
			fmt.Fprintf(os.Stderr, "socketio: -%s and -%s cannot be measured in one run; choose one\n", wanted.name, c.name)
			os.Exit(2)
		default:
			wanted = c
		}
	}
	if wanted != nil && !given("clients") {
		o.clients = wanted.clients
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	switch *role {
	case "":
		if wanted != nil {
			err = (&bench{options: &o}).compareWith(ctx, wanted)
		} else {
			err = compare(ctx, &o)
		}
	case "server":
		err = serve(ctx, *profile, *with)
	case "clients":
		err = connect(*address)
	default:
		err = fmt.Errorf("there is no role %q", *role)
	}
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "socketio:", err)
		os.Exit(1)
	}
}

// given reports whether a flag is on the command line.
func given(name string) (given bool) {
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

// compare runs the rounds and prints what came of them; of what was measured too when it ends early.
func compare(ctx context.Context, o *options) error {
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	if o.rounds < 1 || o.idle < 1 || o.clients < 1 || o.broadcasts < 1 || o.handshakes < 1 || o.echoes < echoClients {
		return fmt.Errorf("-rounds, -idle, -clients, -broadcasts and -handshakes must be at least 1, -echoes at least %d", echoClients)
	}
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o750); err != nil {
			return fmt.Errorf("make the folder for profiles: %w", err)
		}
	}
	b := &bench{options: o}
	r := &report{Time: time.Now(), Machine: lab.Machine(), Go: runtime.Version(), Idle: o.idle, Clients: o.clients, Broadcasts: o.broadcasts}
	var err error
	if b.node, r.Node, err = lab.Node(ctx); err != nil {
		return err
	}
	if _, err := lab.Packages(); err != nil {
		return err
	}
	err = b.run(ctx, r)
	return errors.Join(err, r.write(os.Stdout), lab.Save(o.json, r))
}

func (b *bench) run(ctx context.Context, r *report) error {
	for number := range b.options.rounds {
		for i := range contenders {
			c := &contenders[(i+number)%len(contenders)]
			s := sample{Contender: c.name, Round: number + 1}
			if err := b.round(ctx, c, &s); err != nil {
				return fmt.Errorf("%s, round %d: %w", c.name, s.Round, err)
			}
			r.Samples = append(r.Samples, s)
			fmt.Fprintf(os.Stderr, "round %d: %s: %.0f deliveries/s, %.0f handshakes/s, %.0f acked events/s\n",
				s.Round, c.name, s.Deliveries, s.Handshakes, s.Echoes)
		}
	}
	return nil
}
