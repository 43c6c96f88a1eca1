package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/roster"
	"github.com/roombus/roombus/cmd/roombus/internal/text"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
)

// nodes shows who is in the cluster.
type nodes struct {
	watch   time.Duration
	silent  bool
	details bool

	now time.Time // by the log's clock, when it was looked last
}

func (*nodes) about() about {
	return about{
		does: "shows which nodes a cluster has: since when, their version, sockets, how far they are behind the log, and\n" +
			"what is wrong with them.",
		usage: "[flags]",
		more: "Nodes that have diagnostics are asked, in the namespace that is theirs; for that it joins this namespace for a moment,\n" +
			"and users' namespaces notice nothing. Of the others it shows what their heartbeats in the log say: Node.js servers of\n" +
			"the 0.2 line have an id for each namespace, and tell nothing else; those of the 0.3 line send no heartbeats, and are\n" +
			"only counted, with --pubsub plain or sharded, as they have it. --silent asks nobody and writes nothing.",
	}
}

func (n *nodes) declare(f *flag.FlagSet) {
	f.DurationVar(&n.watch, "watch", 0, "show it again and again, with this pause, until Ctrl-C")
	f.BoolVar(&n.silent, "silent", false, "ask nobody: show what heartbeats say; it needs the rights to read alone")
	f.BoolVar(&n.details, "details", false, "show addresses, clocks and capabilities too")
}

func (n *nodes) check(args []string) error {
	switch {
	case len(args) > 0:
		return errors.New("everything is said with flags, but there is an argument without one")
	case n.watch < 0 || n.watch > 0 && n.watch < 100*time.Millisecond:
		return fmt.Errorf("--watch is %s; it must be 100ms or more", n.watch)
	}
	return nil
}

// nodeRecord is a node for programs, one JSON object. docs/tools.md describes it.
type nodeRecord struct {
	// Kind is roombus, nodejs-0.2, nodejs-0.3 (Count of them, without names) or unknown: somebody who publishes and sends
	// no heartbeats.
	Kind  string        `json:"kind"`
	ID    domain.NodeID `json:"id,omitempty"`
	Name  string        `json:"name,omitempty"`
	Count int           `json:"count,omitempty"`
	// Namespaces are those in which it was seen, without those of the nodes alone.
	Namespaces []string   `json:"namespaces"`
	Version    string     `json:"version,omitempty"`
	Address    string     `json:"address,omitempty"`
	Started    *time.Time `json:"started,omitempty"`
	// Heard is when the log has stored its last word.
	Heard    *time.Time `json:"heard,omitempty"`
	Draining bool       `json:"draining,omitempty"`
	// State is healthy, draining, unhealthy, suspect, lost (silent for more than ten seconds, without a goodbye), missing
	// (it was asked and has not answered) or heard (all that is known is that it was heard).
	State    string   `json:"state"`
	Problems []string `json:"problems,omitempty"`
	// What follows only nodes with diagnostics tell, but for Behind: how many entries its last heartbeat stood behind the
	// place up to which it had read.
	Sockets      *int          `json:"sockets,omitempty"`
	Rooms        *int          `json:"rooms,omitempty"`
	Lag          *float64      `json:"lagSeconds,omitempty"`
	Cursor       domain.Offset `json:"cursor,omitempty"`
	Behind       *int          `json:"behind,omitempty"`
	ClockAhead   *float64      `json:"clockAheadSeconds,omitempty"`
	Capabilities []string      `json:"capabilities,omitempty"`
}

