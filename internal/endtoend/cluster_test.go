package endtoend

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/nodejs"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

const (
	clientCount = 60
	// calm is how many messages are published where nothing happens.
	calm = rate
	// cuts is how many clients lose their connections meanwhile.
	cuts = 6
	// underWay is how many clients are on their way back when something happens to a node.
	underWay = 15
	midway   = true
	// frozen is how many messages are published while a node stands still: for 15 s.
	frozen = 15 * rate
)

// transports are those of the clients, in turn; nil is polling and an upgrade.
var transports = [][]string{{"websocket"}, {"websocket"}, {"polling"}, {"websocket"}, nil}

// cluster is three nodes behind a front, with clients.
type cluster struct {
	t       *testing.T
	redis   *realredis.Server
	front   *front
	log     journal
	nodes   []*node
	started int
	process *nodejs.Clients
	clients []*nodejs.Client
	phases  []phase
	chance  *rand.Rand
}

// phase is a part of the test.
type phase struct {
	title string
	from  time.Time
	first int // the number of the first message
}

// start starts one more node.
func (c *cluster) start() {
	c.t.Helper()
	c.started++
	n := serve(c.t, fmt.Sprint("node ", c.started), c.redis.URL(), &c.log)
	c.nodes = append(c.nodes, n)
	c.front.add(n.addr)
}

// without takes a node that has ended out.
func (c *cluster) without(n *node) {
	c.front.remove(n.addr)
	c.nodes = slices.DeleteFunc(c.nodes, func(other *node) bool { return other == n })
}

// where asks a client on which node it is, until that is one of those that run; nil when time is over.
func (c *cluster) where(ctx context.Context, client *nodejs.Client) *node {
	for ctx.Err() == nil {
		var presence struct{ Node string }
		answer, err := client.EmitWithAck(patience/3, "who", "")
		if err == nil {
			err = answer.Decode(&presence)
		}
		if err != nil {
			continue // it is on its way
		}
		if i := slices.IndexFunc(c.nodes, func(n *node) bool { return n.name == presence.Node }); i >= 0 {
			return c.nodes[i]
		}
	}
	return nil
}

// settled waits until all clients are on nodes that run, and says who is where.
func (c *cluster) settled() map[*node][]*nodejs.Client {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	var asking sync.WaitGroup
	found := make([]*node, len(c.clients))
	for i, client := range c.clients {
		asking.Go(func() { found[i] = c.where(ctx, client) })
	}
	asking.Wait()
	at := make(map[*node][]*nodejs.Client)
	for i, n := range found {
		if n == nil {
			c.t.Fatalf("%s was on no node that runs within %s", c.clients[i].Name(), patience)
		}
		at[n] = append(at[n], c.clients[i])
	}
	return at
}

// fullest is the node with the most clients.
func (c *cluster) fullest() (*node, []*nodejs.Client) {
	c.t.Helper()
	at := c.settled()
	n := slices.MaxFunc(c.nodes, func(a, b *node) int { return len(at[a]) - len(at[b]) })
	return n, at[n]
}

// connect connects the clients, over each transport, and puts each into its rooms. It returns their sockets and where
// they are.
func (c *cluster) connect() ([]string, rooms) {
	c.t.Helper()
	c.process = nodejs.StartClients(c.t)
	var sockets []string
	where := make(rooms)
	for i := range clientCount {
		name := fmt.Sprint("client ", i)
		client := c.process.Connect(name, c.front.url, nodejs.ConnectOptions{Transports: transports[i%len(transports)]})
		socket := client.ID()
		in := map[string]bool{socket: true, fixedRoom(i): true, fixedRoom(i/fixedRooms + i + 1): true}
		for room := range in {
			if room == socket {
				continue
			}
			if _, err := client.EmitWithAck(patience, "join", room); err != nil {
				c.t.Fatalf("%s joins %s: %v", name, room, err)
			}
		}
		where[name] = in
		c.clients, sockets = append(c.clients, client), append(sockets, socket)
	}
	return sockets, where
}

// enter begins a phase.
func (c *cluster) enter(title string, l *load) {
	c.t.Logf("%s %s", time.Now().Format("15:04:05.000"), title)
	c.phases = append(c.phases, phase{title, time.Now(), int(l.sent.Load())})
}

// cut cuts the connections of some clients, by chance, and does not wait for what they do about it.
func (c *cluster) cut(n int) {
	c.t.Helper()
	for _, i := range c.chance.Perm(len(c.clients))[:n] {
		c.cutOff(i)
	}
}

