package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/cmd/roombus/internal/roster"
	"github.com/roombus/roombus/cmd/roombus/internal/way"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
)

// showTrace shows one message's way.
type showTrace struct {
	payload string
	silent  bool

	offset domain.Offset
	id     string // of a trace
}

func (*showTrace) about() about {
	return about{
		does:  "shows the way of one message: its place in the log, which nodes have delivered it to how many sockets, and when.",
		usage: "[flags] offset|trace",
		more: "The offset is that of an emit, of `roombus tail`, or the one that a client got; a trace is named by its 32 digits.\n" +
			"What the log holds of it is shown in any case. The nodes are asked for the spans that they remember (serve remembers\n" +
			"those of --trace-recent new traces a second, and of all that `roombus emit` sends); for that it joins a namespace of\n" +
			"the nodes alone for a moment. Node.js servers remember nothing. Times are by the log's clock, as far as each node\n" +
			"can tell how far its own is ahead. --silent asks nobody and writes nothing.",
	}
}

func (t *showTrace) declare(f *flag.FlagSet) {
	f.StringVar(&t.payload, "payload", "short", "`how much` of what the message carries is shown: none, short or full")
	f.BoolVar(&t.silent, "silent", false, "ask nobody: show what the log says; it needs the rights to read alone")
}

func (t *showTrace) check(args []string) error {
	switch {
	case len(args) != 1:
		return errors.New("which message? Give its offset, or the id of its trace, and one of them")
	case t.payload != "none" && t.payload != "short" && t.payload != "full":
		return fmt.Errorf("--payload is %q; it must be none, short or full", t.payload)
	case logview.IsOffset(args[0]):
		t.offset = domain.Offset(args[0])
	case logview.IsTraceID(args[0]):
		t.id = args[0]
	default:
		return fmt.Errorf("%s is neither an offset, such as 1795338738822-0, nor the id of a trace, which has 32 digits and letters a to f", quoted(args[0]))
	}
	return nil
}

// found is all that is known of a message's way, for people and programs; docs/tools.md describes it.
type found struct {
	Trace string `json:"trace,omitempty"`
	// Messages are what the log holds of it; Log says where the log begins and ends.
	Messages []*messageWay `json:"messages"`
	Log      []logRange    `json:"log"`
	// Spans are those that nodes remember, parents before their children.
	Spans []*way.Span `json:"spans"`
	// Missing are the nodes that were asked and have not answered.
	Missing []string `json:"missing,omitempty"`
	// Notes are sentences on what is not known, and why.
	Notes []string `json:"notes,omitempty"`

	items   []*logview.Item
	names   map[domain.NodeID]string
	answers []diagnostics.Answer
	asked   bool
}

// messageWay is one message and what became of it.
type messageWay struct {
	Offset domain.Offset `json:"offset"`
	// Entry is what the log holds; left out when it does not hold it any more.
	Entry *logview.Record `json:"entry,omitempty"`
	Stops []*way.Stop     `json:"nodes"`

	item    *logview.Item
	message way.Message
}

// logRange is what a stream holds.
type logRange struct {
	Stream string        `json:"stream"`
	First  domain.Offset `json:"first,omitempty"`
	Last   domain.Offset `json:"last,omitempty"`
	// Trimmed is how many older entries were taken out.
	Trimmed int64 `json:"trimmed"`
}

func (t *showTrace) run(ctx context.Context, s *session) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	f := &found{Trace: t.id, Messages: []*messageWay{}, Spans: []*way.Span{}, names: make(map[domain.NodeID]string)}
	if err := t.lookUp(ctx, s, f); err != nil {
		return err
	}
	members, err := t.ask(ctx, s, f)
	if err != nil {
		return err
	}
	t.judge(f, members)
	if len(f.items) == 0 && len(f.Spans) == 0 {
		return t.nothing(f)
	}
	if err := t.print(s, f); err != nil {
		return err
	}
	if len(f.Missing) > 0 {
		return &partialError{"no answer from " + whoIsMissing(f.Missing, 0) + ": what became of it there is not known"}
	}
	return nil
}

