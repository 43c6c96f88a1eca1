package diagnostics_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"encoding/json"

	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
)

func names(answers []diagnostics.Answer) []string {
	var all []string
	for i := range answers {
		all = append(all, answers[i].Name)
	}
	return all
}

func TestEveryNodeAnswers(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		c.nodes[0].emit(t)
		pass(2 * time.Second)
		reply := c.nodes[1].ask(t, diagnostics.Question{
			Status: &diagnostics.StatusQuestion{}, Samples: &diagnostics.Since{}, Events: &diagnostics.Since{},
		})
		if got, want := names(reply.Answers), []string{"b", "a", "c"}; !slices.Equal(got, want) || reply.Err != nil {
			t.Fatalf("answers of %q, error %v; want %q", got, reply.Err, want)
		}
		for _, a := range reply.Answers {
			if a.Status == nil || !a.Status.Healthy || a.Status.Name != a.Name {
				t.Errorf("the status of %s is %+v", a.Name, a.Status)
			}
			if len(a.Samples) < 2 || a.Samples[len(a.Samples)-1].Goroutines == 0 {
				t.Errorf("the samples of %s are %v", a.Name, a.Samples)
			}
			var delivered float64
			for _, s := range a.Samples {
				delivered += s.Delivered
			}
			if delivered < 2.9 || delivered > 3.1 { // three sockets, in one of the seconds
				t.Errorf("%s has delivered to %g sockets, want 3", a.Name, delivered)
			}
			joined := 0
			for _, e := range a.Events {
				if e.Kind == "member joined" {
					joined++
				}
			}
			if joined != 2 {
				t.Errorf("%s has seen %d nodes join, want 2: %+v", a.Name, joined, a.Events)
			}
		}
	}, "a", "b", "c")
}

// Who asks again gets what is new.
func TestIncrements(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		pass(3 * time.Second)
		first := c.nodes[0].ask(t, diagnostics.Question{Samples: &diagnostics.Since{}, Events: &diagnostics.Since{}})
		seen, last := make(map[domain.NodeID]uint64), make(map[domain.NodeID]uint64)
		for _, a := range first.Answers {
			seen[a.Node] = uint64(a.Samples[len(a.Samples)-1].Time)
			last[a.Node] = a.Events[len(a.Events)-1].Seq
		}
		pass(2 * time.Second)
		again := diagnostics.Question{
			Samples: &diagnostics.Since{After: seen}, Events: &diagnostics.Since{After: last},
		}
		for _, a := range c.nodes[0].ask(t, again).Answers {
			if len(a.Samples) != 2 || len(a.Events) != 0 {
				t.Errorf("%s has %d new samples and the new events %v, want 2 and none", a.Name, len(a.Samples), a.Events)
			}
		}
	}, "a", "b")
}

func TestWhereAMessageWent(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		at := c.nodes[0].emit(t)
		pass(time.Second)
		var spans []diagnostics.Span
		reply := c.nodes[2].ask(t, diagnostics.Question{Spans: &diagnostics.SpansQuestion{Offset: string(at)}})
		for _, a := range reply.Answers {
			for _, s := range a.Spans {
				spans = append(spans, s)
				if s.Attributes["roombus.node.name"] != a.Name {
					t.Errorf("%s tells of a span of %s", a.Name, s.Attributes["roombus.node.name"])
				}
			}
		}
		sent := slices.IndexFunc(spans, func(s diagnostics.Span) bool { return s.Name == "send broadcast" })
		if len(spans) != 4 || sent < 0 {
			t.Fatalf("the spans are %+v, want one that sends and three that process", spans)
		}
		for i, s := range spans {
			if s.Trace != spans[sent].Trace || i != sent && (s.Parent != spans[sent].ID || s.Attributes["roombus.sockets"] != "3") {
				t.Errorf("%+v does not belong to %+v", s, spans[sent])
			}
		}
		if text := fmt.Sprintf("%+v", spans); strings.Contains(text, "secret") || strings.Contains(text, "kitchen") {
			t.Errorf("payload or room are in the spans: %s", text)
		}
		for _, q := range []diagnostics.TracesQuestion{{}, {Match: string(at)}, {Match: spans[0].Trace}, {Match: "broadcast"}} {
			for _, a := range c.nodes[2].ask(t, diagnostics.Question{Traces: &q}).Answers {
				if len(a.Traces) == 0 || !slices.ContainsFunc(a.Traces, func(s diagnostics.Trace) bool { return s.ID == spans[0].Trace }) {
					t.Errorf("%s does not find the trace by %q: %+v", a.Name, q.Match, a.Traces)
				}
			}
		}
		nothing := c.nodes[2].ask(t, diagnostics.Question{Traces: &diagnostics.TracesQuestion{Match: "nowhere"}})
		if len(nothing.Answers[0].Traces) != 0 {
			t.Errorf("what matches nothing has found %+v", nothing.Answers[0].Traces)
		}
	}, "a", "b", "c")
}

