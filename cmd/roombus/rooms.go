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
	"strconv"
	"strings"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/roster"
	"github.com/roombus/roombus/cmd/roombus/internal/text"
	"github.com/roombus/roombus/diagnostics"
	"github.com/roombus/roombus/domain"
)

// rooms shows rooms and their sizes.
type rooms struct {
	namespaces list
	match      string
	top        int
	nodes      bool
	method     string
}

func (*rooms) about() about {
	return about{
		does:  "shows the rooms of a cluster and how many sockets are in each.",
		usage: "[flags]",
		more: "Where all nodes of a namespace have diagnostics they are asked there, which costs little: each counts what it has.\n" +
			"Else all sockets are fetched, as fetchSockets does, which Node.js servers know as well: each node writes all of its\n" +
			"sockets into the log, so think twice where there are many. Either way it is no member of users' namespaces, and no\n" +
			"node waits for it afterwards. Servers of the 0.3 line of Node.js answer on PUB/SUB alone: name it, as they have it,\n" +
			"with --pubsub. Rooms that sockets have for themselves are left out.",
	}
}

func (r *rooms) declare(f *flag.FlagSet) {
	f.Var(&r.namespaces, "namespace", "show this `namespace`; may be given several times (default: all that heartbeats tell of)")
	f.StringVar(&r.match, "match", "", "show rooms with this `text` in their names alone")
	f.IntVar(&r.top, "top", 0, "show this `number` of rooms of each namespace, the largest (default: all)")
	f.BoolVar(&r.nodes, "nodes", false, "show how many sockets of each room are on which node")
	f.StringVar(&r.method, "method", "auto", "the `way` to ask: auto (what is cheaper), diagnostics (the nodes count) or fetch (all sockets are fetched)")
}

func (r *rooms) check(args []string) error {
	switch {
	case len(args) > 0:
		return errors.New("everything is said with flags, but there is an argument without one")
	case r.top < 0:
		return fmt.Errorf("--top is %d; it must not be negative", r.top)
	case r.method != "auto" && r.method != "diagnostics" && r.method != "fetch":
		return fmt.Errorf("--method is %q; it must be auto, diagnostics or fetch", r.method)
	}
	for _, namespace := range r.namespaces {
		switch {
		case namespace[0] != '/':
			return fmt.Errorf("--namespace is %q; a namespace begins with a slash", namespace)
		case domain.IsReservedNamespace(namespace):
			return fmt.Errorf("--namespace is %q, which is of the nodes alone: it has no sockets", namespace)
		}
	}
	return nil
}

// roomRecord is a room for programs, one JSON object. docs/tools.md describes it.
type roomRecord struct {
	Namespace string `json:"namespace"`
	Room      string `json:"room"`
	Sockets   int    `json:"sockets"`
	// AtLeast says that there may be more: a node has more rooms than it says.
	AtLeast bool `json:"atLeast,omitempty"`
	// Nodes are the sockets of each node, by its name, or its id where it has none.
	Nodes map[string]int `json:"nodes"`
}

// roomsOf is what was found out about a namespace.
type roomsOf struct {
	namespace string
	method    string // in words
	rooms     []*roomRecord
	missing   []string
	unnamed   int
}

func (r *rooms) run(ctx context.Context, s *session) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	seen, err := s.openRoster(ctx)
	if err != nil {
		return err
	}
	var a *asker
	if r.method != "fetch" {
		if a, err = s.openAsker(ctx, "rooms", seen); err != nil {
			return err
		}
	}
	if a == nil || len(a.node.Nodes(diagnostics.Namespace)) == 1 {
		if err := s.listen(ctx); err != nil {
			return err
		}
	}
	namespaces, err := r.where(ctx, s, seen)
	if err != nil {
		return err
	}
	var missing []string
	unnamed := 0
	for _, namespace := range namespaces {
		found, err := r.ask(ctx, s, seen, a, namespace)
		if err != nil {
			return err
		}
		if err := r.print(s, found); err != nil {
			return err
		}
		missing, unnamed = append(missing, found.missing...), unnamed+found.unnamed
	}
	slices.Sort(missing)
	if who := whoIsMissing(slices.Compact(missing), unnamed); who != "" {
		return &partialError{"no answer from " + who + ": their sockets are not counted"}
	}
	return nil
}