// lookUp looks for the message in the log.
func (t *showTrace) lookUp(ctx context.Context, s *session, f *found) error {
	states, err := s.look(ctx)
	if err != nil {
		return err
	}
	s.warnOfNothing(states)
	for _, stream := range s.transport.Streams() {
		if state := states[stream]; state.exists {
			f.Log = append(f.Log, logRange{stream, state.first, state.last, state.added - state.length})
		}
	}
	if t.id != "" {
		return t.scan(ctx, s, f)
	}
	for _, r := range f.Log {
		item, err := s.entry(ctx, r.Stream, t.offset)
		if err != nil {
			return err
		}
		if item == nil {
			continue
		}
		f.items = append(f.items, item)
		if item.Entry != nil {
			f.Trace = cmp.Or(f.Trace, logview.TraceID(&item.Entry.Message))
		}
	}
	return nil
}

// entry is what a stream holds at an offset; nil for nothing.
func (s *session) entry(ctx context.Context, stream string, at domain.Offset) (*logview.Item, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	found, err := s.client.XRange(ctx, stream, string(at), string(at)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("look for %s in the stream %s: %w", at, stream, err)
	}
	if len(found) == 0 {
		return nil, nil //nolint:nilnil // nothing is there, and that is no error
	}
	at = domain.Offset(found[0].ID) // 5 means 5-0
	var message domain.Message
	m, err := redisstream.Marshaller{}.Unmarshal(found[0].Values)
	if err == nil {
		message, err = watermill.Decode(m)
	}
	if err != nil {
		return &logview.Item{Stream: stream, Notice: &domain.BadEntry{Stream: stream, Offset: at, Err: err}}, nil
	}
	return &logview.Item{Stream: stream, Entry: &domain.Entry{
		Stream: stream, Offset: at, Time: logview.TimeOf(at), Message: message,
	}}, nil
}

// maxMessages is how many messages of one trace are shown.
const maxMessages = 100

// scan looks through all that the log holds for messages of a trace.
func (t *showTrace) scan(ctx context.Context, s *session, f *found) error {
	r, err := s.read(ctx, reading{begin: true})
	if err != nil {
		return err
	}
	defer r.close()
	for {
		it, done, err := r.next(func() error { return nil })
		if err != nil {
			return err
		}
		if done {
			f.names = r.names
			return nil
		}
		if it.Entry == nil || logview.TraceID(&it.Entry.Message) != t.id {
			continue
		}
		if len(f.items) == maxMessages {
			f.Notes = append(f.Notes, fmt.Sprintf("the trace has more than %d messages; the first ones are shown", maxMessages))
			return nil
		}
		f.items = append(f.items, it)
	}
}

// ask asks all nodes what they remember. Without a question it only learns their names.
func (t *showTrace) ask(ctx context.Context, s *session, f *found) ([]roster.Member, error) {
	seen, err := s.openRoster(ctx)
	if err != nil {
		return nil, err
	}
	if t.silent {
		members, _ := seen.At(s.now(ctx))
		f.learn(members)
		return members[:0], nil
	}
	a, err := s.openAsker(ctx, "trace", seen)
	if err != nil {
		return nil, err
	}
	question := diagnostics.Question{
		Status: &diagnostics.StatusQuestion{}, Events: &diagnostics.Since{},
		Spans: &diagnostics.SpansQuestion{Trace: f.Trace},
	}
	if f.Trace == "" {
		question.Spans.Offset = string(t.offset)
	}
	reply, err := a.ask(ctx, question)
	if err != nil {
		return nil, err
	}
	f.asked, f.answers = true, reply.Answers
	for i := range reply.Answers {
		f.names[reply.Answers[i].Node] = reply.Answers[i].Name
	}
	members, _ := seen.At(s.now(ctx))
	f.learn(members)
	for _, m := range reply.Missing {
		f.names[m.Node] = cmp.Or(m.Name, f.names[m.Node])
		f.Missing = append(f.Missing, cmp.Or(m.Name, string(m.Node)))
		members = append(members, roster.Member{Member: domain.Member{ID: m.Node}, Namespace: diagnostics.Namespace})
	}
	return members, nil
}

// learn takes note of the nodes' names.
func (f *found) learn(members []roster.Member) {
	for i := range members {
		if name := members[i].Info.Name; name != "" {
			f.names[members[i].ID] = name
		}
	}
}

