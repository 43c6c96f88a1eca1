package way

import (
	"cmp"
	"slices"
	"time"

	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
)

// Span is a span of a trace with the node that remembers it.
type Span struct {
	diagnostics.Span

	Node domain.NodeID `json:"node"`
	// NodeName is the node's name.
	NodeName string `json:"nodeName,omitempty"`
	// Began and Ended are by the log's clock, as far as that can be told.
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	// Depth is how deep it is in the tree.
	Depth int `json:"depth"`
}

// Tree puts the spans of all nodes into the order of a tree: parents before their children, those of one parent in the
// order of time. A span whose parent nobody remembers is a root.
func Tree(answers []diagnostics.Answer) []*Span {
	byID := make(map[string]*Span)
	var all []*Span
	for i := range answers {
		a := &answers[i]
		for _, s := range a.Spans {
			if byID[s.ID] != nil {
				continue
			}
			span := &Span{
				Span: s, Node: a.Node, NodeName: a.Name, Began: LogTime(s.Start, a.Status), Ended: LogTime(s.End, a.Status),
			}
			byID[s.ID] = span
			all = append(all, span)
		}
	}
	children := make(map[string][]*Span)
	for _, s := range all {
		parent := parentOf(s)
		if byID[parent] == nil || parent == s.ID {
			parent = ""
		}
		children[parent] = append(children[parent], s)
	}
	ordered := make([]*Span, 0, len(all))
	placed := make(map[string]bool)
	var place func(parent string, depth int)
	place = func(parent string, depth int) {
		slices.SortFunc(children[parent], func(a, b *Span) int {
			return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID))
		})
		for _, s := range children[parent] {
			if placed[s.ID] {
				continue
			}
			placed[s.ID] = true
			s.Depth = depth
			ordered = append(ordered, s)
			place(s.ID, depth+1)
		}
	}
	place("", 0)
	for _, s := range all { // a ring of parents, which nobody but a forger makes
		if !placed[s.ID] {
			placed[s.ID] = true
			ordered = append(ordered, s)
		}
	}
	return ordered
}

// parentOf is the span above, or the one of another trace that it points at.
func parentOf(s *Span) string {
	if s.Parent == "" && len(s.Links) > 0 {
		return s.Links[0].Span
	}
	return s.Parent
}

// Bar is where a span stands in a line that is so many characters wide and begins and ends at given times: an indent and
// a length of at least one character.
func Bar(s *Span, begin, end time.Time, characters int) (indent, length int) {
	whole := max(end.Sub(begin), time.Microsecond)
	at := func(t time.Time) int {
		part := min(max(t.Sub(begin), 0), whole)
		return int(int64(characters) * int64(part) / int64(whole))
	}
	indent = min(at(s.Began), characters-1)
	length = max(at(s.Ended)-indent, 1)
	return indent, min(length, characters-indent)
}