// where are the namespaces to ask in.
func (r *rooms) where(ctx context.Context, s *session, seen *roster.Roster) ([]string, error) {
	candidates := []string(r.namespaces)
	if len(candidates) == 0 {
		candidates = seen.Namespaces()
		if !slices.Contains(candidates, "/") {
			candidates = append([]string{"/"}, candidates...)
		}
	}
	now := s.now(ctx)
	var inhabited []string
	for _, namespace := range candidates {
		unnamed := 0
		members := membersIn(seen, now, namespace)
		if len(members) == 0 {
			var err error
			if unnamed, err = s.unnamed(ctx, namespace, nil); err != nil {
				return nil, err
			}
		}
		if len(members) > 0 || unnamed > 0 {
			inhabited = append(inhabited, namespace)
		}
	}
	switch {
	case len(inhabited) > 0:
		return inhabited, nil
	case s.rosterShort > 0: // who has diagnostics has answered, but what was said of namespaces is trimmed
		if err := s.listen(ctx); err != nil {
			return nil, err
		}
		return r.where(ctx, s, seen)
	case len(r.namespaces) > 0:
		return nil, fmt.Errorf("no node is in %s: nobody has been heard there lately", text.Names(r.namespaces))
	default:
		return nil, errors.New("no node has said anything in the log lately, so there is nobody to ask")
	}
}

// ask asks the nodes of a namespace in the way that all of them know.
func (r *rooms) ask(ctx context.Context, s *session, seen *roster.Roster, a *asker, namespace string) (*roomsOf, error) {
	members := membersIn(seen, s.now(ctx), namespace)
	ids := make([]domain.NodeID, len(members))
	for i := range members {
		ids[i] = members[i].ID
	}
	unnamed, err := s.unnamed(ctx, namespace, ids)
	if err != nil {
		return nil, err
	}
	var without []string // nodes without diagnostics
	if a != nil {
		answering := membersIn(seen, s.now(ctx), diagnostics.Namespace)
		for i := range members {
			if !slices.ContainsFunc(answering, func(m roster.Member) bool { return m.ID == members[i].ID }) {
				without = append(without, nameOf(&members[i]))
			}
		}
	}
	switch {
	case r.method == "diagnostics", a != nil && len(members) > 0 && len(without) == 0 && unnamed == 0:
		return r.askDiagnostics(ctx, a, namespace, without, unnamed)
	case a == nil:
		return r.fetch(ctx, s, namespace, members, unnamed, "")
	default:
		return r.fetch(ctx, s, namespace, members, unnamed, whoIsMissing(without, unnamed))
	}
}

func membersIn(seen *roster.Roster, now time.Time, namespace string) []roster.Member {
	members, _ := seen.At(now)
	return slices.DeleteFunc(members, func(m roster.Member) bool {
		return m.Namespace != namespace || m.Lost || isTool(&m.Member)
	})
}

func nameOf(m *roster.Member) string { return cmp.Or(m.Info.Name, string(m.ID)) }

// askDiagnostics lets each node count.
func (r *rooms) askDiagnostics(
	ctx context.Context, a *asker, namespace string, without []string, unnamed int,
) (*roomsOf, error) {
	reply, err := a.ask(ctx, diagnostics.Question{Rooms: &diagnostics.RoomsQuestion{Namespace: namespace, Match: r.match}})
	if err != nil {
		return nil, err
	}
	found := &roomsOf{
		namespace: namespace, method: text.Count(len(reply.Answers), "node has", "nodes have") + " counted",
		missing: without, unnamed: unnamed + reply.Unnamed,
	}
	counted, atLeast := make(map[string]*roomRecord), false
	for i := range reply.Answers {
		answer := &reply.Answers[i]
		atLeast = atLeast || slices.Contains(answer.Truncated, "rooms")
		for _, room := range answer.Rooms {
			found.add(counted, room.Name, cmp.Or(answer.Name, string(answer.Node)), room.Sockets)
		}
	}
	for _, m := range reply.Missing {
		found.missing = append(found.missing, cmp.Or(m.Name, string(m.Node)))
	}
	for _, room := range found.rooms {
		room.AtLeast = atLeast
	}
	return found, nil
}