// judge says what became of each message on each node.
func (t *showTrace) judge(f *found, members []roster.Member) {
	f.Spans = way.Tree(f.answers)
	for _, it := range f.items {
		f.Messages = append(f.Messages, f.wayOf(it))
	}
	if len(f.items) == 0 {
		for _, at := range offsetsOf(f.Spans, t.offset) {
			f.Messages = append(f.Messages, &messageWay{Offset: at, message: way.Message{
				Offset: at, Time: logview.TimeOf(at), Namespace: namespaceOf(f.Spans, at),
			}})
		}
	}
	for _, m := range f.Messages {
		m.Stops = []*way.Stop{}
		for i := range f.answers {
			m.Stops = append(m.Stops, way.Of(&m.message, &f.answers[i]))
		}
		if m.isAnswer() { // it is for one node, and the others pass over it
			m.Stops = slices.DeleteFunc(m.Stops, func(stop *way.Stop) bool { return stop.At == nil })
			continue
		}
		m.Stops = append(m.Stops, silent(f, m, members)...)
	}
	f.remark(t)
}

// isAnswer reports whether a message is the answer to a question.
func (m *messageWay) isAnswer() bool {
	return m.item != nil && m.item.Entry != nil && m.item.Entry.Message.Kind().IsAnswer()
}

func (f *found) wayOf(it *logview.Item) *messageWay {
	m := &messageWay{Offset: it.Offset(), item: it, message: way.Message{Offset: it.Offset(), Stream: it.Stream, Time: it.Time()}}
	name := ""
	if it.Entry != nil {
		m.message.Namespace, m.message.From = it.Entry.Message.Namespace, it.Entry.Message.Node
		name = f.names[it.Entry.Message.Node]
	}
	m.Entry = logview.NewRecord(it, name, logview.PayloadFull)
	return m
}

