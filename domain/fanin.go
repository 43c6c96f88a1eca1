package domain

import (
	"maps"
	"slices"
)

// FanIn collects the answers of many nodes to one request. Every node that is expected has a slot: a named one, or an
// anonymous one for peers that have no name until they answer. Each slot is filled once; what comes late or twice
// changes nothing.
//
// A slot may be in doubt: its node has missed a deadline and was not heard since. Its answer counts like any other, but
// Settled does not wait for it.
type FanIn[A any] struct {
	waiting   map[NodeID]doubt
	anonymous int
	doubtful  int // of the anonymous ones
	heard     map[NodeID]struct{}
	answers   []Answer[A]
	lost      []NodeID
}

// doubt says whether a slot is in doubt.
type doubt bool

// Answer is what one node answered.
type Answer[A any] struct {
	Node  NodeID
	Value A
}

// NewFanIn returns a fan-in that waits for the named nodes and for so many that have no name.
func NewFanIn[A any](named []NodeID, anonymous int) *FanIn[A] {
	f := &FanIn[A]{
		waiting:   make(map[NodeID]doubt, len(named)),
		anonymous: max(anonymous, 0),
		heard:     make(map[NodeID]struct{}, len(named)),
	}
	for _, id := range named {
		f.waiting[id] = false
	}
	return f
}

// Doubt puts the slots of nodes in doubt, and so many of the anonymous ones.
func (f *FanIn[A]) Doubt(named []NodeID, anonymous int) {
	for _, id := range named {
		if _, waiting := f.waiting[id]; waiting {
			f.waiting[id] = true
		}
	}
	f.doubtful = anonymous
}

// Answer fills a node's slot, or an anonymous one. It reports whether the answer counts: not when the node has
// answered or was given up, nor when no slot is left for it.
func (f *FanIn[A]) Answer(from NodeID, value A) bool {
	if !f.take(from) {
		return false
	}
	f.answers = append(f.answers, Answer[A]{Node: from, Value: value})
	return true
}

// take ends the wait for a node, by its name or as one of the unnamed.
func (f *FanIn[A]) take(id NodeID) bool {
	if !f.awaits(id) {
		return false
	}
	if _, named := f.waiting[id]; named {
		delete(f.waiting, id)
	} else {
		f.anonymous--
	}
	f.heard[id] = struct{}{}
	return true
}

// Expect adds a slot for a node that turns out to have the request as well. It does nothing when the node has a slot,
// or has answered.
func (f *FanIn[A]) Expect(id NodeID) {
	_, done := f.heard[id]
	if _, waiting := f.waiting[id]; !done && !waiting {
		f.waiting[id] = false
	}
}

// awaits reports whether an answer of the node would count.
func (f *FanIn[A]) awaits(id NodeID) bool {
	if _, done := f.heard[id]; done {
		return false
	}
	_, named := f.waiting[id]
	return named || f.anonymous > 0
}

// Leave completes the slot of a node that has said goodbye: it has nothing to answer any more, so nothing is missing.
func (f *FanIn[A]) Leave(id NodeID) {
	if _, named := f.waiting[id]; named {
		f.take(id)
	}
}

// Lose completes the slot of a node that has fallen silent: its answer is missing.
func (f *FanIn[A]) Lose(id NodeID) {
	if _, named := f.waiting[id]; named {
		f.take(id)
		f.lost = append(f.lost, id)
	}
}

// Done reports whether every slot is filled.
func (f *FanIn[A]) Done() bool { return len(f.waiting) == 0 && f.anonymous == 0 }

// Settled reports whether every slot is filled but those in doubt.
func (f *FanIn[A]) Settled() bool {
	for _, inDoubt := range f.waiting {
		if !inDoubt {
			return false
		}
	}
	return f.anonymous <= f.doubtful
}

// Answers are the answers so far, in the order in which they came.
func (f *FanIn[A]) Answers() []Answer[A] { return f.answers }

// Values are the answers without their nodes.
func (f *FanIn[A]) Values() []A {
	values := make([]A, len(f.answers))
	for i, a := range f.answers {
		values[i] = a.Value
	}
	return values
}

// Err says who is missing when the waiting ends now, because of cause; nil when nobody is.
func (f *FanIn[A]) Err(cause error) error {
	missing := f.missing()
	if len(missing) == 0 && f.anonymous == 0 {
		return nil
	}
	if f.Done() {
		cause = nil
	}
	return &PartialError{Missing: missing, Unnamed: f.anonymous, Err: cause}
}

