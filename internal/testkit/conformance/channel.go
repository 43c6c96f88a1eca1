package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// ChannelHarness says how to open an ephemeral lane and what it can do.
type ChannelHarness struct {
	// Open makes a lane and its log, for one test alone; they are closed with the test (t.Cleanup).
	Open func(t *testing.T) ChannelCluster
	// HasOwnLane: the lane is not served over the log. Only then nobody but the addressed node receives a message,
	// listeners hear their own namespace alone, and what was sent before they listened is gone.
	HasOwnLane bool
}

// ChannelCluster is one lane, as several processes see it.
type ChannelCluster struct {
	// Member connects once more. It is closed with the test.
	Member func() ChannelMember
}

// ChannelMember is one connection, to the lane and to the log over which it may be served.
type ChannelMember struct {
	Log     ports.Log
	Channel ports.Channel
}

// Channel tests an implementation of ports.Channel, together with the log at whose tail its messages may arrive.
func Channel(t *testing.T, h ChannelHarness) {
	run := func(name string, test func(t *testing.T, k *channelKit)) {
		t.Run(name, func(t *testing.T) { test(t, &channelKit{ChannelHarness: h, ChannelCluster: h.Open(t)}) })
	}
	run("Send/round trip", sendRoundTrip)
	run("Send/to all", sendToAll)
	run("Send/to one", sendToOne)
	run("Send/order of a sender", sendOrder)
	run("Send/nobody listens", sendToNobody)
	run("Send/context", sendContext)
	run("Send/many at once", sendMany)
	run("Listen/everything after its return", listenAfterReturn)
	run("Listen/context bounds the start alone", listenContext)
	run("Listen/closing", listenClosing)
	if h.HasOwnLane {
		run("Listen/own namespace", listenNamespace)
		run("Listen/nothing is stored", listenNothingStored)
	}
}

// channelKit is what one test works with.
type channelKit struct {
	ChannelHarness
	ChannelCluster
}

// node is a node that takes messages from both ways.
type node struct {
	ChannelMember
	*inbox[*domain.Message]
	id       domain.NodeID
	listener ports.Subscription
}

// HandleMessage keeps what comes from the channel.
func (n *node) HandleMessage(ctx context.Context, m *domain.Message) {
	if ctx.Err() != nil {
		m = labelled("the handler's context was over")
	}
	n.put(m)
}

// HandleEntry keeps what comes from the log.
func (n *node) HandleEntry(_ context.Context, e *domain.Entry) { n.put(&e.Message) }

// HandleNotice drops notices.
func (n *node) HandleNotice(context.Context, domain.Notice) {}

// node makes a node that listens in `/`.
func (k *channelKit) node(t *testing.T, id domain.NodeID) *node {
	t.Helper()
	n := &node{ChannelMember: k.Member(), inbox: newInbox[*domain.Message](), id: id}
	tail, err := n.Log.Tail(deadline(t), "", n)
	if err != nil {
		t.Fatalf("Tail: %v", err)
	}
	closing(t, tail)
	n.listener, err = n.Channel.Listen(deadline(t), "/", id, n)
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	closing(t, n.listener)
	return n
}