// Questions are no messages of the application: they do not fill the memory that they ask for, and no tool is a node.
func TestAToolLeavesNoMark(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		tool := c.add("tool", diagnostics.Config{}, diagnostics.Sources{Tool: true})
		tool.service.Meet(t.Context(), 0)
		for range 3 {
			reply := tool.ask(t, diagnostics.Question{Status: &diagnostics.StatusQuestion{}})
			if got := names(reply.Answers); !slices.Equal(got, []string{"a", "b"}) || reply.Err != nil {
				t.Fatalf("the tool got answers of %q and the error %v", got, reply.Err)
			}
			if n := reply.Answers[0].Status.Namespaces[0]; n.Nodes != 2 || len(n.Members) != 2 {
				t.Errorf("with the tool there are the nodes %+v", n)
			}
		}
		if err := tool.Close(); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		reply := c.nodes[0].ask(t, diagnostics.Question{Traces: &diagnostics.TracesQuestion{}, Events: &diagnostics.Since{}})
		for _, a := range reply.Answers {
			for _, s := range a.Traces {
				if s.Kind != "" {
					t.Errorf("%s remembers the trace %+v", a.Name, s)
				}
			}
			for _, e := range a.Events {
				if strings.Contains(e.Text, "tool") {
					t.Errorf("%s remembers the event %+v", a.Name, e)
				}
			}
		}
		if nodes := c.nodes[0].NodeCount("/"); nodes != 2 {
			t.Errorf("there are %d nodes in the namespace of the application, want 2", nodes)
		}
	}, "a", "b")
}

// A node that was killed is missed by the first question, by name, and is an event soon.
func TestAKilledNodeIsMissed(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		c.nodes[1].kill()
		began := time.Now()
		reply := c.nodes[0].ask(t, diagnostics.Question{Status: &diagnostics.StatusQuestion{}})
		if len(reply.Missing) != 1 || reply.Missing[0].Name != "b" || len(reply.Answers) != 2 {
			t.Fatalf("missing %+v, answers of %q", reply.Missing, names(reply.Answers))
		}
		found := c.nodes[0].service.AskSelf(diagnostics.Question{Events: &diagnostics.Since{}}).Events
		if !slices.ContainsFunc(found, func(e diagnostics.Event) bool {
			return e.Kind == "member suspect" && e.Peer == c.nodes[1].ID() && e.Severity == diagnostics.Warning
		}) {
			t.Errorf("after %s there is no event of it: %+v", time.Since(began), found)
		}
		if reply = c.nodes[0].ask(t, diagnostics.Question{Status: &diagnostics.StatusQuestion{}}); len(reply.Missing) != 1 {
			t.Errorf("the second question misses %+v", reply.Missing)
		}
		pass(15 * time.Second)
		found = c.nodes[0].service.AskSelf(diagnostics.Question{Events: &diagnostics.Since{}}).Events
		if !slices.ContainsFunc(found, func(e diagnostics.Event) bool { return e.Kind == "member lost" && e.Severity == diagnostics.Fault }) {
			t.Errorf("there is no event of the loss: %+v", found)
		}
		if reply = c.nodes[0].ask(t, diagnostics.Question{Status: &diagnostics.StatusQuestion{}}); len(reply.Missing) != 0 || reply.Err != nil {
			t.Errorf("a node that is gone is still missed: %+v, %v", reply.Missing, reply.Err)
		}
	}, "a", "b", "c")
}

