package way_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/way"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
)

var stored = time.UnixMilli(1_700_000_000_000).UTC()

const at = domain.Offset("1700000000000-0")

func message() *way.Message {
	return &way.Message{Offset: at, Stream: "s", Namespace: "/", Time: stored, From: "sender"}
}

// status is one of a node whose clock is a second ahead.
func status(change func(*diagnostics.Status)) *diagnostics.Status {
	s := &diagnostics.Status{
		Started: diagnostics.At(stored.Add(-time.Hour)), ClockAhead: 1, ClockKnown: true,
		Readers:    []diagnostics.Reader{{Stream: "s", Cursor: "1700000000005-0"}},
		Namespaces: []diagnostics.NamespaceStatus{{Name: "/"}},
		Recording:  diagnostics.Recording{TracesPerSecond: 50, Spans: 10, Since: diagnostics.At(stored.Add(-time.Minute))},
	}
	if change != nil {
		change(s)
	}
	return s
}

func span(id, parent, name string, began time.Duration, attributes map[string]string) diagnostics.Span {
	return diagnostics.Span{
		Trace: "t", ID: id, Parent: parent, Name: name, Attributes: attributes,
		Start: diagnostics.At(stored.Add(began)), End: diagnostics.At(stored.Add(began + time.Millisecond)),
	}
}

func processed(sockets string) []diagnostics.Span {
	attributes := map[string]string{"messaging.message.id": string(at)}
	if sockets != "" {
		attributes["roombus.sockets"] = sockets
	}
	return []diagnostics.Span{
		span("a", "", "send broadcast", time.Second, map[string]string{"messaging.message.id": string(at)}),
		span("b", "a", "process broadcast", time.Second+2500*time.Microsecond, attributes),
	}
}

func TestVerdicts(t *testing.T) {
	gap := func(next string, last time.Duration) []diagnostics.Event {
		return []diagnostics.Event{{Kind: "gap", Stream: "s", Offset: next, Text: "lost", Last: diagnostics.At(stored.Add(last))}}
	}
	for name, test := range map[string]struct {
		answer  diagnostics.Answer
		verdict way.Verdict
		text    string
	}{
		"delivered":      {diagnostics.Answer{Status: status(nil), Spans: processed("3")}, way.Delivered, "3 sockets"},
		"to one":         {diagnostics.Answer{Status: status(nil), Spans: processed("1")}, way.Delivered, "1 socket"},
		"to nobody":      {diagnostics.Answer{Status: status(nil), Spans: processed("0")}, way.Nobody, "none of its sockets"},
		"merely read":    {diagnostics.Answer{Status: status(nil), Spans: processed("")}, way.Nobody, "has read it"},
		"nonsense":       {diagnostics.Answer{Status: status(nil), Spans: processed("many")}, way.Nobody, "has read it"},
		"its own":        {diagnostics.Answer{Node: "sender", Status: status(nil), Spans: processed("")}, way.Sender, "its own sockets"},
		"no namespace":   {diagnostics.Answer{Status: status(func(s *diagnostics.Status) { s.Namespaces = nil }), Spans: processed("")}, way.Elsewhere, "does not have"},
		"behind":         {diagnostics.Answer{Status: status(func(s *diagnostics.Status) { s.Readers[0].Cursor = "1699999999999-9" })}, way.Behind, "stands at 1699999999999-9"},
		"lost":           {diagnostics.Answer{Status: status(nil), Events: gap("1700000000001-0", 5*time.Second)}, way.Lost, "lost"},
		"a gap before":   {diagnostics.Answer{Status: status(nil), Events: gap("1700000000000-0", 5*time.Second)}, way.Unknown, "nothing of it"},
		"a gap long ago": {diagnostics.Answer{Status: status(nil), Events: gap("1700000000001-0", -time.Second)}, way.Unknown, "nothing of it"},
		"later": {diagnostics.Answer{Status: status(func(s *diagnostics.Status) {
			s.Started = diagnostics.At(stored.Add(11 * time.Second))
		})}, way.Later, "10s after"},
		"remembers nothing": {diagnostics.Answer{Status: status(func(s *diagnostics.Status) { s.Recording.TracesPerSecond = 0 })}, way.Forgotten, "--trace-recent"},
		"forgotten": {diagnostics.Answer{Status: status(func(s *diagnostics.Status) {
			s.Recording.Since = diagnostics.At(stored.Add(time.Minute))
		})}, way.Forgotten, "only what came after"},
		"skipped":   {diagnostics.Answer{Status: status(func(s *diagnostics.Status) { s.Recording.Skipped = 7 })}, way.Unknown, "passed over 7"},
		"no status": {diagnostics.Answer{Error: "too large"}, way.Unknown, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			stop := way.Of(message(), &test.answer)
			if stop.Verdict != test.verdict || !strings.Contains(stop.Text, test.text) {
				t.Errorf("it is %s: %s; want %s: … %s …", stop.Verdict, stop.Text, test.verdict, test.text)
			}
		})
	}
	stop := way.Of(message(), &diagnostics.Answer{Status: status(nil), Spans: processed("3")})
	if stop.Sockets != 3 || stop.After == nil || *stop.After != 2.5 { // the clock that is a second ahead taken into account
		t.Errorf("it is %+v, want three sockets after 2.5 ms", stop)
	}
}

