package domain_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
)

const (
	self    domain.NodeID = "self"
	suspect               = 7500 * time.Millisecond
	timeout               = 10 * time.Second
)

func newMembership() *domain.Membership { return domain.NewMembership(self, suspect, timeout) }

func said(node domain.NodeID, body domain.Body) *domain.Message {
	return &domain.Message{Node: node, Namespace: "/", Body: body}
}

// observe tells a membership a message and returns what happened, zero for nothing.
func observe(m *domain.Membership, msg *domain.Message, second float64) domain.MemberEvent {
	change, ok := m.Observe(msg, seconds(second))
	if ok == (change.Event == 0) {
		return 255
	}
	return change.Event
}

// sweep returns what happened, as "event node".
func sweep(m *domain.Membership, second float64) []string {
	var events []string
	for _, change := range m.Sweep(seconds(second)) {
		events = append(events, fmt.Sprintf("%s %s", change.Event, change.Member.ID))
	}
	return events
}

func TestMembershipWhoBecomesAMember(t *testing.T) {
	ackID := uint64(3)
	for _, c := range []struct {
		name string
		node domain.NodeID
		body domain.Body
		want bool
	}{
		{"an initial heartbeat", "a", &domain.InitialHeartbeat{}, true},
		{"a heartbeat", "a", &domain.Heartbeat{}, true},
		{"a request for sockets", "a", &domain.FetchSockets{Request: "r"}, true},
		{"an answer with sockets", "a", &domain.FetchSocketsReply{Request: "r"}, true},
		{"a server-side emit that wants answers", "a", &domain.ServerSideEmit{Request: "r"}, true},
		{"an answer to it", "a", &domain.ServerSideEmitReply{Request: "r"}, true},
		{"a broadcast that wants acks", "a", &domain.Broadcast{Request: "r"}, true},
		{"a client count", "a", &domain.AckClientCount{Request: "r"}, true},
		{"an ack", "a", &domain.Ack{Request: "r"}, true},
		{"a foreign broadcast", "a", &domain.Broadcast{}, false},
		{"a foreign direct emit", "a", &domain.Broadcast{AckID: &ackID}, false},
		{"a foreign join", "a", &domain.Join{}, false},
		{"a foreign leave", "a", &domain.Leave{}, false},
		{"a foreign disconnect", "a", &domain.Disconnect{}, false},
		{"a foreign server-side emit", "a", &domain.ServerSideEmit{}, false},
		{"a goodbye", "a", &domain.Goodbye{}, false},
		{"the emitter, whatever it says", domain.EmitterID, &domain.Heartbeat{}, false},
		{"this node itself", self, &domain.Heartbeat{}, false},
		{"nobody", "", &domain.Heartbeat{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMembership()
			event, want := observe(m, said(c.node, c.body), 1), domain.MemberEvent(0)
			if c.want {
				want = domain.MemberJoined
			}
			if event != want {
				t.Fatalf("the event is %v, want %v", event, want)
			}
			if got := slices.Contains(m.IDs(), c.node); got != c.want || m.Count() != 1+len(m.IDs()) {
				t.Fatalf("the members are %q, the count is %d", m.IDs(), m.Count())
			}
		})
	}
}

func TestMembershipAnyMessageOfAMemberIsASignOfLife(t *testing.T) {
	m := newMembership()
	observe(m, said("a", &domain.Heartbeat{}), 0)
	observe(m, said("a", &domain.Broadcast{}), 9)
	if got := sweep(m, 15); got != nil {
		t.Fatalf("6 seconds after a broadcast: %q", got)
	}
	// What is heard again, or was said before, makes nobody younger or older.
	observe(m, said("a", &domain.Broadcast{}), 3)
	if got := sweep(m, 15); got != nil {
		t.Fatalf("after an older message: %q", got)
	}
}

func TestMembershipSuspicionComesBeforeLoss(t *testing.T) {
	m := newMembership()
	observe(m, said("b", &domain.Heartbeat{}), 0)
	observe(m, said("a", &domain.Heartbeat{}), 0)
	for _, c := range []struct {
		second float64
		want   []string
	}{
		{7.5, nil}, {7.6, []string{"suspect a", "suspect b"}}, {8, nil}, {10, nil}, {10.1, []string{"lost a", "lost b"}}, {20, nil},
	} {
		if got := sweep(m, c.second); !slices.Equal(got, c.want) {
			t.Fatalf("second %v: %q, want %q", c.second, got, c.want)
		}
	}
	if m.Count() != 1 {
		t.Fatalf("the count is %d, want 1", m.Count())
	}
	if got := observe(m, said("a", &domain.Heartbeat{}), 21); got != domain.MemberJoined {
		t.Fatalf("a lost node that is heard again: %v, want joined", got)
	}
}