func (n *nodes) run(ctx context.Context, s *session) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	seen, err := s.openRoster(ctx)
	if err != nil {
		return err
	}
	var a *asker
	if !n.silent {
		if a, err = s.openAsker(ctx, "nodes", seen); err != nil {
			return err
		}
	}
	for {
		records, partial, err := n.look(ctx, s, seen, a)
		if err != nil {
			return watched(ctx, n.watch, err)
		}
		if err := n.print(s, records); err != nil {
			return err
		}
		if n.watch == 0 {
			return partial
		}
		if partial != nil {
			s.notef("%s", partial)
		}
		timer := time.NewTimer(n.watch)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// watched is an error of a tool that was told to stop while it watched: none.
func watched(ctx context.Context, watch time.Duration, err error) error {
	if watch > 0 && ctx.Err() != nil {
		err = nil
	}
	return err
}

// look finds out who is there. partial is not nil when somebody was asked and has not answered.
func (n *nodes) look(ctx context.Context, s *session, seen *roster.Roster, a *asker) (records []*nodeRecord, partial, err error) {
	reply := &diagnostics.Reply{}
	if a != nil {
		if reply, err = a.ask(ctx, diagnostics.Question{Status: &diagnostics.StatusQuestion{}}); err != nil {
			return nil, nil, err
		}
	}
	if len(reply.Answers) == 0 { // else they have told of those who are not heard from so often
		if err := s.listen(ctx); err != nil {
			return nil, nil, err
		}
	}
	found := make(map[domain.NodeID]*nodeRecord)
	n.now = s.now(ctx)
	members, strangers := seen.At(n.now)
	for i := range members {
		addMember(found, &members[i])
	}
	for i := range reply.Answers {
		addAnswer(found, &reply.Answers[i])
	}
	var missing []string
	for _, m := range reply.Missing {
		r := recordOf(found, m.Node)
		r.State, r.Name = "missing", cmp.Or(r.Name, m.Name)
		missing = append(missing, cmp.Or(m.Name, string(m.Node)))
	}
	for _, stranger := range strangers {
		r := recordOf(found, stranger.ID)
		r.Kind, r.Heard = cmp.Or(r.Kind, "unknown"), &stranger.Heard
		r.Namespaces = append(r.Namespaces, stranger.Namespace)
	}
	records = sorted(found)
	counted, err := countUnnamed(ctx, s, seen, members)
	if err != nil {
		return nil, nil, err
	}
	records = append(records, counted...)
	if len(missing) > 0 || reply.Unnamed > 0 {
		partial = &partialError{"no answer from " + whoIsMissing(missing, reply.Unnamed)}
	}
	return records, partial, nil
}

func recordOf(found map[domain.NodeID]*nodeRecord, id domain.NodeID) *nodeRecord {
	r, ok := found[id]
	if !ok {
		r = &nodeRecord{ID: id, State: "heard", Namespaces: []string{}}
		found[id] = r
	}
	return r
}

// addMember adds what a heartbeat says.
func addMember(found map[domain.NodeID]*nodeRecord, m *roster.Member) {
	if isTool(&m.Member) {
		return
	}
	r := recordOf(found, m.ID)
	if !domain.IsReservedNamespace(m.Namespace) {
		r.Namespaces = append(r.Namespaces, m.Namespace)
	}
	if roster.IsNodeJS(&m.Member) {
		r.Kind = "nodejs-0.2"
	} else {
		r.Kind, r.Name, r.Version, r.Address = "roombus", m.Info.Name, m.Info.Version, m.Info.Address
		r.Started, r.Capabilities = &m.Info.StartedAt, m.Info.Capabilities
	}
	if r.Heard == nil || m.Heard.After(*r.Heard) {
		r.Heard, r.Draining, r.Cursor = &m.Heard, m.Draining, m.Cursor
		r.Behind = nil
		if m.Behind >= 0 {
			r.Behind = &m.Behind
		}
	}
	switch {
	case m.Lost:
		r.State = "lost"
	case m.Suspect:
		r.State = "suspect"
	case m.Draining && r.State == "heard":
		r.State = "draining"
	}
}

// addAnswer adds what a node says itself.
func addAnswer(found map[domain.NodeID]*nodeRecord, a *diagnostics.Answer) {
	r := recordOf(found, a.Node)
	r.Kind, r.Name = "roombus", cmp.Or(a.Name, r.Name)
	status := a.Status
	if status == nil {
		r.State, r.Problems = "unhealthy", []string{cmp.Or(a.Error, "It has not said how it is.")}
		return
	}
	r.Version, r.Draining, r.Problems = cmp.Or(status.Version, r.Version), status.Draining, status.Problems
	if r.Started == nil && status.Started != 0 {
		started := status.Started.Time().UTC()
		r.Started = &started
	}
	if status.ClockKnown {
		r.ClockAhead = &status.ClockAhead
	}
	for _, reader := range status.Readers {
		if r.Lag == nil || reader.Lag > *r.Lag {
			r.Lag = &reader.Lag
		}
		if len(status.Readers) == 1 {
			r.Cursor = domain.Offset(reader.Cursor)
		}
	}
	if len(status.Latest) > 0 {
		sockets, rooms := int(status.Latest[0].Sockets), int(status.Latest[0].Rooms)
		r.Sockets, r.Rooms = &sockets, &rooms
	}
	for _, ns := range status.Namespaces {
		if !domain.IsReservedNamespace(ns.Name) {
			r.Namespaces = append(r.Namespaces, ns.Name)
		}
	}
	switch {
	case status.Draining:
		r.State = "draining"
	case !status.Healthy:
		r.State = "unhealthy"
	default:
		r.State = "healthy"
	}
}

func sorted(found map[domain.NodeID]*nodeRecord) []*nodeRecord {
	records := slices.Collect(maps.Values(found))
	for _, r := range records {
		slices.Sort(r.Namespaces)
		r.Namespaces = slices.Compact(r.Namespaces)
		r.Kind = cmp.Or(r.Kind, "roombus")
	}
	order := []string{"roombus", "nodejs-0.2", "nodejs-0.3", "unknown"}
	slices.SortFunc(records, func(a, b *nodeRecord) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), strings.Compare(a.Name, b.Name),
			strings.Compare(string(a.ID), string(b.ID)))
	})
	return records
}

// countUnnamed counts the Node.js servers of the 0.3 line in each namespace.
func countUnnamed(ctx context.Context, s *session, seen *roster.Roster, members []roster.Member) ([]*nodeRecord, error) {
	var records []*nodeRecord
	namespaces := seen.Namespaces()
	if !slices.Contains(namespaces, "/") {
		namespaces = append([]string{"/"}, namespaces...)
	}
	for _, namespace := range namespaces {
		n, err := s.unnamed(ctx, namespace, idsIn(members, namespace))
		if err != nil {
			return nil, err
		}
		if n > 0 {
			records = append(records, &nodeRecord{Kind: "nodejs-0.3", Count: n, Namespaces: []string{namespace}, State: "heard"})
		}
	}
	return records, nil
}

