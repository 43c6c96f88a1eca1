package domain

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// NodeInfo is what a node tells about itself in its heartbeats. It is zero for Node.js servers.
type NodeInfo struct {
	Name    string
	Version string
	// Address is where other nodes reach this one, host:port; empty when they cannot.
	Address   string
	StartedAt time.Time
	// Capabilities name what the node can do, or does, beyond what all do: those of the constants below, and whatever the
	// application adds.
	Capabilities []string
}

// What nodes tell of themselves.
const (
	// CapabilityRecovery: clients that come back have their sessions again. It is on in all nodes of a namespace or in
	// none.
	CapabilityRecovery = "recovery"
	// CapabilityLocalFirst: its own sockets get what it publishes before the log has it.
	CapabilityLocalFirst = "local-first"
)

// Member is a node of the cluster, as seen by this one.
type Member struct {
	ID   NodeID
	Info NodeInfo
	// Self marks this node itself.
	Self bool
	// Draining says that it has announced to leave.
	Draining bool
	// Suspect says that it has been silent for longer than a heartbeat should take, or has left a request without an
	// answer and was not heard since the question.
	Suspect bool
	// Cursor is how far it had read at its last heartbeat.
	Cursor Offset

	seen time.Duration
	// heard counts what it has said.
	heard uint64
}

// MemberEvent is what can happen to a member.
type MemberEvent uint8

// What can happen to a member. MemberLeft is a goodbye, MemberLost is silence for longer than the timeout.
const (
	MemberJoined MemberEvent = iota + 1
	MemberUpdated
	MemberSuspect
	MemberBack
	MemberLeft
	MemberLost
)

// String is the event as a word.
func (e MemberEvent) String() string {
	switch e {
	case MemberJoined:
		return "joined"
	case MemberUpdated:
		return "updated"
	case MemberSuspect:
		return "suspect"
	case MemberBack:
		return "back"
	case MemberLeft:
		return "left"
	case MemberLost:
		return "lost"
	default:
		return "unknown member event"
	}
}

// MemberChange is something that happened to a member.
type MemberChange struct {
	Event  MemberEvent
	Member Member
}

// Membership is who else is in a namespace of the cluster. It knows no clock: times are readings of a [LogClock],
// which counts only the time in which silence means something.
//
// A Membership is not safe for concurrent use.
type Membership struct {
	self    NodeID
	suspect time.Duration
	timeout time.Duration
	members map[NodeID]*Member
	// left holds when nodes said goodbye: what they said before it may come later, on another lane.
	left map[NodeID]time.Duration
}

// NewMembership returns a membership in which nobody else is. A member is suspect when it was silent for longer than
// suspect, and lost when it was silent for longer than timeout.
func NewMembership(self NodeID, suspect, timeout time.Duration) *Membership {
	return &Membership{
		self: self, suspect: suspect, timeout: timeout,
		members: make(map[NodeID]*Member), left: make(map[NodeID]time.Duration),
	}
}

// Observe takes a message of the namespace that was said at the given reading. Only what nobody but a node says makes
// its sender a member: heartbeats, requests, answers. A process that merely emits, under whatever name, is none; any
// message of a member shows that it is alive. A node that has said goodbye stays away for the timeout, unless it
// introduces itself again: answers that it sent before, on another lane, must not bring it back.
func (m *Membership) Observe(msg *Message, at time.Duration) (MemberChange, bool) {
	if msg.Node == m.self || msg.Node == EmitterID || msg.Node == "" {
		return MemberChange{}, false
	}
	member, known := m.members[msg.Node]
	if _, goodbye := msg.Body.(*Goodbye); goodbye {
		m.left[msg.Node] = at
		return m.remove(member, MemberLeft)
	}
	if !known {
		if !m.admits(msg) {
			return MemberChange{}, false
		}
		member = &Member{ID: msg.Node}
		m.members[msg.Node] = member
	}
	changed := member.hear(msg.Body, at)
	event := MemberUpdated
	switch {
	case !known:
		event = MemberJoined
	case member.Suspect:
		event = MemberBack
	case !changed:
		return MemberChange{}, false
	}
	member.Suspect = false
	return MemberChange{Event: event, Member: *member}, true
}

// admits decides whether a message makes its unknown sender a member.
func (m *Membership) admits(msg *Message) bool {
	if _, left := m.left[msg.Node]; left {
		_, again := msg.Body.(*InitialHeartbeat)
		return again
	}
	return saidByNodesOnly(msg.Body)
}

