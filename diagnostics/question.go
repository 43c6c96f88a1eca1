package diagnostics

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/roombus/roombus/domain"
)

// Namespace is the namespace in which questions are asked. Clients cannot enter it.
const Namespace = domain.NamespaceDiagnostics

// event is the server-side event that a question is; its one argument is the question, and the answer is the reply.
const event = "diagnostics"

// protocolVersion is that of questions and answers. A later one may add parts and fields, which older nodes say they do
// not support, or pass over.
const protocolVersion = 1

// MaxAnswer is how many bytes of JSON an answer has at the most. What does not fit is left out, and the answer says so.
const MaxAnswer = 128 << 10

// maxQuestion bounds what is read of a question.
const maxQuestion = 32 << 10

// Question is what nodes are asked. Each part may be left out; all that are there are answered in one answer.
type Question struct {
	Status *StatusQuestion `json:"status,omitempty"`
	Rooms  *RoomsQuestion  `json:"rooms,omitempty"`
	Traces *TracesQuestion `json:"traces,omitempty"`
	Spans  *SpansQuestion  `json:"spans,omitempty"`
	Events *Since          `json:"events,omitempty"`
	// Samples are asked for after an instant of the node's own clock.
	Samples *Since `json:"samples,omitempty"`
}

// StatusQuestion asks how a node is.
type StatusQuestion struct{}

// RoomsQuestion asks for the rooms of a namespace, the largest first.
type RoomsQuestion struct {
	Namespace string `json:"namespace"`
	// Match is a part of the rooms' names; empty for all.
	Match string `json:"match,omitempty"`
	// Limit is how many; default and at the most 1,000.
	Limit int `json:"limit,omitempty"`
}

// TracesQuestion asks for the newest traces, summed up.
type TracesQuestion struct {
	// Match is a part of a trace's id, offset, name, kind or namespace; empty for all.
	Match string `json:"match,omitempty"`
	// Limit is how many; default 50, at the most 200.
	Limit int `json:"limit,omitempty"`
}

// SpansQuestion asks for the spans of one trace, or of the message at a position of the log.
type SpansQuestion struct {
	Trace  string `json:"trace,omitempty"`
	Offset string `json:"offset,omitempty"`
	// Limit is how many; default and at the most 500.
	Limit int `json:"limit,omitempty"`
}

// Since asks for what is newer than what one has seen.
type Since struct {
	// After is, for each node of which one has seen something, up to which number (of events) or instant (of samples).
	After map[domain.NodeID]uint64 `json:"after,omitempty"`
	// Limit is how many of each node; default and at the most 1,000.
	Limit int `json:"limit,omitempty"`
}

const (
	maxRooms   = 1000
	maxTraces  = 200
	someTraces = 50
	maxSpans   = 500
	maxSince   = 1000
)

// limited is a limit that is asked for, within what is given.
func limited(asked, byDefault, most int) int {
	if asked <= 0 {
		return byDefault
	}
	return min(asked, most)
}

// packet is the question as a server-side event.
func (q *Question) packet() (domain.Packet, error) {
	text, err := json.Marshal(struct {
		Version int `json:"v"`
		*Question
	}{protocolVersion, q})
	if err != nil {
		return domain.Packet{}, fmt.Errorf("encode the question: %w", err)
	}
	if len(text) > maxQuestion {
		return domain.Packet{}, fmt.Errorf("the question has %d bytes of JSON, more than the %d that nodes read; ask for less",
			len(text), maxQuestion)
	}
	args := append(domain.AppendQuoted([]byte{'['}, event), ',')
	return domain.NewServerPacket(append(append(args, text...), ']'))
}

