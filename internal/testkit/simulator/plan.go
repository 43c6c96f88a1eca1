package simulator

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// plan is what a seed means: a cluster, how the network behaves, and what is done and goes wrong at which time. It is
// made before anything runs, so a run cannot change it, and so that a part of it can be left out.
type plan struct {
	seed       uint64
	nodes      int
	clients    int
	rooms      int
	namespaces []string
	maxLength  int // of the log; negative: everything is kept
	lane       lane
	sessions   bool
	network    network
	actions    []action
}

// lane is what nodes have for requests.
type lane uint8

const (
	plainChannel    lane = iota // that does not know who listens
	countingChannel             // that knows: the log is the lane while somebody is cut off
)

// network is how messages travel while there is trouble. Shares are of a thousand.
type network struct {
	append time.Duration // up to which appends, answers and reads usually take
	slow   int           // share of them that take up to slowBy
	slowBy time.Duration
	failed int // share of appends that end in another way than stored
	lost   int // share of messages on the channel that nobody receives
	silent int // share of sockets and handlers that do not answer
}

// deed is a kind of action.
type deed uint8

const (
	doBroadcast deed = iota
	doAcked
	doVolatile
	doLocal
	doEmitter
	doOperate
	doFetch
	doServerEmit
	doServerAsk
	doConnect
	doJoin
	doLeave
	doDisconnect
	doHalfOpen
	doNotice
	doSetData
	doCut
	doMend
	doHold
	doResume
	doFreeze
	doThaw
	doKill
	doClose
	doStart
	doTrim
	doReset
	doLost
	deeds
)

var deedNames = [deeds]string{
	"broadcast", "broadcast with acks", "volatile broadcast", "local broadcast", "emitter's broadcast", "room operation",
	"fetch sockets", "server-side emit", "server-side emit with ack", "connect", "join", "leave", "disconnect",
	"connection breaks", "break is noticed", "set data", "cut", "mend", "hold", "resume", "freeze", "thaw", "kill",
	"close", "start", "trim", "reset", "session is lost",
}

func (d deed) String() string { return deedNames[d] }

// action is something done at a time. Which of the numbers mean something depends on the deed; what cannot be done
// then (the node is down, the client is not there) is left out.
type action struct {
	at        time.Duration
	do        deed
	node      int
	client    int
	namespace int
	rooms     []int // negative: the own room of a client, counted from -1
	except    []int
	variant   int
	timeout   time.Duration
}

func (a action) String() string {
	return fmt.Sprintf("%s node %d client %d ns %d rooms %v except %v variant %d timeout %s",
		a.do, a.node, a.client, a.namespace, a.rooms, a.except, a.variant, a.timeout)
}

const (
	// settleTime is how long a healed cluster is left alone: longer than it takes to notice a death.
	settleTime = 20 * time.Second
	// answerTime is how long it is left alone after the last questions: longer than they may wait for answers.
	answerTime = 8 * time.Second
)

// planner makes a plan out of chance.
type planner struct {
	*rand.Rand
	plan
	now     time.Duration
	weights [deeds]int
}

// newPlan makes the plan of a seed.
func newPlan(seed uint64) *plan {
	p := &planner{Rand: rand.New(rand.NewPCG(seed, 0x726f6f6d627573))}
	p.seed = seed
	p.cluster()
	p.chooseWeights()
	p.begin()
	for range 40 + p.IntN(60) {
		p.now += p.pause()
		p.act()
	}
	slices.SortStableFunc(p.actions, func(a, b action) int { return cmp.Compare(a.at, b.at) })
	return &p.plan
}

// perMille is true so many times of a thousand.
func (p *planner) perMille(n int) bool { return p.IntN(1000) < n }

func (p *planner) cluster() {
	p.nodes = 1 + p.IntN(4)
	if p.nodes == 1 && p.perMille(700) {
		p.nodes = 3
	}
	p.clients = 2 + p.IntN(6)
	p.rooms = 1 + p.IntN(4)
	p.namespaces = []string{"/"}
	if p.perMille(300) {
		p.namespaces = append(p.namespaces, "/b")
	}
	p.maxLength = []int{-1, -1, 1000, 40}[p.IntN(4)]
	p.lane = lane(p.IntN(2))
	p.sessions = p.perMille(700)
	p.network = network{
		append: []time.Duration{time.Microsecond, time.Millisecond, 20 * time.Millisecond}[p.IntN(3)],
		slow:   []int{0, 20, 150}[p.IntN(3)],
		slowBy: []time.Duration{200 * time.Millisecond, 3 * time.Second}[p.IntN(2)],
		failed: []int{0, 0, 30, 200}[p.IntN(4)],
		lost:   []int{0, 0, 50}[p.IntN(3)],
		silent: []int{0, 0, 100}[p.IntN(3)],
	}
}