func saidByNodesOnly(b Body) bool {
	switch b := b.(type) {
	case *InitialHeartbeat, *Heartbeat, *FetchSockets, *FetchSocketsReply, *ServerSideEmitReply, *AckClientCount, *Ack:
		return true
	case *Broadcast:
		return b.Request != ""
	case *ServerSideEmit:
		return b.Request != ""
	default:
		return false
	}
}

// Hear takes a sign of life from a lane on which one is heard without being a member: it keeps a member, and makes none.
func (m *Membership) Hear(msg *Message, at time.Duration) (MemberChange, bool) {
	if _, known := m.members[msg.Node]; !known {
		return MemberChange{}, false
	}
	return m.Observe(msg, at)
}

// Heard is how often each member was heard so far, for Missed.
func (m *Membership) Heard() map[NodeID]uint64 {
	heard := make(map[NodeID]uint64, len(m.members))
	for id, member := range m.members {
		heard[id] = member.heard
	}
	return heard
}

// Missed is told which nodes have left a request without an answer until its deadline, and what Heard was when it was
// asked: those that were not heard since are suspect. A node that is alive and merely slow to answer is heard.
func (m *Membership) Missed(nodes []NodeID, heard map[NodeID]uint64) []MemberChange {
	var changes []MemberChange
	for _, id := range nodes {
		member, known := m.members[id]
		if known && !member.Suspect && member.heard == heard[id] {
			member.Suspect = true
			changes = append(changes, MemberChange{Event: MemberSuspect, Member: *member})
		}
	}
	return changes
}

// Suspects are the ids of the members that are suspect, in order.
func (m *Membership) Suspects() []NodeID {
	var ids []NodeID
	for _, member := range m.sorted() {
		if member.Suspect {
			ids = append(ids, member.ID)
		}
	}
	return ids
}

// hear takes a message and reports whether a heartbeat tells news.
func (m *Member) hear(b Body, at time.Duration) (news bool) {
	m.seen = max(m.seen, at)
	m.heard++
	var beat *Heartbeat
	switch b := b.(type) {
	case *InitialHeartbeat:
		beat = &b.Heartbeat
	case *Heartbeat:
		beat = b
	default:
		return false
	}
	news = m.Draining != beat.Draining || !m.Info.equal(beat.Node)
	m.Info, m.Draining, m.Cursor = beat.Node, beat.Draining, beat.Cursor
	return news
}

func (i NodeInfo) equal(o NodeInfo) bool {
	return i.Name == o.Name && i.Version == o.Version && i.Address == o.Address &&
		i.StartedAt.Equal(o.StartedAt) && slices.Equal(i.Capabilities, o.Capabilities)
}

// Sweep looks for silence. It must be called only when the reader stands at the tail, with the clock's reading there:
// otherwise a heartbeat may lie unread.
func (m *Membership) Sweep(now time.Duration) []MemberChange {
	maps.DeleteFunc(m.left, func(_ NodeID, at time.Duration) bool { return now-at > m.timeout })
	var changes []MemberChange
	for _, member := range m.sorted() {
		switch silence := now - member.seen; {
		case silence > m.timeout:
			change, _ := m.remove(member, MemberLost)
			changes = append(changes, change)
		case silence > m.suspect && !member.Suspect:
			member.Suspect = true
			changes = append(changes, MemberChange{Event: MemberSuspect, Member: *member})
		}
	}
	return changes
}

func (m *Membership) remove(member *Member, event MemberEvent) (MemberChange, bool) {
	if member == nil {
		return MemberChange{}, false
	}
	delete(m.members, member.ID)
	return MemberChange{Event: event, Member: *member}, true
}

// Count is the number of nodes in the namespace, this one included.
func (m *Membership) Count() int { return 1 + len(m.members) }

// Members are the other nodes, in order of their ids.
func (m *Membership) Members() []Member {
	members := make([]Member, 0, len(m.members))
	for _, member := range m.sorted() {
		members = append(members, *member)
	}
	return members
}

// Member is another node.
func (m *Membership) Member(id NodeID) (Member, bool) {
	member, ok := m.members[id]
	if !ok {
		return Member{}, false
	}
	return *member, true
}

// IDs are the ids of the other nodes, in order.
func (m *Membership) IDs() []NodeID {
	ids := make([]NodeID, 0, len(m.members))
	for _, member := range m.sorted() {
		ids = append(ids, member.ID)
	}
	return ids
}

func (m *Membership) sorted() []*Member {
	members := make([]*Member, 0, len(m.members))
	for _, member := range m.members {
		members = append(members, member)
	}
	slices.SortFunc(members, func(a, b *Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return members
}