// cutOff cuts a client's connection, unless the official client would get into trouble of its own: one that is about to
// connect does not notice it for its timeout of 20 s; one that is about to upgrade closes when the upgrade is done, in the
// middle of an answer to a poll, keeps the packets of that as received without their offsets, and hands them on a second
// time when they were replayed.
func (c *cluster) cutOff(i int) {
	c.t.Helper()
	state := c.clients[i].State()
	if upgrades := transports[i%len(transports)] == nil; state.Connected && (!upgrades || state.Transport == "websocket") {
		c.clients[i].Break()
	}
}

// calm lets messages be published, and cuts a few clients meanwhile.
func (c *cluster) calm(l *load) {
	c.t.Helper()
	for range cuts {
		l.more(calm / cuts)
		c.cut(1)
	}
}

// TestNothingIsLostWhateverHappensToNodes restarts three nodes one after the other, kills one, and stops one for 15
// seconds, while an emitter publishes and gives orders to join and leave rooms. Clients lose their connections all the
// time, and some are on their way back when something happens to a node. Each of 60 official clients comes back every
// time, and has received in the end what the log says that it must, once and in order.
func TestNothingIsLostWhateverHappensToNodes(t *testing.T) {
	c := &cluster{t: t, redis: realredis.Start(t)}
	c.front = startFront(t)
	for range 3 {
		c.start()
	}
	sockets, where := c.connect()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	transport := connect(t, c.redis.URL())
	c.chance = rand.New(rand.NewPCG(seed, 1))
	l := newLoad(t, transport, sockets, rand.New(rand.NewPCG(seed, 0)))
	beginning := l.all("beginning")

	c.enter("all is well", l)
	l.start()
	c.calm(l)

	for _, n := range slices.Clone(c.nodes) {
		c.enter("SIGTERM for "+n.name, l)
		c.cut(underWay)
		n.stop(t)
		c.without(n)
		c.start()
		c.settled()
		c.calm(l)
	}

	killed, _ := c.fullest()
	c.enter("kill -9 of "+killed.name, l)
	c.cut(underWay)
	killed.Kill()
	c.without(killed)
	c.settled()
	c.start()
	c.calm(l)

	stopped, those := c.fullest()
	c.enter("SIGSTOP of "+stopped.name, l)
	c.cut(underWay)
	if err := stopped.Pause(); err != nil {
		t.Fatal(err)
	}
	l.more(frozen / 5)
	for i, client := range those {
		if i%2 == 0 { // the others wait
			c.cutOff(slices.Index(c.clients, client))
		}
	}
	l.more(frozen - frozen/5)
	if err := stopped.Resume(); err != nil {
		t.Fatal(err)
	}
	c.settled()
	c.calm(l)
	l.stop()

	l.all("end")
	until(t, "all clients have received the last event", func() bool {
		return len(c.process.Events(nodejs.Named("end"))) == clientCount
	})
	entries, err := read(t.Context(), transport.Log(), beginning)
	if err != nil {
		t.Fatalf("read the log: %v", err)
	}
	expected, err := expect(entries, where)
	if err != nil {
		t.Fatal(err)
	}
	c.judge(expected, int(l.sent.Load()))
	c.process.Stop()
	for _, n := range c.nodes {
		n.stop(t)
	}
}

// judge compares what clients have received with what they should have, and tells it by phase.
func (c *cluster) judge(expected map[string][]message, sent int) {
	c.t.Helper()
	var a account
	received := make(map[string][]message)
	for _, e := range c.process.Events(nodejs.Named(eventName)) {
		var m message
		if err := e.Args.Decode(&m.number, &m.offset); err != nil {
			c.t.Errorf("%s received %s: %v", e.Client, e.Args, err)
		}
		received[e.Client] = append(received[e.Client], m)
	}
	outcomes, fresh := c.outcomes()
	deliveries := 0
	for _, client := range c.clients {
		deliveries += len(expected[client.Name()])
		// Who was told that it has a new session is told of by itself: it has lost its rooms.
		if !slices.ContainsFunc(client.Events(nodejs.OfKind(nodejs.Connect))[1:], func(e nodejs.Event) bool { return !e.Recovered }) {
			a.settle(client.Name(), received[client.Name()], expected[client.Name()])
		}
	}
	c.report(&a, expected, outcomes, fresh, sent)
	for _, words := range a.first {
		c.t.Error(words)
	}
	for _, name := range a.about {
		c.t.Error(c.story(name))
	}
	for _, lines := range fresh {
		for _, line := range lines {
			c.t.Error(line)
		}
	}
	if recovered := len(c.process.Events(nodejs.OfKind(nodejs.Connect))) - clientCount; recovered < clientCount {
		c.t.Errorf("clients came back %d times; what was done should have cost each its connection", recovered)
	}
	if deliveries < sent {
		c.t.Errorf("%d deliveries were expected of %d messages: the test does not test much", deliveries, sent)
	}
}

