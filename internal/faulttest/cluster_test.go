package faulttest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
)

const (
	// nodes is how many nodes a cluster has.
	nodes = 3
	// patience is how long is waited for what must come.
	patience = 40 * time.Second
	// keepAll is a maximum length that no test comes to.
	keepAll = 1_000_000
)

// seeded is a source of chance that a failed test can be given again.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	const variable = "ROOMBUS_TEST_SEED"
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(variable); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s is %q, which is no number", variable, text)
		}
		seed = given
	}
	t.Logf("%s=%d", variable, seed)
	return rand.New(rand.NewPCG(seed, seed))
}

// recorder is the edge of a node: it keeps what arrives, and can hold up its node's reader.
type recorder struct {
	mu   sync.Mutex
	got  []delivery
	ends map[string]bool
	done chan struct{} // closed when the end of every node has come
	hold chan struct{} // nil while nothing is held
	held chan struct{}
}

// endOf is the event that a node publishes last.
func endOf(node int) string { return fmt.Sprintf("end%d/0", node) }

func (r *recorder) Deliver(_ context.Context, d *domain.Delivery) int {
	r.mu.Lock()
	hold := r.hold
	if hold != nil && r.held != nil {
		close(r.held)
		r.held = nil
	}
	r.mu.Unlock()
	if hold != nil {
		<-hold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	event := d.Packet.Event()
	r.got = append(r.got, delivery{event: event, offset: d.Offset})
	for n := range nodes {
		if event == endOf(n) && !r.ends[event] {
			r.ends[event] = true
			if len(r.ends) == nodes {
				close(r.done)
			}
		}
	}
	return 1
}

func (*recorder) Apply(context.Context, string, domain.RoomOperation, domain.Offset) int { return 0 }

func (*recorder) Sockets(context.Context, string, *domain.Target) []domain.SocketDetails { return nil }

func (*recorder) ServerSideEmit(_ context.Context, _ string, _ domain.Packet, reply func(domain.Value)) {
	if reply != nil {
		reply(domain.Value{})
	}
}

// stop holds up the reader at the next message, and returns when it stands there.
func (r *recorder) stop(t *testing.T) (resume func()) {
	t.Helper()
	hold, held := make(chan struct{}), make(chan struct{})
	r.mu.Lock()
	r.hold, r.held = hold, held
	r.mu.Unlock()
	resume = sync.OnceFunc(func() {
		r.mu.Lock()
		r.hold = nil
		r.mu.Unlock()
		close(hold)
	})
	t.Cleanup(resume)
	await(t, "a message at the node that is held", held)
	return resume
}

// await waits for something that must come.
func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("it did not come within %s: %s", patience, what)
	}
}

// pass lets time pass, for faults that last.
func pass(d time.Duration) { <-time.After(d) }

// witness keeps what a node observes of its log.
type witness struct {
	mu   sync.Mutex
	seen []domain.Event
}

// Observe keeps the events that tell of trouble.
func (w *witness) Observe(_ context.Context, e domain.Event) {
	switch e.(type) {
	case *domain.Gap, *domain.Reset, *domain.BadEntry, *domain.Repeated, *domain.Dropped:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.seen = append(w.seen, e)
	default:
	}
}

// report is what a node has observed, counted.
type report struct {
	trimmed, holes uint64 // lost by the stream's counts, and by publishers' numbers
	gaps           int    // of the first kind
	resets, bad    int
	epoch          domain.Epoch // of the last reset
	repeated       map[domain.Offset]bool
}

func (w *witness) report() report {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := report{repeated: make(map[domain.Offset]bool)}
	for _, e := range w.seen {
		switch e := e.(type) {
		case *domain.Gap:
			if e.Publisher != "" {
				r.holes += e.Lost
				continue
			}
			r.gaps++
			r.trimmed += e.Lost
		case *domain.Reset:
			r.resets++
			r.epoch = e.Is
		case *domain.BadEntry:
			r.bad++
		case *domain.Repeated:
			r.repeated[e.Offset] = true
		}
	}
	return r
}

// member is a node of the cluster.
type member struct {
	node *app.Node
	edge *recorder
	seen *witness
}

// cluster is three nodes, each with a transport of its own.
type cluster struct {
	t       *testing.T
	members [nodes]*member
	history history
}

// config is how the transports of these tests work.
func config() redisstream.Config {
	return redisstream.Config{MaxLength: keepAll, Block: 200 * time.Millisecond}
}