func TestMembershipBackFromSuspicion(t *testing.T) {
	m := newMembership()
	observe(m, said("a", &domain.Heartbeat{}), 0)
	sweep(m, 8)
	if got := m.Members(); len(got) != 1 || !got[0].Suspect {
		t.Fatalf("the members are %+v, want one that is suspect", got)
	}
	if got := observe(m, said("a", &domain.Join{}), 9); got != domain.MemberBack {
		t.Fatalf("a suspect that speaks: %v, want back", got)
	}
	if got := m.Members(); got[0].Suspect {
		t.Fatal("it is still suspect")
	}
	if got := sweep(m, 16); got != nil {
		t.Fatalf("7 seconds later: %q", got)
	}
	if got := sweep(m, 17); !slices.Equal(got, []string{"suspect a"}) {
		t.Fatalf("8 seconds later: %q, want suspect again", got)
	}
}

func TestMembershipMissedDeadlines(t *testing.T) {
	m := newMembership()
	for _, node := range []domain.NodeID{"alive", "frozen", "slow"} {
		observe(m, said(node, &domain.Heartbeat{}), 0)
	}
	asked := m.Heard()
	observe(m, said("slow", &domain.Heartbeat{}), 1) // lives, but has not answered
	missed := []domain.NodeID{"frozen", "slow", "a stranger"}
	changes := m.Missed(missed, asked)
	if len(changes) != 1 || changes[0].Event != domain.MemberSuspect || changes[0].Member.ID != "frozen" {
		t.Fatalf("the changes are %+v, want that frozen is suspect", changes)
	}
	if again := m.Missed(missed, asked); again != nil {
		t.Fatalf("the same again: %+v", again)
	}
	if got := m.Suspects(); !slices.Equal(got, []domain.NodeID{"frozen"}) {
		t.Fatalf("the suspects are %q", got)
	}
	if change, ok := m.Hear(said("frozen", &domain.FetchSocketsReply{}), 2); !ok || change.Event != domain.MemberBack {
		t.Fatalf("a sign of life: %+v, want back", change)
	}
	if change, ok := m.Hear(said("a stranger", &domain.FetchSocketsReply{}), 2); ok || m.Count() != 4 {
		t.Fatalf("a stranger became a member by a mere sign of life: %+v", change)
	}
	if got := m.Suspects(); got != nil {
		t.Fatalf("the suspects are %q, want none", got)
	}
}

func TestMembershipNews(t *testing.T) {
	info := domain.NodeInfo{
		Name: "one", Version: "v1", Address: "10.0.0.1:80", StartedAt: noon, Capabilities: []string{"x", "y"},
	}
	m := newMembership()
	beat := func(change func(*domain.Heartbeat)) domain.MemberEvent {
		b := &domain.Heartbeat{Node: info}
		change(b)
		return observe(m, said("a", b), 1)
	}
	if got := beat(func(*domain.Heartbeat) {}); got != domain.MemberJoined {
		t.Fatalf("the first heartbeat: %v, want joined", got)
	}
	for _, c := range []struct {
		name   string
		change func(*domain.Heartbeat)
		want   domain.MemberEvent
	}{
		{"the same", func(*domain.Heartbeat) {}, 0},
		{"the same in another time zone", func(b *domain.Heartbeat) { b.Node.StartedAt = noon.In(time.FixedZone("", 3600)) }, 0},
		{"how far it has read", func(b *domain.Heartbeat) { b.Cursor = at(7) }, 0},
		{"draining", func(b *domain.Heartbeat) { b.Draining = true }, domain.MemberUpdated},
		{"name", func(b *domain.Heartbeat) { b.Node.Name = "two" }, domain.MemberUpdated},
		{"version", func(b *domain.Heartbeat) { b.Node.Version = "v2" }, domain.MemberUpdated},
		{"address", func(b *domain.Heartbeat) { b.Node.Address = "" }, domain.MemberUpdated},
		{"start", func(b *domain.Heartbeat) { b.Node.StartedAt = noon.Add(1) }, domain.MemberUpdated},
		{"capabilities", func(b *domain.Heartbeat) { b.Node.Capabilities = []string{"x"} }, domain.MemberUpdated},
	} {
		if got := beat(c.change); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		want := domain.Heartbeat{Node: info}
		c.change(&want)
		got := m.Members()[0]
		if !reflect.DeepEqual(got.Info, want.Node) || got.Draining != want.Draining || got.Cursor != want.Cursor {
			t.Errorf("%s: the member is %+v, want %+v", c.name, got, want)
		}
		beat(func(*domain.Heartbeat) {})
	}
	if got := observe(m, said("a", &domain.InitialHeartbeat{Heartbeat: domain.Heartbeat{Draining: true}}), 2); got != domain.MemberUpdated {
		t.Errorf("an initial heartbeat with news: %v, want updated", got)
	}
}