// story is what a client saw around its connections: each of its comings and goings, with what it received just before
// and just after, and what the nodes have logged of its socket.
func (c *cluster) story(name string) string {
	const around = 6
	var text strings.Builder
	var sockets []string
	events := c.process.Events(nodejs.FromClient(name))
	next := 0 // not told yet
	for i, e := range events {
		if e.Kind == nodejs.Received {
			continue
		}
		if e.Kind == nodejs.Connect && !slices.Contains(sockets, e.Socket) {
			sockets = append(sockets, e.Socket)
		}
		for _, e := range events[max(next, i-around):min(len(events), i+around)] {
			fmt.Fprintf(&text, "\n\t%s", e)
		}
		next = min(len(events), i+around)
	}
	for _, line := range c.log.recoveries() {
		if slices.Contains(sockets, line.Socket) {
			fmt.Fprintf(&text, "\n\t%s %s: %s: %s", line.Time.Format("15:04:05.000"), line.Node, line.Outcome, line.Reason)
		}
	}
	return name + ":" + text.String()
}

// outcomes counts by phase how the nodes say that recoveries ended, and tells which clients were not recovered.
func (c *cluster) outcomes() (outcomes []map[string]int, fresh [][]string) {
	outcomes, fresh = make([]map[string]int, len(c.phases)), make([][]string, len(c.phases))
	at := func(when time.Time) int {
		i := len(c.phases) - 1
		for i > 0 && when.Before(c.phases[i].from) {
			i--
		}
		return i
	}
	for i := range outcomes {
		outcomes[i] = make(map[string]int)
	}
	recoveries := c.log.recoveries()
	for _, line := range recoveries {
		outcomes[at(line.Time)][line.Outcome]++
	}
	for _, client := range c.clients {
		for i, e := range client.Events(nodejs.OfKind(nodejs.Connect)) {
			if i == 0 || e.Recovered {
				continue
			}
			phase := at(e.At())
			fresh[phase] = append(fresh[phase], fmt.Sprintf("%s has a new session: %s%s", client.Name(), e, reasons(recoveries)))
		}
	}
	return outcomes, fresh
}

// reasons are those for which nodes gave somebody a new session.
func reasons(recoveries []logLine) string {
	var text strings.Builder
	for _, line := range recoveries {
		if line.Outcome != domain.Recovered.String() {
			fmt.Fprintf(&text, "\n\t%s %s: socket %s, %s: %s",
				line.Time.Format("15:04:05.000"), line.Node, line.Socket, line.Outcome, line.Reason)
		}
	}
	return text.String()
}

// report prints a table with a row a phase.
func (c *cluster) report(a *account, expected map[string][]message, outcomes []map[string]int, fresh [][]string, sent int) {
	c.t.Helper()
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "phase\tseconds\trecoveries\tnot recovered\tmessages\tdeliveries\tmissing\ttwice\tout of order\tstrange")
	for i, p := range c.phases {
		end, last := time.Now(), sent
		if i+1 < len(c.phases) {
			end, last = c.phases[i+1].from, c.phases[i+1].first
		}
		within := func(numbers []int) (n int) {
			for _, number := range numbers {
				if number >= p.first && number < last {
					n++
				}
			}
			return n
		}
		deliveries := 0
		for _, list := range expected {
			for _, m := range list {
				deliveries += within([]int{m.number})
			}
		}
		fmt.Fprintf(table, "%s\t%.1f\t%v\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", p.title, end.Sub(p.from).Seconds(), outcomes[i],
			len(fresh[i]), last-p.first, deliveries, within(a.missing), within(a.twice), within(a.disordered), within(a.strange))
	}
	if err := table.Flush(); err != nil {
		c.t.Error(err)
	}
	c.t.Logf("%d clients, %d deliveries:\n%s", clientCount, a.received, text.String())
	for _, line := range c.log.warnings() {
		c.t.Logf("%s %s: %s", line.Time.Format("15:04:05.000"), line.Node, line.Text)
	}
}