func (n *node) send(t *testing.T, to domain.NodeID, m *domain.Message) {
	t.Helper()
	if err := n.Channel.Send(deadline(t), to, m); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

// receive waits until a message of a label has come, and returns the labels of all.
func (n *node) receive(t *testing.T, last string) []string {
	t.Helper()
	return messageLabels(n.wait(t, fmt.Sprintf("the message %q at %s", last, n.id), func(all []*domain.Message) bool {
		return slices.Contains(messageLabels(all), last)
	}))
}

func messageLabels(messages []*domain.Message) []string {
	texts := make([]string, len(messages))
	for i, m := range messages {
		texts[i] = label(m)
	}
	return texts
}

// question is what goes over the lane: a server-side emit that can be told by its event's name.
func question(label string) *domain.Message { return questionIn("/", label) }

func questionIn(namespace, label string) *domain.Message {
	return &domain.Message{
		Node:      SampleNode,
		Namespace: namespace,
		Body:      &domain.ServerSideEmit{Packet: ServerPacket(fmt.Sprintf("[%q]", label)), Request: SampleRequest},
	}
}

const (
	nodeA domain.NodeID = "aaaaaaaaaaaaaaaa"
	nodeB domain.NodeID = "bbbbbbbbbbbbbbbb"
	nodeC domain.NodeID = "cccccccccccccccc"
)

// sendRoundTrip sends every request and every answer that the samples have, to all and to the node alone.
func sendRoundTrip(t *testing.T, k *channelKit) {
	a, b := k.node(t, nodeA), k.node(t, nodeB)
	count := 0
	for _, to := range []domain.NodeID{"", nodeB} {
		used, fresh := SampleMessages(), SampleMessages()
		for i, s := range used {
			if kind := s.Message.Kind(); kind < domain.KindFetchSockets || kind > domain.KindAck {
				continue
			}
			if k.HasOwnLane {
				s.Message.After, fresh[i].Message.After = "1526919030474-55", "1526919030474-55"
			}
			a.send(t, to, s.Message)
			count++
			got := b.wait(t, s.Name, func(all []*domain.Message) bool { return len(all) >= count })
			if diff := Difference(fresh[i].Message, got[count-1]); diff != "" {
				t.Errorf("%s sent to %q came changed:\n%s", s.Name, to, diff)
			}
			if diff := differ(*fresh[i].Message, *s.Message); diff != "" {
				t.Errorf("%s: Send has changed the message:\n%s", s.Name, diff)
			}
		}
	}
}

func sendToAll(t *testing.T, k *channelKit) {
	a, b, c := k.node(t, nodeA), k.node(t, nodeB), k.node(t, nodeC)
	a.send(t, "", question("one"))
	b.receive(t, "one")
	c.receive(t, "one")
	b.send(t, "", question("two"))
	for _, n := range []*node{a, c} {
		if got := n.receive(t, "two"); count(got, "two") != 1 {
			t.Errorf("%s received %q", n.id, got)
		}
	}
	if n := count(messageLabels(a.all()), "one"); n > 1 {
		t.Errorf("the sender received its own message %d times", n)
	}
}

func sendToOne(t *testing.T, k *channelKit) {
	a, b, c := k.node(t, nodeA), k.node(t, nodeB), k.node(t, nodeC)
	a.send(t, nodeB, question("for b"))
	a.send(t, "", question("for all"))
	b.receive(t, "for b")
	if got := b.receive(t, "for all"); count(got, "for b") != 1 || count(got, "for all") != 1 {
		t.Errorf("b received %q, want each once", got)
	}
	if got := c.receive(t, "for all"); k.HasOwnLane && slices.Contains(got, "for b") {
		t.Errorf("c received %q, want nothing that is for b alone", got)
	}
}

func sendOrder(t *testing.T, k *channelKit) {
	const messages = 40
	a, b := k.node(t, nodeA), k.node(t, nodeB)
	var want []string
	for i := range messages {
		want = append(want, fmt.Sprint("m", i))
		to := nodeB
		if i%2 == 0 {
			to = ""
		}
		a.send(t, to, question(want[i]))
	}
	b.wait(t, "all messages", func(all []*domain.Message) bool { return len(all) >= messages })
	var all, direct []string
	for _, l := range messageLabels(b.all()) {
		if i := slices.Index(want, l); i%2 == 0 {
			all = append(all, l)
		} else {
			direct = append(direct, l)
		}
	}
	// The way to all and the way to one may be two, each in order.
	for i := range messages / 2 {
		if all[i] != want[2*i] || direct[i] != want[2*i+1] {
			t.Fatalf("out of order: %q to all, %q to the node", all, direct)
		}
	}
}

func sendToNobody(t *testing.T, k *channelKit) {
	m := k.Member()
	for _, to := range []domain.NodeID{"", nodeC} {
		if err := m.Channel.Send(deadline(t), to, question("anybody?")); err != nil {
			t.Errorf("Send to %q, where nobody listens: %v", to, err)
		}
	}
}

func sendContext(t *testing.T, k *channelKit) {
	a, b := k.node(t, nodeA), k.node(t, nodeB)
	if err := a.Channel.Send(cancelled(), "", question("late")); err == nil {
		t.Error("Send with a context that is over returned no error")
	}
	if s, err := a.Channel.Listen(cancelled(), "/late", nodeA, a); err == nil {
		closing(t, s)
		t.Error("Listen with a context that is over returned no error")
	}
	a.send(t, "", question("next"))
	b.receive(t, "next")
}

func sendMany(t *testing.T, k *channelKit) {
	const senders, each = 4, 20
	a, b, c := k.node(t, nodeA), k.node(t, nodeB), k.node(t, nodeC)
	ctx := deadline(t)
	var wg sync.WaitGroup
	for s := range senders {
		from := []*node{a, b}[s%2]
		wg.Go(func() {
			for i := range each {
				if err := from.Channel.Send(ctx, "", question(fmt.Sprintf("%d-%02d", s, i))); err != nil {
					t.Errorf("Send: %v", err)
				}
			}
		})
	}
	wg.Wait()
	c.wait(t, "all messages", func(all []*domain.Message) bool { return len(all) >= senders*each })
	got := messageLabels(c.all())
	for s := range senders {
		prefix := fmt.Sprintf("%d-", s)
		own := slices.DeleteFunc(slices.Clone(got), func(l string) bool { return !strings.HasPrefix(l, prefix) })
		if len(own) != each || !slices.IsSorted(own) {
			t.Errorf("the messages of goroutine %d came as %q", s, own)
		}
	}
}

func listenAfterReturn(t *testing.T, k *channelKit) {
	a, b := k.node(t, nodeA), k.node(t, nodeB)
	for i := range 15 {
		if err := b.listener.Close(); err != nil {
			t.Fatalf("round %d: Close: %v", i, err)
		}
		var err error
		if b.listener, err = b.Channel.Listen(deadline(t), "/", nodeB, b); err != nil {
			t.Fatalf("round %d: Listen: %v", i, err)
		}
		all, direct := fmt.Sprint("all ", i), fmt.Sprint("direct ", i)
		a.send(t, "", question(all))
		a.send(t, nodeB, question(direct))
		b.receive(t, all)
		b.receive(t, direct)
	}
	closing(t, b.listener)
}

func listenContext(t *testing.T, k *channelKit) {
	a, b := k.node(t, nodeA), k.node(t, nodeB)
	if err := b.listener.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	ctx, cancel := context.WithCancel(deadline(t))
	s, err := b.Channel.Listen(ctx, "/", nodeB, b)
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	closing(t, s)
	cancel()
	a.send(t, "", question("after the cancel"))
	b.receive(t, "after the cancel")
}

func listenClosing(t *testing.T, k *channelKit) {
	a, b, c := k.node(t, nodeA), k.node(t, nodeB), k.node(t, nodeC)
	a.send(t, "", question("before"))
	b.receive(t, "before")
	for range 2 {
		if err := b.listener.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	a.send(t, "", question("after"))
	c.receive(t, "after")
	if got := messageLabels(b.all()); k.HasOwnLane && slices.Contains(got, "after") {
		t.Errorf("a closed listener received %q", got)
	}
}

func listenNamespace(t *testing.T, k *channelKit) {
	a, b := k.node(t, nodeA), k.node(t, nodeB)
	a.send(t, "", questionIn("/other", "elsewhere"))
	a.send(t, nodeB, questionIn("/other", "elsewhere, to b"))
	a.send(t, "", question("here"))
	a.send(t, nodeB, question("here, to b"))
	b.receive(t, "here")
	b.receive(t, "here, to b")
	if got := messageLabels(b.all()); len(got) != 2 {
		t.Errorf("the listener of / received %q", got)
	}
}

func listenNothingStored(t *testing.T, k *channelKit) {
	a := k.node(t, nodeA)
	a.send(t, "", question("early"))
	a.send(t, nodeB, question("early, to b"))
	b := k.node(t, nodeB)
	a.send(t, "", question("now"))
	a.send(t, nodeB, question("now, to b"))
	b.receive(t, "now")
	b.receive(t, "now, to b")
	if got := messageLabels(b.all()); len(got) != 2 {
		t.Errorf("who came later received %q", got)
	}
}

func count(list []string, text string) int {
	n := 0
	for _, l := range list {
		if l == text {
			n++
		}
	}
	return n
}
