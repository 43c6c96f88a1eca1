package faulttest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/roombus/roombus/domain"
)

// outcome is what a publisher was told of one message. The events of one worker are numbered from 0.
type outcome struct {
	event  string
	offset domain.Offset
	err    error
}

// delivery is a message that arrived at a node.
type delivery struct {
	event  string
	offset domain.Offset
}

// history is what happened to the messages of a cluster.
type history struct {
	outcomes []outcome
	received [][]delivery // by node
	// repeated are the events that came to some node a second time and were dropped there, as after a fail-over that
	// lost what this node had read: their places may differ between nodes.
	repeated map[string]bool
}

// maxViolations is how many are told: one fault shows in many messages.
const maxViolations = 10

// violations is what holds whatever fails, or does not: nothing arrives twice, nothing arrives that was refused or
// never published, what one worker publishes keeps its order, and all nodes agree about the order.
func (h *history) violations() []string {
	told := make(map[string]outcome, len(h.outcomes))
	var found []string
	for _, o := range h.outcomes {
		told[o.event] = o
		if o.err != nil && errors.Is(o.err, domain.ErrNotPublished) == errors.Is(o.err, domain.ErrUnknown) {
			found = append(found, fmt.Sprintf("%s ended with %v, which is not one of the two outcomes", o.event, o.err))
		}
	}
	for i, received := range h.received {
		found = append(found, nodeViolations(i, received, told, h.repeated)...)
		if i > 0 {
			found = append(found, h.disorder(i)...)
		}
	}
	if len(found) > maxViolations {
		found = append(found[:maxViolations], fmt.Sprintf("and %d more", len(found)-maxViolations))
	}
	return found
}

func nodeViolations(node int, received []delivery, told map[string]outcome, repeated map[string]bool) (found []string) {
	seen := make(map[string]bool, len(received))
	last := make(map[string]int) // of each worker
	for _, d := range received {
		o, published := told[d.event]
		worker, number := split(d.event)
		before, known := last[worker]
		switch {
		case !published:
			found = append(found, fmt.Sprintf("node %d got %s, which nobody published", node, d.event))
		case seen[d.event]:
			found = append(found, fmt.Sprintf("node %d got %s twice", node, d.event))
		case errors.Is(o.err, domain.ErrNotPublished):
			found = append(found, fmt.Sprintf("node %d got %s, of which its publisher was told: %v", node, d.event, o.err))
		case o.err == nil && o.offset != d.offset && !repeated[d.event]:
			found = append(found, fmt.Sprintf("node %d got %s at %s, and its publisher was told %s",
				node, d.event, d.offset, o.offset))
		case known && number <= before:
			found = append(found, fmt.Sprintf("node %d got %s after number %d of that worker", node, d.event, before))
		}
		seen[d.event] = true
		last[worker] = number
	}
	return found
}

func split(event string) (worker string, number int) {
	at := strings.LastIndexByte(event, '/')
	_, _ = fmt.Sscan(event[at+1:], &number) // 0 for what is no number, which the tests do not publish
	return event[:max(at, 0)], number
}

// disorder compares a node with node 0, in what both have and neither dropped as a repeat.
func (h *history) disorder(node int) []string {
	common := func(a, b []delivery) []string {
		has := make(map[string]bool, len(b))
		for _, d := range b {
			has[d.event] = true
		}
		var events []string
		for _, d := range a {
			if has[d.event] && !h.repeated[d.event] {
				events = append(events, d.event)
			}
		}
		return events
	}
	first, other := common(h.received[0], h.received[node]), common(h.received[node], h.received[0])
	for i := range min(len(first), len(other)) {
		if first[i] != other[i] {
			return []string{fmt.Sprintf("node 0 got %s where node %d got %s", first[i], node, other[i])}
		}
	}
	return nil
}

// missing are the events of which publishers were told that they are in the log, and that never came to a node.
func (h *history) missing(node int) []string {
	has := make(map[string]bool, len(h.received[node]))
	for _, d := range h.received[node] {
		has[d.event] = true
	}
	var missing []string
	for _, o := range h.outcomes {
		if o.err == nil && !has[o.event] {
			missing = append(missing, o.event)
		}
	}
	return missing
}

// count counts the outcomes.
func (h *history) count() (published, refused, unknown int) {
	for _, o := range h.outcomes {
		switch {
		case o.err == nil:
			published++
		case errors.Is(o.err, domain.ErrUnknown):
			unknown++
		default:
			refused++
		}
	}
	return published, refused, unknown
}

// TestTheCheckerFindsWhatItIsFor breaks a good history in each way.
func TestTheCheckerFindsWhatItIsFor(t *testing.T) {
	good := func() *history {
		h := &history{received: make([][]delivery, 2), repeated: make(map[string]bool)}
		for i := range 4 {
			event, at := fmt.Sprintf("a/%d", i), domain.Offset(fmt.Sprintf("%d-0", i+1))
			h.outcomes = append(h.outcomes, outcome{event: event, offset: at})
			for n := range h.received {
				h.received[n] = append(h.received[n], delivery{event, at})
			}
		}
		h.outcomes = append(h.outcomes, outcome{event: "b/0", err: domain.ErrNotPublished})
		return h
	}
	if found := good().violations(); len(found) > 0 {
		t.Errorf("a good history: %q", found)
	}
	for _, c := range []struct {
		title  string
		damage func(h *history)
		want   string
	}{
		{"a repeat", func(h *history) { h.received[1] = append(h.received[1], h.received[1][3]) }, "twice"},
		{"an invention", func(h *history) { h.received[0] = append(h.received[0], delivery{"c/0", "9-0"}) }, "nobody"},
		{"a refused one", func(h *history) { h.received[0] = append(h.received[0], delivery{"b/0", "9-0"}) }, "was told"},
		{"another place", func(h *history) { h.outcomes[2].offset = "7-7" }, "7-7"},
		{"no outcome", func(h *history) { h.outcomes[4].err = errors.New("oh") }, "outcomes"}, //nolint:err113 // a text
		{"a worker's order", func(h *history) { slices.Reverse(h.received[0]) }, "after number"},
		{"another order", func(h *history) { slices.Reverse(h.received[1]) }, "where node 1 got"},
	} {
		h := good()
		c.damage(h)
		if found := strings.Join(h.violations(), "; "); !strings.Contains(found, c.want) {
			t.Errorf("%s: found %q, want %q", c.title, found, c.want)
		}
	}
	h := good()
	h.received[1] = h.received[1][1:]
	if got := h.missing(1); len(got) != 1 || got[0] != "a/0" {
		t.Errorf("missing is %q, want a/0", got)
	}
}