func TestMembershipGoodbye(t *testing.T) {
	m := newMembership()
	observe(m, said("a", &domain.Heartbeat{}), 0)
	observe(m, said("b", &domain.Heartbeat{}), 0)
	if got := observe(m, said("a", &domain.Goodbye{}), 1); got != domain.MemberLeft {
		t.Fatalf("a goodbye: %v, want left", got)
	}
	if got := m.IDs(); !slices.Equal(got, []domain.NodeID{"b"}) || m.Count() != 2 {
		t.Fatalf("the members are %q, the count is %d", got, m.Count())
	}
	if got := observe(m, said("a", &domain.Goodbye{}), 1); got != 0 {
		t.Fatalf("a second goodbye: %v, want nothing", got)
	}
}

// An answer on the channel can be read after the goodbye in the log that was said after it. Were its sender a member
// again, every request would wait for it until it is lost.
func TestMembershipNothingSaidBeforeBringsBackWhoHasLeft(t *testing.T) {
	m := newMembership()
	observe(m, said("a", &domain.Heartbeat{}), 0)
	observe(m, said("a", &domain.Goodbye{}), 1)
	observe(m, said("never seen", &domain.Goodbye{}), 1)
	for _, node := range []domain.NodeID{"a", "never seen"} {
		if got := observe(m, said(node, &domain.FetchSocketsReply{Request: "r"}), 1.1); got != 0 {
			t.Fatalf("a late answer of %s: %v, want nothing", node, got)
		}
	}
	if got := sweep(m, 11); got != nil || m.Count() != 1 {
		t.Fatalf("after the late answer: %q, the count is %d", got, m.Count())
	}
	if got := observe(m, said("a", &domain.InitialHeartbeat{}), 11); got != domain.MemberJoined {
		t.Fatalf("it introduces itself again: %v, want joined", got)
	}
	if got := observe(m, said("never seen", &domain.Heartbeat{}), 11); got != 0 {
		t.Fatalf("a heartbeat within the timeout: %v, want nothing", got)
	}
	sweep(m, 11.5)
	if got := observe(m, said("never seen", &domain.Heartbeat{}), 12); got != domain.MemberJoined {
		t.Fatalf("a heartbeat long after the goodbye: %v, want joined", got)
	}
}

func TestMemberEventString(t *testing.T) {
	for event, want := range map[domain.MemberEvent]string{
		domain.MemberJoined: "joined", domain.MemberUpdated: "updated", domain.MemberSuspect: "suspect",
		domain.MemberBack: "back", domain.MemberLeft: "left", domain.MemberLost: "lost", 0: "unknown member event",
	} {
		if got := event.String(); got != want {
			t.Errorf("event %d is %q, want %q", event, got, want)
		}
	}
}

// cluster is a reader with its clock and membership, a log, and other nodes that write a heartbeat every five seconds.
// Time goes in steps of 100 ms. Nodes that could not write while the log was away do so soon after it is back.
type cluster struct {
	rnd     *rand.Rand
	now     time.Duration
	clock   *domain.LogClock
	members *domain.Membership
	unread  []stored
	peers   map[domain.NodeID]*peer
	away    bool // the log
	stopped bool // the reader
	reads   time.Duration
	events  []string
}

type stored struct {
	at   time.Duration
	node domain.NodeID
}

type peer struct {
	next time.Duration // its next heartbeat
	dead bool
}

const pulse = 100 * time.Millisecond

func newCluster(rnd *rand.Rand, names ...domain.NodeID) *cluster {
	c := &cluster{
		rnd: rnd, clock: domain.NewLogClock(2 * time.Second), members: newMembership(), peers: map[domain.NodeID]*peer{},
	}
	for _, name := range append(names, self) {
		c.peers[name] = &peer{next: time.Duration(rnd.Int64N(int64(5 * time.Second)))}
	}
	c.run(12 * time.Second) // all have met
	if c.members.Count() != 1+len(names) {
		panic("the nodes have not met")
	}
	c.events = nil
	return c
}

func (c *cluster) run(d time.Duration) {
	for end := c.now + d; c.now < end; c.now += pulse {
		if !c.away {
			c.beat()
		}
		if !c.away && !c.stopped && c.now >= c.reads {
			c.read()
		}
	}
}

func (c *cluster) beat() {
	for _, name := range append(c.members.IDs(), self, "dead", "a", "b", "c") {
		p := c.peers[name]
		if p == nil || p.dead || p.next > c.now || (name == self && c.stopped) {
			continue
		}
		c.unread = append(c.unread, stored{c.now, name})
		p.next = c.now + 5*time.Second
	}
}