func idsIn(members []roster.Member, namespace string) (ids []domain.NodeID) {
	for i := range members {
		if members[i].Namespace == namespace && !members[i].Lost && !isTool(&members[i].Member) {
			ids = append(ids, members[i].ID)
		}
	}
	return ids
}

const clearScreen = "\x1b[H\x1b[2J"

func (n *nodes) print(s *session, records []*nodeRecord) error {
	if s.json {
		for _, r := range records {
			line, err := json.Marshal(r)
			if err != nil {
				return fmt.Errorf("write a node as JSON: %w", err)
			}
			if err := writeJSONLine(s.out, line); err != nil {
				return err
			}
		}
		return nil
	}
	var out strings.Builder
	switch {
	case n.watch == 0:
	case isTerminal(s.out):
		out.WriteString(clearScreen)
	default:
		out.WriteString("\n" + time.Now().Format("15:04:05") + "\n")
	}
	if len(records) == 0 {
		out.WriteString("no nodes: nobody has said anything in the log for " + heartbeatTimeout.String() + "\n")
	} else {
		out.WriteString(n.table(s, records))
	}
	for _, r := range records {
		for _, problem := range r.Problems {
			out.WriteString("\n" + s.palette.Paint(text.Bad, text.Name(cmp.Or(r.Name, string(r.ID)))) + ": " + text.Visible(problem))
		}
	}
	if !strings.HasSuffix(out.String(), "\n") {
		out.WriteString("\n")
	}
	_, err := io.WriteString(s.out, out.String())
	return err
}

func (n *nodes) table(s *session, records []*nodeRecord) string {
	head := []string{"NODE", "ID", "STATE", ">SOCKETS", ">ROOMS", ">LAG", ">UP", ">HEARD", "VERSION", "NAMESPACES"}
	if n.details {
		head = append(head, "ADDRESS", ">CLOCK", "CAPABILITIES")
	}
	rows := [][]text.Cell{text.Head(head...)}
	for _, r := range records {
		name := text.Name(r.Name)
		switch r.Kind {
		case "nodejs-0.2":
			name = "(Node.js 0.2)"
		case "nodejs-0.3":
			name = "(" + strconv.Itoa(r.Count) + " of Node.js 0.3)"
		case "unknown":
			name = "(publishes, no heartbeats)"
		}
		row := []text.Cell{
			{Text: name, Color: text.Strong}, {Text: text.Visible(string(r.ID)), Color: text.Dim},
			{Text: r.State, Color: stateColor(r.State)},
			count(r.Sockets), count(r.Rooms), lag(r), n.since(r.Started), n.ago(r.Heard),
			{Text: visibleOr(r.Version)}, {Text: text.Names(r.Namespaces)},
		}
		if n.details {
			clock := text.Cell{Right: true}
			if r.ClockAhead != nil {
				clock.Text = fmt.Sprintf("%+.3fs", *r.ClockAhead)
			}
			row = append(row, text.Cell{Text: visibleOr(r.Address)}, clock, text.Cell{Text: text.Names(r.Capabilities)})
		}
		rows = append(rows, row)
	}
	return s.palette.Table(rows)
}

func stateColor(state string) text.Color {
	switch state {
	case "healthy":
		return text.Good
	case "unhealthy", "missing", "lost":
		return text.Bad
	case "draining", "suspect":
		return text.Careful
	default:
		return text.Dim
	}
}

func visibleOr(s string) string {
	if s == "" {
		return ""
	}
	return text.Name(s)
}

func count(n *int) text.Cell {
	if n == nil {
		return text.Cell{}
	}
	return text.Cell{Text: strconv.Itoa(*n), Right: true}
}

// lag is how far a node is behind: in seconds, or in entries where only its heartbeats say it.
func lag(r *nodeRecord) text.Cell {
	switch {
	case r.Lag != nil && *r.Lag >= 1:
		return text.Cell{Text: fmt.Sprintf("%.1fs", *r.Lag), Right: true, Color: text.Bad}
	case r.Lag != nil:
		return text.Cell{Text: fmt.Sprintf("%.1fs", *r.Lag), Right: true}
	case r.Behind != nil && *r.Behind > 0:
		return text.Cell{Text: text.Count(*r.Behind, "entry", "entries"), Right: true}
	case r.Behind != nil:
		return text.Cell{Text: "0", Right: true}
	default:
		return text.Cell{}
	}
}

func (n *nodes) since(t *time.Time) text.Cell {
	if t == nil {
		return text.Cell{}
	}
	return text.Cell{Text: age(n.now.Sub(*t)), Right: true}
}

func (n *nodes) ago(t *time.Time) text.Cell {
	if t == nil {
		return text.Cell{}
	}
	return text.Cell{Text: age(n.now.Sub(*t)) + " ago", Right: true}
}

// age is a time that has passed, for people.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
	}
}