// fetch asks for all sockets. Nodes without diagnostics are why, if there are any.
func (r *rooms) fetch(
	ctx context.Context, s *session, namespace string, members []roster.Member, unnamed int, because string,
) (*roomsOf, error) {
	names, ids := make(map[domain.NodeID]string), make([]domain.NodeID, len(members))
	for i := range members {
		ids[i], names[members[i].ID] = members[i].ID, members[i].Info.Name
	}
	answers, err := s.fetchSockets(ctx, namespace, domain.Target{}, ids, unnamed)
	partial, isPartial := errors.AsType[*domain.PartialError](err)
	if err != nil && !isPartial {
		return nil, err
	}
	found := &roomsOf{namespace: namespace, method: "fetched the sockets of " + text.Count(len(answers), "node", "nodes")}
	if because != "" {
		found.method += ", as diagnostics are not known to " + because
	}
	if isPartial {
		found.unnamed = partial.Unnamed
		for _, id := range partial.Missing {
			found.missing = append(found.missing, cmp.Or(names[id], string(id)))
		}
	}
	counted := make(map[string]*roomRecord)
	for id, sockets := range answers {
		for i := range sockets {
			for _, room := range sockets[i].Rooms {
				if room != string(sockets[i].ID) && strings.Contains(room, r.match) {
					found.add(counted, room, cmp.Or(names[id], string(id)), 1)
				}
			}
		}
	}
	return found, nil
}

func (f *roomsOf) add(counted map[string]*roomRecord, room, node string, sockets int) {
	record, ok := counted[room]
	if !ok {
		record = &roomRecord{Namespace: f.namespace, Room: room, Nodes: make(map[string]int)}
		counted[room] = record
		f.rooms = append(f.rooms, record)
	}
	record.Sockets += sockets
	record.Nodes[node] += sockets
}

func (r *rooms) print(s *session, found *roomsOf) error {
	slices.SortFunc(found.rooms, func(a, b *roomRecord) int {
		return cmp.Or(cmp.Compare(b.Sockets, a.Sockets), strings.Compare(a.Room, b.Room))
	})
	all := len(found.rooms)
	if r.top > 0 && all > r.top {
		found.rooms = found.rooms[:r.top]
	}
	if s.json {
		for _, record := range found.rooms {
			line, err := json.Marshal(record)
			if err != nil {
				return fmt.Errorf("write a room as JSON: %w", err)
			}
			if err := writeJSONLine(s.out, line); err != nil {
				return err
			}
		}
		return nil
	}
	shown := text.Count(all, "room", "rooms")
	if len(found.rooms) < all {
		shown = fmt.Sprintf("the %d largest of %d rooms", len(found.rooms), all)
	}
	head := s.palette.Paint(text.Strong, text.Name(found.namespace)) + "  " + shown + "  " +
		s.palette.Paint(text.Dim, "("+found.method+")") + "\n"
	_, err := io.WriteString(s.out, head+r.table(s, found))
	return err
}

func (r *rooms) table(s *session, found *roomsOf) string {
	if len(found.rooms) == 0 {
		return ""
	}
	head := []string{"", ">SOCKETS", "ROOM"}
	if r.nodes {
		head = append(head, "ON")
	}
	rows := [][]text.Cell{text.Head(head...)}
	for _, record := range found.rooms {
		size := strconv.Itoa(record.Sockets)
		if record.AtLeast {
			size = "≥" + size
		}
		row := []text.Cell{{}, {Text: size, Right: true}, {Text: text.Name(record.Room)}}
		if r.nodes {
			row = append(row, text.Cell{Text: perNode(record.Nodes), Color: text.Dim})
		}
		rows = append(rows, row)
	}
	return s.palette.Table(rows)
}

// perNode is how many sockets are on which node.
func perNode(nodes map[string]int) string {
	var words []string
	for name, sockets := range nodes {
		words = append(words, text.Name(name)+": "+strconv.Itoa(sockets))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