// parseQuestion reads a question, and which of its parts this node does not know.
func parseQuestion(p domain.Packet) (q Question, unsupported []string, err error) {
	if p.Event() != event {
		return q, nil, fmt.Errorf("%q is no question", short(p.Event(), 80))
	}
	args, err := p.Args()
	switch {
	case err != nil:
		return q, nil, fmt.Errorf("read the question: %w", err)
	case len(args) != 1:
		return q, nil, fmt.Errorf("a question is one object, not %d arguments", len(args))
	case args[0].Size() > maxQuestion:
		return q, nil, fmt.Errorf("a question of %d bytes is too large; at most %d are read", args[0].Size(), maxQuestion)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(args[0].JSON(), &parts); err != nil {
		return q, nil, fmt.Errorf("read the question: %w", err)
	}
	known := map[string]any{
		"status": &q.Status, "rooms": &q.Rooms, "traces": &q.Traces, "spans": &q.Spans, "events": &q.Events,
		"samples": &q.Samples,
	}
	for name, part := range parts {
		if name == "v" {
			continue
		}
		into, ok := known[name]
		if !ok {
			if len(unsupported) < 10 {
				unsupported = append(unsupported, short(name, 40))
			}
			continue
		}
		if err := json.Unmarshal(part, into); err != nil {
			return Question{}, nil, fmt.Errorf("read the question for %s: %w", name, err)
		}
	}
	slices.Sort(unsupported)
	return q, unsupported, nil
}

// Answer is what one node says.
type Answer struct {
	Version int `json:"v"`
	// Node is who says it, Now its clock as it does.
	Node domain.NodeID `json:"node"`
	Name string        `json:"name,omitempty"`
	Now  Instant       `json:"now,omitempty"`
	// Tool says that it is no node but somebody who asks: the rest is empty.
	Tool bool `json:"tool,omitempty"`
	// Error is why the question could not be answered at all.
	Error string `json:"error,omitempty"`
	// Unsupported names the parts of the question that this node does not know, Truncated those of which it has more than
	// it says.
	Unsupported []string `json:"unsupported,omitempty"`
	Truncated   []string `json:"truncated,omitempty"`

	Status *Status `json:"status,omitempty"`
	// Rooms are the largest; RoomCount is how many there are that match.
	Rooms     []Room `json:"rooms,omitempty"`
	RoomCount int    `json:"roomCount,omitempty"`
	// Traces begin with the newest.
	Traces []Trace `json:"traces,omitempty"`
	Spans  []Span  `json:"spans,omitempty"`
	// Events are in the order of their numbers, Samples in that of their times.
	Events  []Event `json:"events,omitempty"`
	Samples Samples `json:"samples,omitempty"`
}

var errNoAnswer = errors.New("the node says nothing that can be understood")

// parseAnswer reads an answer. A node that has no diagnostics, or a Node.js server, answers with something else.
func parseAnswer(v domain.Value) (*Answer, error) {
	if v.IsZero() || v.Size() > 2*MaxAnswer {
		return nil, errNoAnswer
	}
	a := new(Answer)
	if err := json.Unmarshal(v.JSON(), a); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	if a.Version < 1 || a.Node == "" {
		return nil, errNoAnswer
	}
	return a, nil
}

// value is the answer as a reply, no larger than MaxAnswer: the lists are cut until it is.
func (a *Answer) value() domain.Value {
	left := MaxAnswer - 4096 // for what is not in a list
	if a.Status != nil {
		left -= encodedSize(a.Status)
	}
	// Those that are asked for on purpose come before those that are asked for again and again.
	a.Spans = fit(a, "spans", a.Spans, &left, false)
	a.Rooms = fit(a, "rooms", a.Rooms, &left, false)
	a.Traces = fit(a, "traces", a.Traces, &left, false)
	a.Events = fit(a, "events", a.Events, &left, true)
	a.Samples = fitSamples(a, &left)
	text, err := json.Marshal(a)
	if err != nil || len(text) > MaxAnswer {
		text, err = json.Marshal(map[string]any{
			"v": protocolVersion, "node": a.Node, "name": short(a.Name, 80), "error": "the answer is too large; ask for less",
		})
	}
	if err != nil { // text and a number: it cannot fail
		return domain.Value{}
	}
	v, err := domain.NewValue(text)
	if err != nil { // what was just encoded is JSON
		return domain.Value{}
	}
	return v
}

// truncate says that a part is not whole.
func (a *Answer) truncate(part string) {
	if !slices.Contains(a.Truncated, part) {
		a.Truncated = append(a.Truncated, part)
	}
}

// fit keeps of a list what fits, from its beginning or its end.
func fit[T any](a *Answer, part string, list []T, left *int, fromEnd bool) []T {
	for i := range list {
		at := i
		if fromEnd {
			at = len(list) - 1 - i
		}
		size := encodedSize(&list[at]) + 1
		if size > *left {
			a.truncate(part)
			if fromEnd {
				return list[at+1:]
			}
			return list[:at]
		}
		*left -= size
	}
	return list
}

// fitSamples keeps the newest samples that fit.
func fitSamples(a *Answer, left *int) Samples {
	const row = 120 // bytes, about the most that a row of numbers takes
	if keep := max(*left, 0) / row; len(a.Samples) > keep {
		a.truncate("samples")
		return a.Samples[len(a.Samples)-keep:]
	}
	*left -= len(a.Samples) * row
	return a.Samples
}

func encodedSize(v any) int {
	text, err := json.Marshal(v)
	if err != nil {
		return MaxAnswer
	}
	return len(text)
}