// start makes and runs the nodes; connect makes the transport of each.
func start(t *testing.T, connect func(node int) *redisstream.Transport) *cluster {
	t.Helper()
	c := &cluster{t: t}
	for i := range c.members {
		transport := connect(i)
		m := &member{
			edge: &recorder{ends: make(map[string]bool), done: make(chan struct{})}, seen: &witness{},
		}
		var err error
		m.node, err = app.NewNode(transport.Log(), transport.Channel(), transport.Sessions(), app.Config{
			Observer: m.seen,
			// Heartbeats would be counted among what is lost.
			HeartbeatInterval: time.Hour, HeartbeatTimeout: 2 * time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.node.Attach(m.edge); err != nil {
			t.Fatal(err)
		}
		if err := m.node.Open(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		if err := m.node.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.node.Close() }) // finish does it first, unless the test has failed
		c.members[i] = m
	}
	return c
}

// dial makes a transport that is closed with the test.
func dial(t *testing.T, url string, config redisstream.Config) *redisstream.Transport {
	t.Helper()
	transport, err := redisstream.Connect(t.Context(), url, config)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	closeWith(t, transport)
	return transport
}

func closeWith(t *testing.T, transport *redisstream.Transport) {
	t.Helper()
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Errorf("close a transport: %v", err)
		}
	})
}

// finish lets every node publish a last message and waits until all have all of them; then everything that was
// published before has arrived, or never will.
func (c *cluster) finish() {
	c.t.Helper()
	for i, m := range c.members {
		ctx, cancel := context.WithTimeout(c.t.Context(), patience)
		offset, err := m.node.Broadcast(ctx, "/", domain.Target{}, packet(c.t, endOf(i)))
		cancel()
		if err != nil {
			c.t.Fatalf("node %d cannot publish after the fault: %v", i, err)
		}
		c.history.outcomes = append(c.history.outcomes, outcome{event: endOf(i), offset: offset})
	}
	for i, m := range c.members {
		await(c.t, fmt.Sprintf("the last messages at node %d", i), m.edge.done)
	}
	// Here, while Redis is sure to be there for their goodbyes.
	for i, m := range c.members {
		if err := m.node.Close(); err != nil {
			c.t.Errorf("close node %d: %v", i, err)
		}
	}
	c.judge()
}

// judge collects what has arrived and tells what must not be.
func (c *cluster) judge() {
	c.t.Helper()
	repeated := make(map[domain.Offset]bool)
	for _, m := range c.members {
		for offset := range m.seen.report().repeated {
			repeated[offset] = true
		}
	}
	c.history.repeated = make(map[string]bool)
	for _, m := range c.members {
		m.edge.mu.Lock()
		c.history.received = append(c.history.received, m.edge.got)
		m.edge.mu.Unlock()
	}
	// An entry that one node dropped came to another, or its publisher was told of it.
	for _, o := range c.history.outcomes {
		if repeated[o.offset] {
			c.history.repeated[o.event] = true
		}
	}
	for _, violation := range c.history.violations() {
		c.t.Error(violation)
	}
	published, refused, unknown := c.history.count()
	c.t.Logf("%d published, %d not published, %d unknown", published, refused, unknown)
}

// wantAll checks that nothing is missing anywhere, and that nobody was told of trouble.
func (c *cluster) wantAll() {
	c.t.Helper()
	for i, m := range c.members {
		if missing := c.history.missing(i); len(missing) > 0 {
			c.t.Errorf("node %d misses %d messages, %s first", i, len(missing), missing[0])
		}
		if r := m.seen.report(); r.gaps+r.resets+r.bad+len(r.repeated) > 0 || r.holes > 0 {
			c.t.Errorf("node %d was told of trouble, and nothing is missing: %+v", i, r)
		}
	}
}

// wantTold checks that what is missing at each node is what the node was told to be missing, by the publishers' numbers.
// It returns how much that is.
func (c *cluster) wantTold() (missing [nodes]int) {
	c.t.Helper()
	for i, m := range c.members {
		r := m.seen.report()
		missing[i] = len(c.history.missing(i))
		if uint64(missing[i]) != r.holes {
			c.t.Errorf("node %d misses %d messages, and was told of %d", i, missing[i], r.holes)
		}
		c.t.Logf("node %d misses %d; told: %d by numbers, %d by the stream's count in %d gaps, %d resets, %d bad, %d repeats",
			i, missing[i], r.holes, r.trimmed, r.gaps, r.resets, r.bad, len(r.repeated))
	}
	return missing
}

// awaitResets waits until so many first nodes were told that the stream is another one. A reader compares its count with
// Redis' now and then, and at the stream's end at the latest.
func (c *cluster) awaitResets(first int) {
	c.t.Helper()
	timeout := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := 0; i < first; {
		if c.members[i].seen.report().resets > 0 {
			i++
			continue
		}
		select {
		case <-tick.C:
		case <-timeout:
			c.t.Fatalf("node %d was not told within %s that the stream is another one", i, patience)
		}
	}
}

// wantOneEpoch checks that all nodes have one name for the log's new life.
func (c *cluster) wantOneEpoch() {
	c.t.Helper()
	first := c.members[0].seen.report().epoch
	for i, m := range c.members {
		if is := m.seen.report().epoch; is != first || is == "" {
			c.t.Errorf("node %d calls the log's new life %q, node 0 %q", i, is, first)
		}
	}
}

// wantNoErrors checks that every message is in the log.
func (c *cluster) wantNoErrors() {
	c.t.Helper()
	for _, o := range c.history.outcomes {
		if o.err != nil {
			c.t.Errorf("%s could not be published: %v", o.event, o.err)
			return
		}
	}
}
