package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
)

// questionTimeout bounds what somebody waits for a question of his own.
const questionTimeout = 2 * time.Second

// maxText bounds what can be searched for.
const maxText = 256

// state is what has changed since the page asked last.
func (c *Console) state(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), questionTimeout+askTimeout)
	defer cancel()
	c.collector.look(ctx)
	after, err := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	if err != nil { // the page asks for the first time
		after = 0
	}
	answer(w, c.collector.view(r.URL.Query().Get("boot"), after))
}

// ask asks all nodes, for a request.
func (c *Console) ask(w http.ResponseWriter, r *http.Request, q diagnostics.Question) (*diagnostics.Reply, bool) {
	ctx, cancel := context.WithTimeout(r.Context(), questionTimeout)
	defer cancel()
	q.Status = &diagnostics.StatusQuestion{} // the clocks
	reply, err := c.collector.asker.Ask(ctx, q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, false
	}
	return reply, true
}

// search is a parameter that is searched for.
func search(w http.ResponseWriter, r *http.Request, name string) (string, bool) {
	text := r.URL.Query().Get(name)
	if len(text) > maxText {
		http.Error(w, "That is too long to be searched for.", http.StatusBadRequest)
		return "", false
	}
	return text, true
}

// askedNode is a node that was asked: the page shows who answered, who did not, and how the clocks stand.
type askedNode struct {
	ID         domain.NodeID `json:"id"`
	Name       string        `json:"name"`
	Answered   bool          `json:"answered"`
	Truncated  bool          `json:"truncated,omitempty"`
	ClockAhead float64       `json:"clockAhead"`
	ClockKnown bool          `json:"clockKnown"`
	// Since is when the oldest span that it remembers has ended.
	Since diagnostics.Instant `json:"since,omitempty"`
}

func askedNodes(reply *diagnostics.Reply, part string) []askedNode {
	var nodes []askedNode
	for i := range reply.Answers {
		a := &reply.Answers[i]
		n := askedNode{ID: a.Node, Name: a.Name, Answered: a.Error == "", Truncated: slices.Contains(a.Truncated, part)}
		if a.Status != nil {
			n.ClockAhead, n.ClockKnown, n.Since = a.Status.ClockAhead, a.Status.ClockKnown, a.Status.Recording.Since
		}
		nodes = append(nodes, n)
	}
	for _, m := range reply.Missing {
		nodes = append(nodes, askedNode{ID: m.Node, Name: m.Name})
	}
	return nodes
}

// whole is a trace put together from what all nodes say of it.
type whole struct {
	diagnostics.Trace
	Nodes []domain.NodeID `json:"nodes"`
}

// traces lists recent traces of all nodes, the newest first.
func (c *Console) traces(w http.ResponseWriter, r *http.Request) {
	match, ok := search(w, r, "match")
	if !ok {
		return
	}
	reply, ok := c.ask(w, r, diagnostics.Question{Traces: &diagnostics.TracesQuestion{Match: match, Limit: 100}})
	if !ok {
		return
	}
	answer(w, struct {
		Traces []whole     `json:"traces"`
		Nodes  []askedNode `json:"nodes"`
	}{merge(reply.Answers), askedNodes(reply, "traces")})
}

// merge puts the traces of all nodes together. Times are put onto the log's clock, where it is known.
func merge(answers []diagnostics.Answer) []whole {
	byID := make(map[string]*whole)
	all := []whole{}
	for i := range answers {
		a := &answers[i]
		var ahead diagnostics.Instant
		if a.Status != nil && a.Status.ClockKnown {
			ahead = diagnostics.Instant(a.Status.ClockAhead * 1e6)
		}
		for _, t := range a.Traces {
			t.Start, t.End = t.Start-ahead, t.End-ahead
			if is, known := byID[t.ID]; known {
				is.add(t, a.Node)
			} else {
				byID[t.ID] = &whole{Trace: t, Nodes: []domain.NodeID{a.Node}}
			}
		}
	}
	for _, t := range byID {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b whole) int { return int(b.Start - a.Start) })
	return all
}

// add adds what one more node says. Where the trace began, its name is known best.
func (t *whole) add(other diagnostics.Trace, from domain.NodeID) {
	t.Nodes = append(t.Nodes, from)
	t.Spans += other.Spans
	t.Failed = t.Failed || other.Failed
	if other.Root && !t.Root || other.Root == t.Root && other.Start < t.Start {
		t.Name, t.Root, t.Kind, t.Namespace = other.Name, other.Root, other.Kind, other.Namespace
	}
	if t.Offset == "" {
		t.Offset = other.Offset
	}
	t.Start, t.End = min(t.Start, other.Start), max(t.End, other.End)
}

// spanView is a span with the node on which it was.
type spanView struct {
	Node domain.NodeID `json:"node"`
	diagnostics.Span
}

// trace is all spans of a trace, or of the message at an offset.
func (c *Console) trace(w http.ResponseWriter, r *http.Request) {
	id, ok := search(w, r, "id")
	if !ok {
		return
	}
	offset, ok := search(w, r, "offset")
	if !ok {
		return
	}
	if (id == "") == (offset == "") {
		http.Error(w, "Which trace? Give its id, or the offset of a message.", http.StatusBadRequest)
		return
	}
	reply, ok := c.ask(w, r, diagnostics.Question{Spans: &diagnostics.SpansQuestion{Trace: id, Offset: offset}})
	if !ok {
		return
	}
	spans := []spanView{}
	for i := range reply.Answers {
		for _, s := range reply.Answers[i].Spans {
			spans = append(spans, spanView{reply.Answers[i].Node, s})
		}
	}
	answer(w, struct {
		Spans []spanView  `json:"spans"`
		Nodes []askedNode `json:"nodes"`
	}{spans, askedNodes(reply, "spans")})
}