// offsetsOf are the positions of messages that spans tell of, in order; only the one that was asked for, if one was.
func offsetsOf(spans []*way.Span, asked domain.Offset) []domain.Offset {
	var all []domain.Offset
	for _, s := range spans {
		at := domain.Offset(s.Attributes["messaging.message.id"])
		if at != "" && (asked == "" || at == asked) && !slices.Contains(all, at) {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, logview.Compare)
	return all[:min(len(all), maxMessages)]
}

// namespaceOf is the namespace of a message that is in no log any more, as spans tell.
func namespaceOf(spans []*way.Span, at domain.Offset) string {
	for _, s := range spans {
		if s.Attributes["messaging.message.id"] == string(at) {
			return s.Attributes["messaging.destination.name"]
		}
	}
	return ""
}

// silent are the nodes that have not answered, and those that cannot.
func silent(f *found, m *messageWay, members []roster.Member) (stops []*way.Stop) {
	told := make(map[domain.NodeID]bool)
	for _, stop := range m.Stops {
		told[stop.Node] = true
	}
	for i := range members {
		member := &members[i]
		if told[member.ID] || isTool(&member.Member) {
			continue
		}
		stop := &way.Stop{Node: member.ID, Name: f.names[member.ID]}
		switch {
		case slices.Contains(f.Missing, cmp.Or(stop.Name, string(member.ID))):
			stop.Verdict, stop.Text = way.Missing, "has not answered"
		case member.Namespace != m.message.Namespace:
			continue
		case member.Lost:
			stop.Verdict, stop.Text = way.Missing, "is lost: it was last heard "+member.Heard.Local().Format("15:04:05")
		case roster.IsNodeJS(&member.Member):
			stop.Verdict, stop.Text = way.Mute, "is a Node.js server, which remembers nothing"
		default:
			stop.Verdict, stop.Text = way.Mute, "has no diagnostics: start serve with --diagnostics"
		}
		told[member.ID] = true
		stops = append(stops, stop)
	}
	return stops
}

// remark says what is not known, and why.
func (f *found) remark(t *showTrace) {
	remembering := slices.ContainsFunc(f.answers, func(a diagnostics.Answer) bool {
		return a.Status != nil && a.Status.Recording.TracesPerSecond != 0
	})
	switch {
	case !f.asked:
		f.Notes = append(f.Notes, "no node was asked (--silent): this is what the log holds")
	case len(f.answers) == 0 && len(f.Missing) == 0:
		f.Notes = append(f.Notes, "no node has diagnostics, so this is what the log holds: serve has them unless it is told --diagnostics=false")
	case len(f.answers) > 0 && !remembering:
		f.Notes = append(f.Notes, "no node remembers messages: start serve with --trace-recent 50, say")
	case len(f.Spans) == 0 && len(f.answers) > 0 && len(f.items) == 0:
		f.Notes = append(f.Notes, "no node remembers it")
	case len(f.Spans) == 0 && len(f.answers) > 0:
		f.Notes = append(f.Notes, "no node remembers this message: of many messages only some are remembered (serve --trace-recent), and those of `roombus emit` always")
	}
	if len(f.items) == 0 && len(f.Spans) > 0 {
		f.Notes = append(f.Notes, "it is not in the log any more: "+f.where(t.offset))
	}
	var skewed []string
	for i := range f.answers {
		if a := &f.answers[i]; len(a.Spans) > 0 && (a.Status == nil || !a.Status.ClockKnown) {
			skewed = append(skewed, cmp.Or(a.Name, string(a.Node)))
		}
	}
	if len(skewed) > 0 {
		f.Notes = append(f.Notes, "how far the clock of "+whoIsMissing(skewed, 0)+" is off is not known: its times are its own")
	}
	if i := slices.IndexFunc(f.answers, func(a diagnostics.Answer) bool { return slices.Contains(a.Truncated, "spans") }); i >= 0 {
		f.Notes = append(f.Notes, cmp.Or(f.answers[i].Name, string(f.answers[i].Node))+" remembers more spans of it than fit into an answer")
	}
}

// where says what the log holds instead of an offset.
func (f *found) where(at domain.Offset) string {
	var words []string
	for _, r := range f.Log {
		switch {
		case r.First == "" || r.First == "0-0":
			words = append(words, r.Stream+" is empty")
		case at != "" && logview.Compare(at, r.Last) > 0:
			words = append(words, fmt.Sprintf("%s ends at %s, before it", r.Stream, r.Last))
		case at != "" && logview.Compare(at, r.First) < 0 && r.Trimmed > 0:
			words = append(words, fmt.Sprintf("%s begins at %s, %d older entries were trimmed", r.Stream, r.First, r.Trimmed))
		default:
			words = append(words, fmt.Sprintf("%s holds %s to %s", r.Stream, r.First, r.Last))
		}
	}
	return cmp.Or(strings.Join(words, "; "), "there is no log")
}

// nothing is the error when nobody knows anything.
func (t *showTrace) nothing(f *found) error {
	if len(f.Missing) > 0 {
		f.Notes = append(f.Notes, "no answer from "+whoIsMissing(f.Missing, 0))
	}
	what := "the trace " + t.id + " is of no message in the log"
	if t.offset != "" {
		what = "there is no message at " + string(t.offset) + " in the log"
	}
	notes := ""
	if len(f.Notes) > 0 {
		notes = "; " + strings.Join(f.Notes, "; ")
	}
	return errors.New(what + " (" + f.where(t.offset) + ")" + notes)
}

func (t *showTrace) print(s *session, f *found) error {
	if s.json {
		line, err := json.Marshal(f)
		if err != nil {
			return fmt.Errorf("write the way as JSON: %w", err)
		}
		return writeJSONLine(s.out, line)
	}
	v := wayView{palette: s.palette, width: cmp.Or(s.width, defaultWidth), payload: logview.Payload(t.payload), names: f.names}
	_, err := io.WriteString(s.out, v.text(f))
	return err
}

// defaultWidth is how wide the waterfall is where there is no terminal.
const defaultWidth = 110

// spanTimes are the beginning and the end of all that is shown of a trace.
func spanTimes(f *found) (begin, end time.Time) {
	take := func(from, to time.Time) {
		if begin.IsZero() || from.Before(begin) {
			begin = from
		}
		if to.After(end) {
			end = to
		}
	}
	for _, s := range f.Spans {
		take(s.Began, s.Ended)
	}
	for _, m := range f.Messages {
		if len(f.Spans) > 0 && !m.message.Time.IsZero() {
			take(m.message.Time, m.message.Time)
		}
	}
	return begin, end
}
