// Package roster finds out from the log alone who is in a cluster: nodes say so in heartbeats, which stand in the log like
// everything else. Who only reads learns as much as a node does, and nobody learns of him.
package roster

import (
	"context"
	"maps"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/domain"
)

// Roster is a handler of the log's tail that takes note of who is there. Its methods may be called from many goroutines.
type Roster struct {
	timeout time.Duration
	streams int

	mu         sync.Mutex
	begin      time.Time // of its clock
	namespaces map[string]*namespace
	offsets    map[string][]domain.Offset // of all entries that were read, by stream
	tails      map[string]bool            // the streams whose end was reached
	caughtUp   chan struct{}
}

type namespace struct {
	stream  string
	members *domain.Membership
	heard   map[domain.NodeID]heard
	// lost are those who have fallen silent without a goodbye.
	lost map[domain.NodeID]domain.Member
}

// heard is when somebody was heard last, and where.
type heard struct {
	at     time.Time
	offset domain.Offset // of the last heartbeat
}

// maxOffsets bounds the memory for counting how far behind a node was, memory how long who is gone is remembered.
const (
	maxOffsets = 100_000
	memory     = time.Minute
)

// New returns a roster for so many streams, in which a node is lost that was silent for longer than timeout.
func New(streams int, timeout time.Duration) *Roster {
	return &Roster{
		timeout: timeout, streams: streams, namespaces: make(map[string]*namespace), offsets: make(map[string][]domain.Offset),
		tails: make(map[string]bool), caughtUp: make(chan struct{}),
	}
}

// HandleEntry takes note of who has said something.
func (r *Roster) HandleEntry(_ context.Context, e *domain.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	offsets := r.offsets[e.Stream]
	if len(offsets) >= maxOffsets {
		offsets = append([]domain.Offset(nil), offsets[len(offsets)/2:]...)
	}
	r.offsets[e.Stream] = append(offsets, e.Offset)
	m := &e.Message
	if m.Node == "" || m.Node == domain.EmitterID {
		return
	}
	if r.begin.IsZero() {
		r.begin = e.Time.Add(-time.Hour)
	}
	ns, ok := r.namespaces[m.Namespace]
	if !ok {
		ns = &namespace{
			stream: e.Stream, members: domain.NewMembership("", r.timeout*3/4, r.timeout), heard: make(map[domain.NodeID]heard),
			lost: make(map[domain.NodeID]domain.Member),
		}
		r.namespaces[m.Namespace] = ns
	}
	ns.members.Observe(m, e.Time.Sub(r.begin))
	delete(ns.lost, m.Node)
	was := ns.heard[m.Node]
	was.at = e.Time
	switch m.Kind() {
	case domain.KindHeartbeat, domain.KindInitialHeartbeat:
		was.offset = e.Offset
	case domain.KindGoodbye:
		delete(ns.heard, m.Node)
		return
	default:
	}
	ns.heard[m.Node] = was
}

// HandleNotice takes note of where the reader stands.
func (r *Roster) HandleNotice(_ context.Context, n domain.Notice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch n := n.(type) {
	case *domain.AtTail:
		if !r.tails[n.Stream] {
			r.tails[n.Stream] = true
			if len(r.tails) == r.streams {
				close(r.caughtUp)
			}
		}
	case *domain.Reset:
		delete(r.offsets, n.Stream)
	}
}

// CaughtUp is closed when the ends of all streams have been reached.
func (r *Roster) CaughtUp() <-chan struct{} { return r.caughtUp }

// Member is a node in a namespace.
type Member struct {
	domain.Member

	Namespace string
	// Heard is when it was heard last, by the log's clock.
	Heard time.Time
	// Lost says that it has fallen silent, without a goodbye, for longer than the timeout: to the others it is gone.
	Lost bool
	// Behind is how many entries its last heartbeat stood behind the place up to which it had read; negative when that
	// cannot be counted.
	Behind int
}

// IsNodeJS reports whether a member is a Node.js server, of the 0.2 line: it says nothing of itself.
func IsNodeJS(m *domain.Member) bool { return m.Info.StartedAt.IsZero() && m.Info.Name == "" }

// Stranger is somebody who has published lately and sends no heartbeats: a Node.js server of the 0.3 line, or a program
// that emits under an id of its own.
type Stranger struct {
	ID        domain.NodeID
	Namespace string
	Heard     time.Time
}

// At is who is there at a time, by the log's clock, and who was and is lost; in order.
func (r *Roster) At(now time.Time) (members []Member, strangers []Stranger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.namespaces)) {
		ns := r.namespaces[name]
		ns.forget(now)
		if len(ns.heard) == 0 {
			delete(r.namespaces, name)
			continue
		}
		for _, change := range ns.members.Sweep(now.Sub(r.begin)) {
			if change.Event == domain.MemberLost {
				ns.lost[change.Member.ID] = change.Member
			}
		}
		known := make(map[domain.NodeID]bool)
		add := func(m domain.Member, lost bool) {
			known[m.ID] = true
			members = append(members, Member{
				Member: m, Namespace: name, Heard: ns.heard[m.ID].at, Lost: lost,
				Behind: r.behind(ns.stream, m.Cursor, ns.heard[m.ID].offset),
			})
		}
		for _, m := range ns.members.Members() {
			add(m, false)
		}
		for _, id := range slices.Sorted(maps.Keys(ns.lost)) {
			add(ns.lost[id], true)
		}
		for _, id := range slices.Sorted(maps.Keys(ns.heard)) {
			if at := ns.heard[id].at; !known[id] && ns.heard[id].offset == "" && now.Sub(at) <= r.timeout {
				strangers = append(strangers, Stranger{ID: id, Namespace: name, Heard: at})
			}
		}
	}
	return members, strangers
}

// forget forgets those who were not heard for long: anybody who can write to the log can have any number of names.
func (ns *namespace) forget(now time.Time) {
	for id, was := range ns.heard {
		if now.Sub(was.at) > memory {
			delete(ns.heard, id)
			delete(ns.lost, id)
		}
	}
}

// behind counts the entries between a cursor and a heartbeat.
func (r *Roster) behind(stream string, cursor, beat domain.Offset) int {
	offsets := r.offsets[stream]
	if cursor == "" || beat == "" || len(offsets) == 0 || logview.Compare(cursor, offsets[0]) < 0 {
		return -1
	}
	place := func(o domain.Offset) int {
		return sort.Search(len(offsets), func(i int) bool { return logview.Compare(offsets[i], o) >= 0 })
	}
	return max(0, place(beat)-place(cursor)-1)
}

// Namespaces are the names of those in which somebody was heard, in order, without those of the nodes alone.
func (r *Roster) Namespaces() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := slices.Sorted(maps.Keys(r.namespaces))
	return slices.DeleteFunc(names, domain.IsReservedNamespace)
}
