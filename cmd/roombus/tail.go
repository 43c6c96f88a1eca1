package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/cmd/roombus/internal/text"
	"github.com/roombus/roombus/domain"
)

// tail follows the log.
type tail struct {
	filter   logview.Filter
	rooms    list
	spaces   list
	nodes    list
	events   list
	kinds    list
	payload  string
	since    string
	limit    int
	noFollow bool

	from domain.Offset // where since begins, if it is an offset
	ago  time.Duration // how long ago it begins, if it is a duration
}

func (*tail) about() about {
	return about{
		does: "follows the log of a cluster: one line a message, decoded. It is no node, nobody waits for it, and it " +
			"needs the\nrights to read alone (XREAD, XRANGE, XINFO STREAM).",
		usage: "[flags]",
		more: "A line says when the log stored the message, where, its kind, the node that sent it, the namespace, for which sockets\n" +
			"it is, what it carries, and its trace. The kinds are\n  " + strings.Join(logview.KindNames(), ", ") + ".\n" +
			"Of several values of a filter one must fit, and all filters must. Gaps, resets and entries that cannot be read are\n" +
			"always shown, in their place. It goes on until Ctrl-C.",
	}
}

func (t *tail) declare(f *flag.FlagSet) {
	f.Var(&t.spaces, "namespace", "show messages of this `namespace` alone; may be given several times")
	f.Var(&t.rooms, "room", "show messages to this `room`, and joins and leaves of it, alone; a socket's id is a room; may be given several times")
	f.Var(&t.kinds, "kind", "show messages of this `kind` alone; may be given several times")
	f.Var(&t.nodes, "node", "show messages of the node with this `id or name` alone; may be given several times")
	f.Var(&t.events, "event", "show the event of this `name` alone; may be given several times")
	f.StringVar(&t.filter.Trace, "trace", "", "show messages of the trace with this `id`, or beginning of one, alone")
	f.BoolVar(&t.filter.All, "all", false, "show heartbeats too, and what nodes and tools say among themselves in namespaces of their own")
	f.StringVar(&t.payload, "payload", "", "the `amount` of what a message carries that is shown: none, short or full (default short; with --json full)")
	f.StringVar(&t.since, "since", "", "the `place` at which to begin: an offset, a duration such as 5m (so long ago), or begin for all that the log holds (default: now)")
	f.IntVar(&t.limit, "limit", 0, "end after this `number` of messages was shown")
	f.BoolVar(&t.noFollow, "no-follow", false, "end when everything is shown that the log holds")
}

func (t *tail) check(args []string) error {
	switch {
	case len(args) > 0:
		return errors.New("everything is said with flags, but there is an argument without one")
	case t.limit < 0:
		return fmt.Errorf("--limit is %d; it must not be negative", t.limit)
	case t.payload != "" && t.payload != "none" && t.payload != "short" && t.payload != "full":
		return fmt.Errorf("--payload is %q; it must be none, short or full", t.payload)
	case strings.Trim(t.filter.Trace, "0123456789abcdef") != "" || len(t.filter.Trace) > 32:
		return fmt.Errorf("--trace is %q; it must be the id of a trace or its beginning: up to 32 digits and letters a to f", t.filter.Trace)
	case t.noFollow && t.since == "":
		return errors.New("--no-follow shows what the log holds: say from where with --since, such as --since begin")
	}
	for _, namespace := range t.spaces {
		if namespace[0] != '/' {
			return fmt.Errorf("--namespace is %q; a namespace begins with a slash", namespace)
		}
	}
	for _, word := range t.kinds {
		kind, ok := logview.ParseKind(word)
		if !ok {
			return fmt.Errorf("--kind is %q; it must be one of %s", word, strings.Join(logview.KindNames(), ", "))
		}
		t.filter.Kinds = append(t.filter.Kinds, kind)
	}
	t.filter.Namespaces, t.filter.Rooms, t.filter.Nodes, t.filter.Events = t.spaces, t.rooms, t.nodes, t.events
	return t.checkSince()
}

func (t *tail) checkSince() error {
	switch {
	case t.since == "", t.since == "begin":
	case logview.IsOffset(t.since):
		t.from = domain.Offset(t.since)
	default:
		ago, err := time.ParseDuration(t.since)
		if err != nil || ago <= 0 {
			return fmt.Errorf("--since is %q; it must be an offset such as 1795338738822-0, a duration such as 5m, or begin", t.since)
		}
		t.ago = ago
	}
	return nil
}

func (t *tail) run(ctx context.Context, s *session) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	what := reading{from: t.from, begin: t.since == "begin", follow: !t.noFollow}
	if t.ago > 0 {
		what.from = logview.OffsetAt(s.now(ctx).Add(-t.ago))
	}
	r, err := s.read(ctx, what)
	if err != nil {
		return err
	}
	defer r.close()
	p := t.printer(s)
	for shown := 0; t.limit == 0 || shown < t.limit; {
		it, done, err := r.next(p.flush)
		if err != nil {
			if ctx.Err() != nil { // it was told to stop, as it must be
				return p.flush()
			}
			return errors.Join(err, p.flush())
		}
		if done {
			return p.flush()
		}
		if !t.filter.Shows(it, r.nameOf(it)) {
			continue
		}
		if it.Entry != nil {
			shown++
		}
		if err := p.print(it, r.nameOf(it)); err != nil {
			return err
		}
	}
	return p.flush()
}

// printer writes items.
type printer struct {
	to      *bufio.Writer
	json    bool
	payload logview.Payload
	lines   logview.Lines
}

func (t *tail) printer(s *session) *printer {
	p := &printer{to: bufio.NewWriter(s.out), json: s.json, payload: logview.Payload(t.payload)}
	if p.payload == "" && !s.json {
		p.payload = logview.PayloadShort
	}
	p.lines = logview.Lines{Palette: s.palette, Payload: p.payload, Streams: s.streamCount > 1}
	return p
}

func (p *printer) print(it *logview.Item, name string) error {
	if !p.json {
		_, err := p.to.WriteString(p.lines.Line(it, name) + "\n")
		return err
	}
	line, err := logview.JSON(it, name, p.payload)
	if err != nil {
		return fmt.Errorf("write %s as JSON: %w", text.Visible(string(it.Offset())), err)
	}
	_, err = p.to.Write(append(line, '\n'))
	return err
}

func (p *printer) flush() error { return p.to.Flush() }
