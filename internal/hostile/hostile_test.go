package hostile

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/app"
)

// The server's limits: bytes of a message, namespaces a client, and time.
const (
	maxPayload = 100_000
	maxSockets = 20
	// deadline is for whatever a client has to do in time.
	deadline = (2 + slower) * time.Second
)

// incompressible is a text that deflate does not make smaller by much.
func incompressible(length int) string {
	random := make([]byte, length)
	_, _ = rand.Read(random) // never fails
	return base64.StdEncoding.EncodeToString(random)[:length]
}

// server is what the clients are let loose on.
type server struct {
	*socketio.Server
	address string
}

func serve(t *testing.T) *server {
	t.Helper()
	member := inmemory.New(inmemory.Config{MaxLength: 10}).Member()
	node, err := app.NewNode(member.Log(), member.Channel(), nil, app.Config{})
	if err != nil {
		t.Fatal(err)
	}
	io, err := socketio.NewServer(node, socketio.Config{
		ConnectTimeout: deadline,
		RateLimit:      socketio.RateLimit{Socket: socketio.Rate{PerSecond: 200}, CloseAfter: 100},
		MaxSockets:     20, RemoveEmptyNamespaces: true,
		OnError: func(context.Context, socketio.Failure) {}, // what clients do wrong is counted
		Engine: engineio.Config{
			PingInterval: time.Second, PingTimeout: deadline, UpgradeTimeout: time.Second, CloseTimeout: time.Second / 2,
			MaxPayload: maxPayload, QueueBytes: 256 << 10, Deflate: true,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	io.OfPattern(regexp.MustCompile(`^/many-\d+$`))
	socketio.OnAck(io, "echo", func(_ context.Context, _ *socketio.Socket, text string) (string, error) { return text, nil })
	socketio.On(io, "move", func(ctx context.Context, s *socketio.Socket, room string) error {
		if room != "busy" {
			defer func() { _ = s.Leave(ctx, room) }()
		}
		return s.Join(ctx, room)
	})
	socketio.On(io, "slow", func(ctx context.Context, _ *socketio.Socket, _ string) error {
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
		return nil
	})
	if err := node.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A node stays in the namespaces that clients have asked for.
	for i := range maxSockets {
		if err := node.Open(t.Context(), fmt.Sprint("/many-", i)); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{Handler: io, ReadHeaderTimeout: deadline, ConnState: func(c net.Conn, state http.ConnState) {
		if state == http.StateNew { // what the kernel takes for a slow reader is not what is tested
			_ = c.(*net.TCPConn).SetWriteBuffer(64 << 10)
		}
	}}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	// A busy room, of which nobody reads anything who is in it.
	done := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer close(done)
		text := incompressible(50_000)
		for ctx.Err() == nil {
			_, _ = io.To("busy").Volatile().Emit(ctx, "news", text) // fails when it is over
			_, _ = io.To("busy").Emit(ctx, "news", text)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-done
		_ = io.Close()
		_ = node.Close()
		_ = member.Close()
		_ = web.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("the HTTP server: %v", err)
		}
	})
	return &server{io, listener.Addr().String()}
}

const (
	// pairs is how often the good clients are watched without and with the bad ones; if that leaves doubts, mostPairs.
	pairs, mostPairs = 3, 7
	// quiet and busy are for how long.
	quiet = 2 * time.Second
	busy  = 4*time.Second + slower*time.Second
	// most is how many times as long the good ones may wait for their answers with the bad ones about.
	most = 3
)

// Hundreds of connections misbehave in two dozen ways, again and again, while 50 clients go on with their work: those notice
// little of it, each of the others meets its limit, and nothing is left of them.
//
// All processes share the machine, and the bad clients need more of it than the server. So it counts by how much more the
// good ones' p99 grows than that of clients of a plain server in a process of its own, whose answers have to wait for nothing but
// a processor.
func TestHostileClients(t *testing.T) {
	s := serve(t)
	plain := start(t, "plain")
	var plainAddress string
	plain.ask(t, "address", &plainAddress)
	address := addressVariable + "=" + s.address
	good, bad := start(t, "good", address, plainVariable+"="+plainAddress), start(t, "bad", address)
	watch := func(d time.Duration) (r report) {
		good.ask(t, "report", new(report))
		pass(d) // this is how long is measured
		good.ask(t, "report", &r)
		return r
	}
	watch(quiet)
	memory, goroutines := footprint()
	var ratios []float64
	for len(ratios) < pairs || len(ratios) < mostPairs && median(ratios) > most {
		before, counted := watch(quiet), s.Stats()
		bad.ask(t, "begin", new(map[string]int))
		during := watch(busy)
		ends := bad.all(t)
		wantCounted(t, counted, s.Stats(), ends)
		t.Logf("answers took p50 %.0f and p99 %.0f µs before, p50 %.0f and p99 %.0f µs during; those of a plain server p99 %.0f and %.0f",
			before.P50, before.P99, during.P50, during.P99, before.Plain, during.Plain)
		t.Logf("ended: %v", ends)
		if during.Lost > 0 || during.Fewest == 0 {
			t.Errorf("%d good clients have lost their connections; the last got %d answers", during.Lost, during.Fewest)
		}
		ratio, machine := during.P99/before.P99, max(1, during.Plain/before.Plain)
		t.Logf("p99 is %.1f times what it was, that of a plain server %.1f times", ratio, during.Plain/before.Plain)
		ratios = append(ratios, ratio/machine)
	}
	if median(ratios) > most {
		t.Errorf("the good clients' p99 is %.1f times what it was, compared with a plain server's; want %d at most", ratios, most)
	}
	wantNothingLeft(t, memory, len(goroutines))
}

// all waits until each way was ended as often as there are connections of it, and ends the attack.
func (p *process) all(t *testing.T) (ends map[string]uint64) {
	t.Helper()
	for end := time.Now().Add(6 * patience); ; pass(50 * time.Millisecond) {
		p.ask(t, "ends", &ends)
		missing := ""
		for _, w := range ways {
			if ends[w.name] < eachKind {
				missing = w.name
			}
		}
		switch {
		case missing == "":
			p.ask(t, "end", &ends)
			return ends
		case time.Now().After(end):
			t.Fatalf("%s: %d of %d were ended; all: %v", missing, ends[missing], eachKind, ends)
		}
	}
}

// wantCounted compares what the server has counted with what the clients have seen.
func wantCounted(t *testing.T, before, after socketio.Stats, ends map[string]uint64) {
	t.Helper()
	want := make(map[*counter]uint64)
	for _, w := range ways {
		if w.counted != nil {
			want[w.counted] += ends[w.name]
		}
	}
	for c, least := range want {
		if got := c.of(after) - c.of(before); got < least {
			t.Errorf("%s: the server counts %d, but the clients have seen %d", c.name, got, least)
		}
	}
}

// footprint is the heap that is in use, in bytes, and the stacks of the goroutines.
func footprint() (heap uint64, goroutines []string) {
	runtime.GC()
	runtime.GC() // empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse, stacks()
}

// idleHand is in the stack of a goroutine that the Engine.IO server keeps for what may come: how many it keeps depends on how much
// came at the same time a second ago.
var idleHand = regexp.MustCompile(`^goroutine .*\n.*/engineio\.\(\*crew\)\.work\(`)

// stacks are those of all goroutines but the idle hands.
func stacks() []string {
	var all strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&all, 2) // a Builder takes all
	return slices.DeleteFunc(strings.Split(all.String(), "\n\n"), idleHand.MatchString)
}

// margin is what may be left in memory of thousands of connections: the spans that are not full, and tables that were larger.
const margin = 4 << 20

func wantNothingLeft(t *testing.T, memory uint64, goroutines int) {
	t.Helper()
	for end := time.Now().Add(patience); ; pass(50 * time.Millisecond) {
		m, g := footprint()
		switch {
		case m <= memory+margin && len(g) <= goroutines:
			t.Logf("%d kB in use, %d before; %d goroutines, %d before", m>>10, memory>>10, len(g), goroutines)
			return
		case time.Now().After(end):
			t.Fatalf("%d kB in use, %d before; %d goroutines, %d before\n%s",
				m>>10, memory>>10, len(g), goroutines, strings.Join(g, "\n\n"))
		}
	}
}