func TestTree(t *testing.T) {
	north := diagnostics.Answer{Node: "1", Name: "north", Status: status(nil), Spans: []diagnostics.Span{
		span("root", "", "emit", time.Second, nil), span("send", "root", "send", time.Second+time.Millisecond, nil),
		span("here", "send", "process", time.Second+3*time.Millisecond, nil),
	}}
	// This node's clock is right; and it remembers a span of another trace that points at the sending.
	linked := span("linked", "", "process", 5*time.Millisecond, nil)
	linked.Links = []diagnostics.Link{{Trace: "t", Span: "send"}}
	south := diagnostics.Answer{Node: "2", Status: status(func(s *diagnostics.Status) { s.ClockAhead = 0 }), Spans: []diagnostics.Span{
		span("there", "send", "process", 2*time.Millisecond, nil), linked, span("orphan", "gone", "process", 0, nil),
		span("ring1", "ring2", "ring", 0, nil), span("ring2", "ring1", "ring", 0, nil), span("self", "self", "self", 9*time.Millisecond, nil),
	}}
	var got strings.Builder
	for _, s := range way.Tree([]diagnostics.Answer{north, south, north}) {
		fmt.Fprintf(&got, "%s%s on %s\n", strings.Repeat("  ", s.Depth), s.ID, s.Node)
	}
	want := "orphan on 2\nroot on 1\n  send on 1\n    there on 2\n    here on 1\n    linked on 2\nself on 2\nring1 on 2\nring2 on 2\n"
	if got.String() != want {
		t.Errorf("the tree is\n%swant\n%s", got.String(), want)
	}
}

func TestBar(t *testing.T) {
	end := stored.Add(100 * time.Millisecond)
	for _, test := range []struct {
		from, to       time.Duration
		indent, length int
	}{
		{0, 100 * time.Millisecond, 0, 10}, {50 * time.Millisecond, 50 * time.Millisecond, 5, 1},
		{100 * time.Millisecond, 100 * time.Millisecond, 9, 1}, {-time.Hour, time.Hour, 0, 10}, {95 * time.Millisecond, time.Hour, 9, 1},
	} {
		s := &way.Span{Began: stored.Add(test.from), Ended: stored.Add(test.to)}
		if indent, length := way.Bar(s, stored, end, 10); indent != test.indent || length != test.length {
			t.Errorf("%s to %s is drawn at %d, %d long; want %d, %d", test.from, test.to, indent, length, test.indent, test.length)
		}
	}
	if indent, length := way.Bar(&way.Span{Began: stored, Ended: stored}, stored, stored, 10); indent != 0 || length != 1 {
		t.Errorf("a moment is drawn at %d, %d long", indent, length)
	}
}