// read takes what the log holds, and tells that it stands at the tail.
func (c *cluster) read() {
	for _, e := range c.unread {
		reading := c.clock.Entry(noon.Add(e.at))
		if change, ok := c.members.Observe(said(e.node, &domain.Heartbeat{}), reading); ok {
			c.note(change)
		}
	}
	c.unread = nil
	for _, change := range c.members.Sweep(c.clock.Tail(noon.Add(c.now))) {
		c.note(change)
	}
	c.reads = c.now + time.Duration(c.rnd.Int64N(int64(time.Second)))
}

func (c *cluster) note(change domain.MemberChange) {
	c.events = append(c.events, fmt.Sprintf("%s %s", change.Event, change.Member.ID))
}

// logAway cuts everybody off from the log. Each heartbeat that was due is written within a second of its return.
func (c *cluster) logAway(d time.Duration) {
	c.away = true
	c.run(d)
	c.away = false
	for _, p := range c.peers {
		if p.next < c.now {
			p.next = c.now + time.Duration(c.rnd.Int64N(int64(time.Second)))
		}
	}
}

// stop is a SIGSTOP of the reader and a SIGCONT.
func (c *cluster) stop(d time.Duration) {
	c.stopped = true
	c.run(d)
	c.stopped = false
}

func (c *cluster) happened(event string) bool { return slices.Contains(c.events, event) }

func (c *cluster) wantNoneLost(t *testing.T) {
	t.Helper()
	for name, p := range c.peers {
		if !p.dead && (c.happened("lost "+string(name)) || name != self && !slices.Contains(c.members.IDs(), name)) {
			t.Errorf("%s lives and was dropped; events: %q", name, c.events)
		}
	}
}

// The reader is stopped for 15 s while its peers live.
func TestCase08_PauseDropsNobody(t *testing.T) {
	forSeeds(t, 200, func(t *testing.T, rnd *rand.Rand) {
		c := newCluster(rnd, "a", "b", "c")
		c.stop(15 * time.Second)
		c.run(20 * time.Second)
		c.wantNoneLost(t)
	})
}

// Redis is away for 12 s; nobody can write.
func TestCase08_LogAwayDropsNobody(t *testing.T) {
	forSeeds(t, 200, func(t *testing.T, rnd *rand.Rand) {
		c := newCluster(rnd, "a", "b", "c")
		c.logAway(12 * time.Second)
		c.run(20 * time.Second)
		c.wantNoneLost(t)
	})
}

// A node dies while the reader is stopped. Its last heartbeats, which are read a minute later, are a minute old.
func TestCase08_DeadNodesOldHeartbeatsDoNotKeepItAlive(t *testing.T) {
	forSeeds(t, 200, func(t *testing.T, rnd *rand.Rand) {
		c := newCluster(rnd, "a", "dead")
		c.stopped = true
		c.run(6 * time.Second)
		c.peers["dead"].dead = true
		c.run(60 * time.Second)
		c.stopped = false
		c.run(time.Second)
		if !c.happened("lost dead") {
			t.Errorf("a second after the reader woke the node that died a minute ago is a member; events: %q", c.events)
		}
		c.wantNoneLost(t)
	})
}

// TestMembershipThroughPausesAndOutages stops the reader and cuts the log at random for some minutes. Who lives is
// never dropped, and who dies is dropped after the timeout and what a heartbeat and a notice take, not counting the
// pauses.
func TestMembershipThroughPausesAndOutages(t *testing.T) {
	forSeeds(t, 200, func(t *testing.T, rnd *rand.Rand) {
		c := newCluster(rnd, "a", "b", "dead")
		trouble := func() {
			d := time.Duration(rnd.Int64N(int64(40 * time.Second)))
			if chance(rnd, 50) {
				d /= 20
			}
			if chance(rnd, 50) {
				c.stop(d)
			} else {
				c.logAway(d)
			}
		}
		for range 10 {
			trouble()
			c.run(2*time.Second + time.Duration(rnd.Int64N(int64(10*time.Second))))
		}
		c.wantNoneLost(t)
		c.peers["dead"].dead = true
		calm := time.Duration(0)
		for calm < timeout+2*time.Second {
			trouble()
			d := 2*time.Second + time.Duration(rnd.Int64N(int64(5*time.Second)))
			c.run(d)
			calm += d - time.Second // up to a notice
		}
		c.wantNoneLost(t)
		if !c.happened("lost dead") {
			t.Errorf("a node that has been dead for %v, pauses not counted, is a member; events: %q", calm, c.events)
		}
	})
}
