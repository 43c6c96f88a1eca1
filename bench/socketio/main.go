// Command socketio compares this repository's Socket.IO server with socket.io of
// Node.js: the memory of idle connections, broadcasts to a thousand clients, flat
// out and at a pace, handshakes, and acked events. It prints a table of docs/performance.md. Run it by
// `make bench-socketio`.
//
// Each server runs in a process of its own, and its clients, which are the same
// for both, in another. The two take turns.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

// What is broadcast, as it stands in a WebSocket message: 115 bytes, with a
// header 117. stampAt is where the time of the emit stands, in µs since 1970.
const (
	eventHead   = `42["message",{"at":`
	stampAt     = len(eventHead)
	stampLength = 16
	eventTail   = `,"room":"lobby","body":"`
	eventLength = 115
	bodyLength  = eventLength - stampAt - stampLength - len(eventTail) - len(`"}]`)
)

func main() {
	var o options
	role := flag.String("role", "", "used by the program when it runs itself: server or clients")
	address := flag.String("address", "", "used by the program when it runs itself")
	flag.IntVar(&o.idle, "idle", 10_000, "idle connections, each joined to one room")
	flag.IntVar(&o.clients, "clients", 1_000, "clients of the broadcasts")
	flag.IntVar(&o.broadcasts, "broadcasts", 200, "broadcasts, flat out")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the table has the medians, the least and the most")
	withAdmin := flag.Bool("admin", false, "measure what the Admin UI costs instead, in production mode; -clients is then 5,000 if it is not given")
	flag.IntVar(&o.turns, "turns", 10, "with -admin, how often the servers take turns in a round")
	flag.Parse()
	if *withAdmin && *role == "" && !given("clients") {
		o.clients = 5_000
	}
	var err error
	switch *role {
	case "server":
		err = serve(*withAdmin)
	case "clients":
		err = connect(*address)
	default:
		if *withAdmin {
			err = compareAdmin(o)
		} else {
			err = compare(o)
		}
	}
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

type options struct{ idle, clients, broadcasts, rounds, turns int }

// contender is a server to be measured.
type contender struct {
	title string
	start func() (*child, error)
}

var contenders = []contender{
	{"roombus", func() (*child, error) { return startSelf("-role", "server") }},
	{"socket.io 4.8 (Node.js)", startNode},
}

// metric is a row of the table.
type metric struct {
	title  string
	digits int
}

// The rows, in the order in which measure returns them.
func metrics(o options) []metric {
	return []metric{
		{fmt.Sprintf("kB a connection, %d idle, in one room", o.idle), 1},
		{fmt.Sprintf("deliveries/s, %d broadcasts to %d clients flat out", o.broadcasts, o.clients), 0},
		{"µs CPU a delivery, so", 2},
		{fmt.Sprintf("CPU at 20 broadcasts/s to %d clients, %% of a core", o.clients), 1},
		{"time from emit to client, so, p50, ms", 2},
		{"the same, p99, ms", 2},
		{"handshakes/s, 50 at a time", 0},
		{"µs CPU a handshake, so", 0},
		{"acked events/s, 100 clients, one at a time each", 0},
		{"µs CPU an acked event, so", 1},
	}
}

func compare(o options) error {
	// values has a metric's values of a contender, one a round.
	rows := metrics(o)
	values := make([][][]float64, len(rows))
	for i := range values {
		values[i] = make([][]float64, len(contenders))
	}
	for range o.rounds {
		for i, c := range contenders {
			figures, err := c.measure(o)
			if err != nil {
				return fmt.Errorf("%s: %w", c.title, err)
			}
			for row, figure := range figures {
				values[row][i] = append(values[row][i], figure)
			}
		}
	}
	fmt.Print("| |")
	for _, c := range contenders {
		fmt.Printf(" %s |", c.title)
	}
	fmt.Printf("\n| --- |%s\n", strings.Repeat(" --- |", len(contenders)))
	for i, row := range rows {
		fmt.Printf("| %s |", row.title)
		for _, v := range values[i] {
			fmt.Printf(" %s |", spread(v, row.digits))
		}
		fmt.Println()
	}
	return nil
}

// spread is the median of some values, with the least and the most.
func spread(values []float64, digits int) string {
	slices.Sort(values)
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, values[len(values)/2], digits, values[0], digits, values[len(values)-1])
}