// chooseWeights says how often each deed is done. Not everything is done in every plan: what is left out makes room
// for more of the rest.
func (p *planner) chooseWeights() {
	usual := [deeds]int{
		doBroadcast: 30, doAcked: 6, doVolatile: 4, doLocal: 4, doEmitter: 4, doOperate: 12, doFetch: 6,
		doServerEmit: 4, doServerAsk: 4, doConnect: 16, doJoin: 14, doLeave: 12, doDisconnect: 4, doHalfOpen: 8,
		doSetData: 2, doCut: 4, doHold: 5, doFreeze: 3, doKill: 3, doClose: 2, doStart: 4, doTrim: 2, doReset: 1,
	}
	for do, weight := range usual {
		always := deed(do) == doBroadcast || deed(do) == doConnect || deed(do) == doStart
		if always || p.perMille(650) {
			p.weights[do] = weight
		}
	}
	if !p.perMille(150) {
		p.weights[doReset] = 0
	}
}

// begin connects the first clients.
func (p *planner) begin() {
	for i := range p.clients {
		if p.perMille(800) {
			p.now += p.pause() / 10
			p.add(action{do: doConnect, node: p.IntN(p.nodes), client: i, namespace: p.IntN(len(p.namespaces)), rooms: p.some(p.rooms)})
		}
	}
}

func (p *planner) pause() time.Duration {
	switch n := p.IntN(100); {
	case n < 30:
		return 0
	case n < 70:
		return time.Duration(p.IntN(int(5 * time.Millisecond)))
	case n < 92:
		return time.Duration(p.IntN(int(200 * time.Millisecond)))
	default:
		return time.Duration(p.IntN(int(3 * time.Second)))
	}
}

func (p *planner) add(a action) {
	a.at = p.now
	p.actions = append(p.actions, a)
}

// later adds an action that ends what another has begun.
func (p *planner) later(a action, after time.Duration) {
	a.at = p.now + after
	p.actions = append(p.actions, a)
}

// some chooses up to three of n.
func (p *planner) some(n int) []int {
	var chosen []int
	for range p.IntN(min(n, 3) + 1) {
		if i := p.IntN(n); !slices.Contains(chosen, i) {
			chosen = append(chosen, i)
		}
	}
	return chosen
}

func (p *planner) choose() deed {
	sum := 0
	for _, weight := range p.weights {
		sum += weight
	}
	n := p.IntN(sum)
	for do, weight := range p.weights {
		if n -= weight; n < 0 {
			return deed(do)
		}
	}
	return doBroadcast
}

func (p *planner) act() {
	a := action{
		do: p.choose(), node: p.IntN(p.nodes), client: p.IntN(p.clients), namespace: p.IntN(len(p.namespaces)),
		rooms: p.some(p.rooms), variant: p.IntN(1000),
	}
	a.timeout = []time.Duration{0, 0, 300 * time.Millisecond, 2 * time.Second}[p.IntN(4)]
	if p.perMille(150) {
		a.rooms = append(a.rooms, -1-p.IntN(p.clients))
	}
	if p.perMille(250) {
		a.except = p.some(p.rooms)
	}
	p.add(a)
	switch a.do {
	case doBroadcast, doOperate:
		// What is done right behind a message is where its way back matters.
		if p.perMille(300) {
			p.add(action{
				do: []deed{doJoin, doLeave, doDisconnect, doConnect}[p.IntN(4)], node: a.node, client: p.IntN(p.clients),
				namespace: a.namespace, rooms: p.some(p.rooms), variant: p.IntN(1000),
			})
			a.rooms = p.some(p.rooms)
			p.add(a)
		}
	case doHalfOpen:
		p.later(action{do: doNotice, client: a.client}, p.length(10*time.Second))
		if p.perMille(800) {
			p.later(action{do: doConnect, node: p.IntN(p.nodes), client: a.client, namespace: a.namespace, rooms: a.rooms}, p.length(12*time.Second))
		}
	case doCut:
		p.later(action{do: doMend, node: a.node}, p.length(20*time.Second))
	case doHold:
		p.later(action{do: doResume, node: a.node}, p.length(5*time.Second))
	case doFreeze:
		p.later(action{do: doThaw, node: a.node}, p.length(20*time.Second))
	case doKill, doClose:
		p.later(action{do: doStart, node: a.node}, p.length(20*time.Second))
	default:
	}
}

// length is mostly short and seldom as long as it may be.
func (p *planner) length(longest time.Duration) time.Duration {
	if p.perMille(500) {
		longest /= 20
	}
	return time.Duration(p.Int64N(int64(longest)))
}

// describe says what kind of cluster it is.
func (p *plan) describe() string {
	channel := "a plain channel"
	if p.lane == countingChannel {
		channel = "a channel that counts its listeners"
	}
	return fmt.Sprintf("seed %d: %d nodes, %d clients, %d rooms in %s, a log of %d entries, %s, sessions %t, network %+v, %d actions",
		p.seed, p.nodes, p.clients, p.rooms, strings.Join(p.namespaces, " and "), p.maxLength, channel, p.sessions, p.network, len(p.actions))
}
