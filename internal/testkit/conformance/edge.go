package conformance

import (
	"fmt"
	"slices"
	"testing"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// EdgeHarness says how to open an edge.
type EdgeHarness struct {
	// Open makes an edge without sockets, with the namespaces `/` and `/other`, for one test alone; it is closed with
	// the test (t.Cleanup).
	Open func(t *testing.T) EdgeFixture
}

// EdgeFixture is an edge with a way to put sockets on it.
type EdgeFixture struct {
	Edge ports.Edge
	// AddSocket connects a client to a namespace and returns when its socket is in the rooms, its own included.
	AddSocket func(namespace string, rooms ...string) EdgeSocket
	// OnServerSideEmit sets what the application answers to an event from another node, in `/`.
	OnServerSideEmit func(event string, answer func(domain.Packet) domain.Value)
}

// EdgeSocket is a socket with its client.
type EdgeSocket struct {
	ID domain.SocketID
	// Receive waits for the next packet that the client gets and fails the test after a while; answer is nil when
	// no ack is wanted.
	Receive func(t *testing.T) (packet domain.Packet, answer func(domain.Value))
	// Gone is closed when the socket has left its namespace.
	Gone <-chan struct{}
}

// Edge tests an implementation of ports.Edge.
func Edge(t *testing.T, h EdgeHarness) {
	run := func(name string, test func(t *testing.T, k *edgeKit)) {
		t.Run(name, func(t *testing.T) { test(t, &edgeKit{EdgeFixture: h.Open(t)}) })
	}
	run("Deliver/targets", deliverTargets)
	run("Deliver/order", deliverOrder)
	run("Deliver/payload", deliverPayload)
	run("Deliver/acks", deliverAcks)
	run("Deliver/offset", deliverOffset)
	run("Apply/join and leave", applyRooms)
	run("Apply/disconnect", applyDisconnect)
	run("Sockets", socketsListed)
	run("namespaces", edgeNamespaces)
	run("ServerSideEmit/handled", serverSideHandled)
	run("ServerSideEmit/not handled", serverSideUnhandled)
}

// edgeKit is what one test works with.
type edgeKit struct{ EdgeFixture }

// targetCases are what sockets in a, in a and b, in b, and in no room receive.
var targetCases = []struct {
	target domain.Target
	want   []bool
}{
	{domain.Target{}, []bool{true, true, true, true}},
	{domain.Target{Rooms: []string{"a"}}, []bool{true, true, false, false}},
	{domain.Target{Rooms: []string{"a", "b"}}, []bool{true, true, true, false}},
	{domain.Target{Rooms: []string{"a", "b"}, Except: []string{"b"}}, []bool{true, false, false, false}},
	{domain.Target{Except: []string{"a"}}, []bool{false, false, true, true}},
	{domain.Target{Rooms: []string{"nobody"}}, []bool{false, false, false, false}},
	{domain.Target{Rooms: []string{"b", "b"}, Except: []string{"nobody"}}, []bool{false, true, true, false}},
}

func (k *edgeKit) fourSockets() []EdgeSocket {
	return []EdgeSocket{
		k.AddSocket("/", "a"), k.AddSocket("/", "a", "b"), k.AddSocket("/", "b"), k.AddSocket("/"),
	}
}

func (k *edgeKit) deliver(t *testing.T, target domain.Target, p domain.Packet) int {
	t.Helper()
	return k.Edge.Deliver(deadline(t), &domain.Delivery{Namespace: "/", Target: target, Packet: p})
}

// expect takes the next packet, which must be of the event.
func expect(t *testing.T, s EdgeSocket, event string) func(domain.Value) {
	t.Helper()
	p, answer := s.Receive(t)
	if p.Event() != event {
		t.Fatalf("socket %s received %q, want %q", s.ID, p.Event(), event)
	}
	return answer
}

func deliverTargets(t *testing.T, k *edgeKit) {
	sockets := k.fourSockets()
	for i, c := range targetCases {
		event, want := fmt.Sprint("case ", i), 0
		got := k.deliver(t, c.target, Packet(fmt.Sprintf("[%q]", event)))
		for j, meant := range c.want {
			if meant {
				want++
				expect(t, sockets[j], event) // in order, so what came to a wrong socket is found by the next case
			}
		}
		if got != want {
			t.Errorf("Deliver to %+v returned %d, want %d", c.target, got, want)
		}
	}
	for _, s := range sockets { // the room of its own id
		if n := k.deliver(t, domain.Target{Rooms: []string{string(s.ID)}}, Packet(`["own"]`)); n != 1 {
			t.Errorf("Deliver to one socket's own room returned %d, want 1", n)
		}
		expect(t, s, "own")
	}
}

func deliverOrder(t *testing.T, k *edgeKit) {
	s := k.AddSocket("/", "a")
	for i := range 50 {
		k.deliver(t, domain.Target{Rooms: []string{"a"}}, Packet(fmt.Sprintf(`["m%d"]`, i)))
	}
	for i := range 50 {
		expect(t, s, fmt.Sprint("m", i))
	}
}

func deliverPayload(t *testing.T, k *edgeKit) {
	s := k.AddSocket("/")
	for _, sample := range SampleMessages() {
		b, ok := sample.Message.Body.(*domain.Broadcast)
		if !ok {
			continue
		}
		k.deliver(t, domain.Target{}, b.Packet)
		got, answer := s.Receive(t)
		if diff := differ(b.Packet, got); diff != "" {
			t.Errorf("%s came changed:\n%s", sample.Name, diff)
		}
		if answer != nil {
			t.Errorf("%s asks the client for an ack that nobody wants", sample.Name)
		}
	}
}

func deliverAcks(t *testing.T, k *edgeKit) {
	sockets := k.fourSockets()
	answers := newInbox[domain.Value]()
	n := k.Edge.Deliver(deadline(t), &domain.Delivery{
		Namespace: "/", Target: domain.Target{Rooms: []string{"a"}}, Packet: Packet(`["question"]`), Ack: answers.put,
	})
	if n != 2 {
		t.Errorf("Deliver returned %d, want 2", n)
	}
	values := []domain.Value{JSONValue(`{"from":0}`), JSONValue(`{"_placeholder":true,"num":0}`, []byte("one"))}
	for i, v := range values {
		answer := expect(t, sockets[i], "question")
		if answer == nil {
			t.Fatal("the client was not asked for an ack")
		}
		answer(v)
		got := answers.wait(t, "the answer", func(all []domain.Value) bool { return len(all) > i })
		if diff := differ(v, got[i]); diff != "" {
			t.Errorf("the answer came changed:\n%s", diff)
		}
	}
	if n := len(answers.all()); n != 2 {
		t.Errorf("%d answers of two sockets", n)
	}
}

// deliverOffset checks that an offset does not change what the target means; whether clients see it depends on
// whether the namespace recovers.
func deliverOffset(t *testing.T, k *edgeKit) {
	s := k.AddSocket("/", "a")
	n := k.Edge.Deliver(deadline(t), &domain.Delivery{
		Namespace: "/", Target: domain.Target{Rooms: []string{"a"}}, Packet: Packet(`["hello"]`),
		Offset: "1526919030474-55",
	})
	if n != 1 {
		t.Errorf("Deliver returned %d, want 1", n)
	}
	expect(t, s, "hello")
}

func applyRooms(t *testing.T, k *edgeKit) {
	sockets := k.fourSockets()
	apply := func(op domain.RoomOperation, want int) {
		t.Helper()
		if n := k.Edge.Apply(deadline(t), "/", op, ""); n != want {
			t.Errorf("Apply of %+v returned %d, want %d", op, n, want)
		}
	}
	reached := func(room string, want ...int) {
		t.Helper()
		if n := k.deliver(t, domain.Target{Rooms: []string{room}}, Packet(`["to room"]`)); n != len(want) {
			t.Errorf("%d sockets are in %q, want %d", n, room, len(want))
		}
		for _, i := range want {
			expect(t, sockets[i], "to room")
		}
	}
	apply(&domain.Join{Target: domain.Target{Rooms: []string{"a"}}, Rooms: []string{"new", "newer"}}, 2)
	reached("new", 0, 1)
	reached("newer", 0, 1)
	apply(&domain.Join{Rooms: []string{"new"}}, 4)
	reached("new", 0, 1, 2, 3)
	apply(&domain.Leave{
		Target: domain.Target{Rooms: []string{"new"}, Except: []string{"b"}}, Rooms: []string{"new", "a"},
	}, 2)
	reached("new", 1, 2)
	reached("a", 1)
	apply(&domain.Leave{Target: domain.Target{Rooms: []string{string(sockets[2].ID)}}, Rooms: []string{"b", "none"}}, 1)
	reached("b", 1)
	apply(&domain.Leave{Target: domain.Target{Rooms: []string{"nobody"}}, Rooms: []string{"a"}}, 0)
	reached("a", 1)
}

func applyDisconnect(t *testing.T, k *edgeKit) {
	sockets := k.fourSockets()
	leave := func(op *domain.Disconnect, want int, gone ...int) {
		t.Helper()
		if n := k.Edge.Apply(deadline(t), "/", op, ""); n != want {
			t.Errorf("Apply of %+v returned %d, want %d", op, n, want)
		}
		for _, i := range gone {
			select {
			case <-sockets[i].Gone:
			case <-deadline(t).Done():
				t.Fatalf("socket %d is still there", i)
			}
		}
	}
	leave(&domain.Disconnect{Target: domain.Target{Rooms: []string{"nobody"}}}, 0)
	leave(&domain.Disconnect{Target: domain.Target{Rooms: []string{"a"}, Except: []string{"b"}}}, 1, 0)
	if n := k.deliver(t, domain.Target{}, Packet(`["left"]`)); n != 3 {
		t.Errorf("%d sockets are left, want 3", n)
	}
	for _, s := range sockets[1:] {
		expect(t, s, "left")
	}
	leave(&domain.Disconnect{Close: true}, 3, 1, 2, 3)
	if n := k.deliver(t, domain.Target{}, Packet(`["nobody"]`)); n != 0 {
		t.Errorf("%d sockets are left, want none", n)
	}
	if list := k.Edge.Sockets(deadline(t), "/", &domain.Target{}); len(list) != 0 {
		t.Errorf("%d sockets are listed, want none", len(list))
	}
}

func socketsListed(t *testing.T, k *edgeKit) {
	sockets := k.fourSockets()
	rooms := [][]string{{"a"}, {"a", "b"}, {"b"}, nil}
	for _, c := range targetCases {
		var want []domain.SocketID
		for i, meant := range c.want {
			if meant {
				want = append(want, sockets[i].ID)
			}
		}
		var got []domain.SocketID
		for _, s := range k.Edge.Sockets(deadline(t), "/", &c.target) {
			got = append(got, s.ID)
			i := slices.IndexFunc(sockets, func(known EdgeSocket) bool { return known.ID == s.ID })
			if i < 0 {
				t.Fatalf("socket %s is listed, which nobody has added", s.ID)
			}
			own := append([]string{string(s.ID)}, rooms[i]...)
			slices.Sort(own)
			listed := slices.Sorted(slices.Values(s.Rooms))
			if !slices.Equal(listed, own) {
				t.Errorf("socket %d is in %q, want %q", i, listed, own)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("Sockets of %+v are %q, want %q", c.target, got, want)
		}
	}
}

func edgeNamespaces(t *testing.T, k *edgeKit) {
	here, there := k.AddSocket("/", "a"), k.AddSocket("/other", "a")
	n := k.Edge.Deliver(deadline(t), &domain.Delivery{Namespace: "/other", Packet: Packet(`["for the other"]`)})
	if n != 1 {
		t.Errorf("Deliver in /other returned %d, want 1", n)
	}
	expect(t, there, "for the other")
	k.deliver(t, domain.Target{}, Packet(`["for this"]`))
	expect(t, here, "for this")

	n = k.Edge.Deliver(deadline(t), &domain.Delivery{Namespace: "/nowhere", Packet: Packet(`["hello"]`)})
	n += k.Edge.Apply(deadline(t), "/nowhere", &domain.Join{Rooms: []string{"b"}}, "")
	n += len(k.Edge.Sockets(deadline(t), "/nowhere", &domain.Target{}))
	if n != 0 {
		t.Errorf("a namespace that is not there has %d sockets", n)
	}
	k.Edge.ServerSideEmit(deadline(t), "/nowhere", ServerPacket(`["hello"]`), nil)
}

func serverSideHandled(t *testing.T, k *edgeKit) {
	got := newInbox[domain.Packet]()
	k.OnServerSideEmit("count", func(p domain.Packet) domain.Value {
		got.put(p)
		return JSONValue(`{"sockets":7}`)
	})
	asked := ServerPacket(`["count",{"of":"ü"},{"_placeholder":true,"num":0}]`, []byte{1})
	answers := newInbox[domain.Value]()
	k.Edge.ServerSideEmit(deadline(t), "/", asked, answers.put)
	answer := answers.wait(t, "the answer", func(all []domain.Value) bool { return len(all) > 0 })[0]
	if diff := differ(JSONValue(`{"sockets":7}`), answer); diff != "" {
		t.Errorf("the answer came changed:\n%s", diff)
	}
	k.Edge.ServerSideEmit(deadline(t), "/", ServerPacket(`["count"]`), nil)
	packets := got.wait(t, "the second event", func(all []domain.Packet) bool { return len(all) > 1 })
	if diff := differ(asked, packets[0]); diff != "" {
		t.Errorf("the event came changed:\n%s", diff)
	}
}

func serverSideUnhandled(t *testing.T, k *edgeKit) {
	answers := newInbox[domain.Value]()
	k.Edge.ServerSideEmit(deadline(t), "/", ServerPacket(`["nobody knows this"]`), answers.put)
	all := answers.wait(t, "an answer", func(all []domain.Value) bool { return len(all) > 0 })
	if !all[0].IsZero() || len(all) != 1 {
		t.Errorf("%d answers, the first is %v; want no value, once", len(all), all[0])
	}
	k.Edge.ServerSideEmit(deadline(t), "/", ServerPacket(`["nobody knows this"]`), nil)
}
