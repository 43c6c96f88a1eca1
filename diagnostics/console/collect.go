package console

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
)

const (
	// askEvery is the pause between two questions while somebody looks, askTimeout how long answers are waited for. A node
	// that leaves a question without an answer for a second is suspect to the one that asks.
	askEvery   = time.Second
	askTimeout = 1500 * time.Millisecond
	// lookedFor is how long after the last request somebody still looks.
	lookedFor = 10 * time.Second
	// keepFor is how long what happened is shown, and nodes that are gone.
	keepFor = 10 * time.Minute
	// silentAfter is how long a node may leave questions without an answer until the page says so.
	silentAfter = 2500 * time.Millisecond
)

// What is kept of each node at the most.
const (
	maxSamples = 600
	maxEvents  = 1500
	maxNodes   = 200
)

// collector asks all nodes again and again while somebody looks, and keeps what they say: a node that is gone cannot say
// it again.
type collector struct {
	ctx   context.Context //nolint:containedctx // the console's lifetime, no caller's
	asker Asker
	boot  string
	loops sync.WaitGroup
	asked chan struct{} // closed when the first question to all was answered

	mu       sync.Mutex
	looked   time.Time
	running  bool
	first    bool
	revision uint64
	nodes    map[domain.NodeID]*node
	self     domain.NodeID
	// reached is when the others were asked last without an error but missing answers, failed why they could not be asked
	// since.
	reached time.Time
	failed  string
}

// node is what is known of a node.
type node struct {
	status diagnostics.Status
	// heard is when it answered last, by this process' clock; missed that it did not answer the last question.
	heard  time.Time
	missed bool
	// listed is when it was last a member in the sight of this node.
	listed time.Time

	samples []diagnostics.Sample
	// sampleRevisions and the revisions of the events say when each came in.
	sampleRevisions []uint64
	events          []seen
}

type seen struct {
	diagnostics.Event
	revision uint64
}

func newCollector(ctx context.Context, asker Asker) *collector {
	return &collector{
		ctx: ctx, asker: asker, boot: rand.Text()[:12], asked: make(chan struct{}), nodes: make(map[domain.NodeID]*node),
	}
}

// look says that somebody looks, and waits until there is something to see.
func (c *collector) look(ctx context.Context) {
	c.mu.Lock()
	c.looked = time.Now()
	if !c.running && c.ctx.Err() == nil {
		c.running = true
		c.loops.Go(c.run)
	}
	c.mu.Unlock()
	select {
	case <-c.asked:
	case <-ctx.Done():
	case <-c.ctx.Done():
	}
}

func (c *collector) wait() { c.loops.Wait() }

// run asks until nobody looks any more. This node is asked every second, also while the others do not answer.
func (c *collector) run() {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	answered := make(chan struct{}, 1)
	answered <- struct{}{} // nobody is being asked
	for {
		self := c.asker.AskSelf(c.question())
		c.take(&self)
		select {
		case <-answered:
			c.loops.Go(func() {
				c.askAll()
				answered <- struct{}{}
			})
		default:
		}
		select {
		case <-ticker.C:
		case <-c.ctx.Done():
			return
		}
		if !c.isWatched() {
			return
		}
	}
}

// isWatched reports whether somebody still looks; if not, the loop has ended.
func (c *collector) isWatched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = time.Since(c.looked) < lookedFor
	return c.running
}

// question asks for what is new.
func (c *collector) question() diagnostics.Question {
	c.mu.Lock()
	defer c.mu.Unlock()
	events, samples := make(map[domain.NodeID]uint64), make(map[domain.NodeID]uint64)
	for id, n := range c.nodes {
		if time.Since(n.heard) > time.Minute && id != c.self {
			continue // a question has its limits too, and this one does not answer
		}
		for i := range n.events {
			events[id] = max(events[id], n.events[i].Seq)
		}
		if len(n.samples) > 0 {
			samples[id] = uint64(n.samples[len(n.samples)-1].Time)
		}
	}
	return diagnostics.Question{
		Status: &diagnostics.StatusQuestion{}, Events: &diagnostics.Since{After: events}, Samples: &diagnostics.Since{After: samples},
	}
}