func TestRoomsAreBounded(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		c.add("full", diagnostics.Config{}, diagnostics.Sources{Rooms: func(namespace string) map[string]int {
			rooms := make(map[string]int)
			for i := range 5000 {
				rooms[fmt.Sprintf("%s of %s, number %d", strings.Repeat("long ", 60), namespace, i)] = i
			}
			return rooms
		}})
		pass(time.Second)
		reply := c.nodes[0].ask(t, diagnostics.Question{Rooms: &diagnostics.RoomsQuestion{Namespace: "/n"}})
		a := reply.Answers[1]
		if a.RoomCount != 5000 || len(a.Rooms) == 0 || a.Rooms[0].Sockets != 4999 || !slices.Contains(a.Truncated, "rooms") {
			t.Errorf("%d of %d rooms, truncated %q", len(a.Rooms), a.RoomCount, a.Truncated)
		}
		if text, err := json.Marshal(a); err != nil || len(text) > diagnostics.MaxAnswer {
			t.Errorf("the answer has %d bytes, %v", len(text), err)
		}
		one := c.nodes[0].ask(t, diagnostics.Question{Rooms: &diagnostics.RoomsQuestion{Namespace: "/n", Match: "number 4999", Limit: 3}})
		if len(one.Answers[1].Rooms) != 1 || len(one.Answers[1].Truncated) != 0 {
			t.Errorf("the answer to a part of a name is %+v", one.Answers[1])
		}
	}, "a")
}

// What a newer version asks for is said to be unsupported; what is no question gets a sentence.
func TestUnknownQuestions(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		for question, want := range map[string]string{
			`["diagnostics",{"v":9,"status":{},"weather":{}}]`: `"unsupported":["weather"]`,
			`["diagnostics"]`:             `"error":"a question is one object`,
			`["diagnostics",[]]`:          `"error":"read the question`,
			`["diagnostics",{"rooms":7}]`: `"error":"read the question for rooms`,
			`["else",{}]`:                 `"error":"\"else\" is no question"`,
		} {
			p, err := domain.NewServerPacket([]byte(question))
			if err != nil {
				t.Fatal(err)
			}
			values, err := c.nodes[0].ServerSideEmitWithAck(t.Context(), diagnostics.Namespace, p)
			if err != nil || len(values) != 1 || !strings.Contains(string(values[0].JSON()), want) {
				t.Errorf("%s was answered with %s, %v; want %s", question, values[0].JSON(), err, want)
			}
		}
	}, "a", "b")
}

// The edge of the diagnostics does not get into the way of the application's own.
func TestOtherNamespacesAreNotTouched(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster) {
		p, err := domain.NewServerPacket([]byte(`["diagnostics",{"status":{}}]`))
		if err != nil {
			t.Fatal(err)
		}
		values, err := c.nodes[0].ServerSideEmitWithAck(t.Context(), "/", p)
		if err != nil || len(values) != 1 || !values[0].IsZero() {
			t.Errorf("the application's namespace has answered %v, %v; want one node without a handler", values, err)
		}
		replies, err := c.nodes[0].FetchSockets(t.Context(), "/", domain.Target{})
		if err != nil || len(replies) != 6 {
			t.Errorf("%d sockets, %v; want 6", len(replies), err)
		}
	}, "a", "b")
}