// measure returns a figure for each metric.
func (c contender) measure(o options) ([]float64, error) {
	var figures []float64
	for _, part := range []func(contender, options) ([]float64, error){measureIdle, measureBroadcasts, measurePaced, measureRequests} {
		f, err := part(c, o)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f...)
	}
	return figures, nil
}

// measureIdle returns what a connection that does nothing adds to the server's
// resident memory.
func measureIdle(c contender, o options) (figures []float64, err error) {
	err = c.with(func(server, clients *child) error {
		var before, after float64
		err := steps(
			func() error { return server.scan("memory", &before) },
			func() error { return clients.scan(fmt.Sprint("connect ", o.idle)) },
			func() error { return server.scan("memory", &after) },
		)
		figures = []float64{(after - before) / float64(o.idle)}
		return err
	})
	return figures, err
}

// warmUp is how many broadcasts come before those that count.
const warmUp = 20

// measureBroadcasts hands all broadcasts over at once, and waits until the clients
// have them.
func measureBroadcasts(c contender, o options) (figures []float64, err error) {
	err = c.with(func(server, clients *child) error {
		var cpu, wall float64
		err := steps(
			func() error { return clients.scan(fmt.Sprint("connect ", o.clients)) },
			func() error { return server.scan(fmt.Sprintf("broadcast %d 0", warmUp)) },
			func() error { return clients.scan(fmt.Sprint("received ", warmUp*o.clients)) },
			func() error { return server.scan("begin") },
			func() error { return server.scan(fmt.Sprintf("broadcast %d 0", o.broadcasts)) },
			func() error { return clients.scan(fmt.Sprint("received ", (warmUp+o.broadcasts)*o.clients)) },
			func() error { return server.scan("cost", &cpu, &wall) },
		)
		deliveries := float64(o.broadcasts * o.clients)
		figures = []float64{deliveries / wall * 1e6, cpu / deliveries}
		return err
	})
	return figures, err
}

// measurePaced broadcasts every 50 ms for 5 s.
func measurePaced(c contender, o options) (figures []float64, err error) {
	const broadcasts, pause = 100, 50
	err = c.with(func(server, clients *child) error {
		var cpu, wall, p50, p99 float64
		err := steps(
			func() error { return clients.scan(fmt.Sprint("connect ", o.clients)) },
			func() error { return server.scan(fmt.Sprintf("broadcast %d %d", warmUp, pause)) },
			func() error { return clients.scan(fmt.Sprint("received ", warmUp*o.clients)) },
			func() error { return clients.scan("watch") },
			func() error { return server.scan("begin") },
			func() error { return server.scan(fmt.Sprintf("broadcast %d %d", broadcasts, pause)) },
			func() error { return clients.scan(fmt.Sprint("received ", (warmUp+broadcasts)*o.clients)) },
			func() error { return server.scan("cost", &cpu, &wall) },
			func() error { return clients.scan("times", &p50, &p99) },
		)
		figures = []float64{100 * cpu / wall, p50 / 1000, p99 / 1000}
		return err
	})
	return figures, err
}

// measureRequests counts handshakes, and events that are acknowledged. The server's
// CPU says more than the rates, for which the clients are at work too.
func measureRequests(c contender, _ options) (figures []float64, err error) {
	const handshakes, echoes = 3_000, 30_000
	err = c.with(func(server, clients *child) error {
		var shaking, shakingCPU, echoing, echoingCPU, wall float64
		err := steps(
			func() error { return clients.scan("handshakes 500", &shaking) }, // these warm up
			func() error { return server.scan("begin") },
			func() error { return clients.scan(fmt.Sprint("handshakes ", handshakes), &shaking) },
			func() error { return server.scan("cost", &shakingCPU, &wall) },
			func() error { return clients.scan("echo 3000", &echoing) },
			func() error { return server.scan("begin") },
			func() error { return clients.scan(fmt.Sprint("echo ", echoes), &echoing) },
			func() error { return server.scan("cost", &echoingCPU, &wall) },
		)
		figures = []float64{handshakes / shaking * 1e6, shakingCPU / handshakes, echoes / echoing * 1e6, echoingCPU / echoes}
		return err
	})
	return figures, err
}

// steps does one thing after another until one fails.
func steps(all ...func() error) error {
	for _, step := range all {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