func (c *collector) askAll() {
	ctx, cancel := context.WithTimeout(c.ctx, askTimeout)
	defer cancel()
	reply, err := c.asker.Ask(ctx, c.question())
	if reply != nil {
		for i := range reply.Answers {
			c.take(&reply.Answers[i])
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.failed = err.Error()
	case reply.Err != nil && len(reply.Missing) == 0 && reply.Unnamed == 0:
		c.failed = reply.Err.Error()
	default:
		c.failed, c.reached = "", time.Now()
		c.miss(reply.Missing)
	}
	c.forget()
	if !c.first {
		c.first = true
		close(c.asked)
	}
}

// miss notes who did not answer. A node that was never heard, because it died before anybody looked, is shown as well.
func (c *collector) miss(missing []diagnostics.MemberStatus) {
	for _, m := range missing {
		n := c.node(m.Node)
		if n == nil {
			continue
		}
		n.missed, n.listed = true, time.Now()
		if n.status.Name == "" {
			n.status = diagnostics.Status{Node: m.Node, Name: m.Name, Version: m.Version, Started: m.Started}
		}
	}
}

// node is what is known of a node, made if need be; nil when there are too many. mu is held.
func (c *collector) node(id domain.NodeID) *node {
	n, ok := c.nodes[id]
	if !ok {
		if len(c.nodes) >= maxNodes {
			return nil
		}
		n = &node{listed: time.Now()}
		c.nodes[id] = n
	}
	return n
}

// take keeps a node's answer.
func (c *collector) take(a *diagnostics.Answer) {
	if a.Status == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.node(a.Node)
	if n == nil {
		return
	}
	c.revision++
	n.status, n.heard, n.listed, n.missed = *a.Status, time.Now(), time.Now(), false
	if c.self == "" {
		c.self = a.Node // this node is asked first
	}
	last := diagnostics.Instant(0)
	if len(n.samples) > 0 {
		last = n.samples[len(n.samples)-1].Time
	}
	for _, s := range a.Samples {
		if s.Time > last { // two questions can be under way at once
			n.samples, n.sampleRevisions = append(n.samples, s), append(n.sampleRevisions, c.revision)
			last = s.Time
		}
	}
	if over := len(n.samples) - maxSamples; over > 0 {
		n.samples, n.sampleRevisions = slices.Delete(n.samples, 0, over), slices.Delete(n.sampleRevisions, 0, over)
	}
	for _, e := range a.Events {
		n.takeEvent(seen{e, c.revision})
	}
	if over := len(n.events) - maxEvents; over > 0 {
		n.events = slices.Delete(n.events, 0, over)
	}
}

func (n *node) takeEvent(e seen) {
	at := slices.IndexFunc(n.events, func(old seen) bool { return old.ID == e.ID })
	switch {
	case at < 0:
		n.events = append(n.events, e)
	case n.events[at].Seq < e.Seq:
		n.events[at] = e
	}
}

// forget lets go nodes that are gone for long. mu is held.
func (c *collector) forget() {
	for id, n := range c.nodes {
		if id != c.self && time.Since(n.listed) > keepFor {
			delete(c.nodes, id)
		}
	}
}

// The states of a node on the page.
const (
	stateHealthy  = "healthy"
	stateProblem  = "problem"
	stateDraining = "draining"
	stateSilent   = "silent"
	stateLeft     = "left"
	stateLost     = "lost"
)

// stateOf is how a node is, with what is known of its end. mu is held.
func (c *collector) stateOf(id domain.NodeID, n *node, now time.Time) string {
	silent := id != c.self && (n.missed || now.Sub(n.heard) > silentAfter)
	switch {
	case silent:
		return c.endOf(id, n)
	case n.status.Draining:
		return stateDraining
	case !n.status.Healthy:
		return stateProblem
	default:
		return stateHealthy
	}
}

// endOf is what this node knows of one that does not answer: the last word counts, if it is newer than the node's own. It
// is said by the same clock as tells when that was heard.
func (c *collector) endOf(id domain.NodeID, n *node) string {
	state, at := stateSilent, diagnostics.Instant(0)
	if !n.heard.IsZero() {
		at = diagnostics.At(n.heard)
	}
	self := c.nodes[c.self]
	if self == nil {
		return state
	}
	for i := range self.events {
		e := &self.events[i]
		if e.Peer != id || e.Last < at {
			continue
		}
		switch e.Kind {
		case "member left":
			state, at = stateLeft, e.Last
		case "member lost":
			state, at = stateLost, e.Last
		case "member joined", "member back":
			state, at = stateSilent, e.Last
		}
	}
	return state
}

// nodeView is a node as the page gets it, with what is new.
type nodeView struct {
	ID         domain.NodeID                 `json:"id"`
	Name       string                        `json:"name"`
	Version    string                        `json:"version,omitempty"`
	State      string                        `json:"state"`
	Problems   []string                      `json:"problems,omitempty"`
	Started    diagnostics.Instant           `json:"started,omitempty"`
	SilentFor  float64                       `json:"silentFor"`
	ClockAhead float64                       `json:"clockAhead"`
	ClockKnown bool                          `json:"clockKnown"`
	Readers    []diagnostics.Reader          `json:"readers,omitempty"`
	Namespaces []diagnostics.NamespaceStatus `json:"namespaces,omitempty"`
	Recording  diagnostics.Recording         `json:"recording"`
	Samples    diagnostics.Samples           `json:"samples"`
}

// eventView is an event with the node that tells it.
type eventView struct {
	Node domain.NodeID `json:"node"`
	diagnostics.Event
}

// view is what the page gets: everything, or what came in after a revision.
type view struct {
	Boot     string              `json:"boot"`
	Revision uint64              `json:"revision"`
	Now      diagnostics.Instant `json:"now"`
	Self     domain.NodeID       `json:"self"`
	// Reached is for how many seconds the others could not be asked, and Error why; 0 when they can.
	Unreached float64     `json:"unreached"`
	Error     string      `json:"error,omitempty"`
	Nodes     []nodeView  `json:"nodes"`
	Events    []eventView `json:"events"`
}

func (c *collector) view(boot string, after uint64) view {
	c.mu.Lock()
	defer c.mu.Unlock()
	if boot != c.boot || after > c.revision {
		after = 0
	}
	now := time.Now()
	v := view{
		Boot: c.boot, Revision: c.revision, Now: diagnostics.At(now), Self: c.self, Error: c.failed,
		Nodes: []nodeView{}, Events: []eventView{},
	}
	if c.failed != "" {
		v.Unreached = now.Sub(c.reached).Seconds()
		if c.reached.IsZero() {
			v.Unreached = 0
		}
	}
	for id, n := range c.nodes {
		is := nodeView{
			ID: id, Name: n.status.Name, Version: n.status.Version, State: c.stateOf(id, n, now), Problems: n.status.Problems,
			Started: n.status.Started, ClockAhead: n.status.ClockAhead, ClockKnown: n.status.ClockKnown,
			Readers: n.status.Readers, Recording: n.status.Recording, Samples: diagnostics.Samples{},
		}
		if !n.heard.IsZero() {
			is.SilentFor = now.Sub(n.heard).Seconds()
		}
		if id == c.self {
			is.Namespaces = n.status.Namespaces
		}
		for i := range n.samples {
			if n.sampleRevisions[i] > after {
				is.Samples = append(is.Samples, n.samples[i])
			}
		}
		for i := range n.events {
			if n.events[i].revision > after {
				v.Events = append(v.Events, eventView{id, n.events[i].Event})
			}
		}
		v.Nodes = append(v.Nodes, is)
	}
	slices.SortFunc(v.Nodes, func(a, b nodeView) int { return strings.Compare(a.Name+string(a.ID), b.Name+string(b.ID)) })
	slices.SortFunc(v.Events, func(a, b eventView) int { return int(a.First - b.First) })
	return v
}