func (f *FanIn[A]) missing() []NodeID {
	missing := slices.Concat(f.lost, slices.Collect(maps.Keys(f.waiting)))
	slices.Sort(missing)
	return missing
}

// AckFanIn collects the acks of a broadcast: from each node the number of sockets that it delivered to, then that
// many answers.
type AckFanIn struct {
	counts *FanIn[int]
	nodes  map[NodeID]*nodeAcks
	acks   []Value
	single bool
}

type nodeAcks struct {
	expected int // -1 until the node has said it
	received int
	ended    bool // nothing more will come
}

// NewAckFanIn returns a fan-in that waits for the named nodes and for so many that have no name.
func NewAckFanIn(named []NodeID, anonymous int) *AckFanIn {
	return &AckFanIn{counts: NewFanIn[int](named, anonymous), nodes: make(map[NodeID]*nodeAcks)}
}

// ExpectOne says that one socket at the most is meant. The node that has counted it is the only one that matters then:
// nobody else is waited for.
func (f *AckFanIn) ExpectOne() { f.single = true }

// Doubt puts slots in doubt, as [FanIn.Doubt] does. Once a node has said its count its sockets are waited for.
func (f *AckFanIn) Doubt(named []NodeID, anonymous int) { f.counts.Doubt(named, anonymous) }

// Count takes a node's number of sockets. It reports whether it counts.
func (f *AckFanIn) Count(from NodeID, clients int) bool {
	if !f.counts.Answer(from, clients) {
		return false
	}
	f.node(from).expected = max(clients, 0)
	return true
}

// Ack takes one socket's answer. It reports whether it counts: not when the node has sent as many as it counted, was
// given up, or has no slot. An answer may come before the count.
func (f *AckFanIn) Ack(from NodeID, value Value) bool {
	n, known := f.nodes[from]
	if known && (n.ended || (n.expected >= 0 && n.received >= n.expected)) {
		return false
	}
	if (!known || n.expected < 0) && !f.counts.awaits(from) {
		return false
	}
	f.node(from).received++
	f.acks = append(f.acks, value)
	return true
}

func (f *AckFanIn) node(id NodeID) *nodeAcks {
	n, ok := f.nodes[id]
	if !ok {
		n = &nodeAcks{expected: -1}
		f.nodes[id] = n
	}
	return n
}

// Expect adds a slot for a node, as [FanIn.Expect] does.
func (f *AckFanIn) Expect(id NodeID) { f.counts.Expect(id) }

// Leave completes the slot of a node that has said goodbye; answers that its sockets still owe are missing.
func (f *AckFanIn) Leave(id NodeID) {
	f.end(id)
	f.counts.Leave(id)
}

// Lose completes the slot of a node that has fallen silent; its count, and answers that its sockets still owe, are
// missing.
func (f *AckFanIn) Lose(id NodeID) {
	f.end(id)
	f.counts.Lose(id)
}

// end takes no more answers of a node that has, or may have, a part in this.
func (f *AckFanIn) end(id NodeID) {
	if _, known := f.nodes[id]; known || f.counts.awaits(id) {
		f.node(id).ended = true
	}
}

// Done reports whether every node has said its count and every counted socket has answered or cannot any more.
func (f *AckFanIn) Done() bool { return (f.counts.Done() || f.found()) && f.answered() }

// Settled reports whether nothing is missing but the counts of nodes in doubt.
func (f *AckFanIn) Settled() bool { return (f.counts.Settled() || f.found()) && f.answered() }

// found reports whether one socket is meant and a node has it.
func (f *AckFanIn) found() bool {
	if !f.single {
		return false
	}
	for _, n := range f.nodes {
		if n.expected > 0 {
			return true
		}
	}
	return false
}

// answered reports whether every socket that was counted so far has answered or cannot any more.
func (f *AckFanIn) answered() bool {
	for _, n := range f.nodes {
		if !n.ended && n.received < n.expected {
			return false
		}
	}
	return true
}

// Acks are the answers so far, in the order in which they came.
func (f *AckFanIn) Acks() []Value { return f.acks }

// Err says what is missing when the waiting ends now, because of cause; nil when nothing is.
func (f *AckFanIn) Err(cause error) error {
	owed := 0
	for _, n := range f.nodes {
		owed += max(n.expected-n.received, 0)
	}
	missing, unnamed := f.counts.missing(), f.counts.anonymous
	if f.found() {
		missing, unnamed = nil, 0
	}
	if len(missing) == 0 && unnamed == 0 && owed == 0 {
		return nil
	}
	if f.Done() {
		cause = nil
	}
	return &PartialError{Missing: missing, Unnamed: unnamed, MissingAcks: owed, Err: cause}
}
