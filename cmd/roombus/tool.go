package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/term"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/cmd/roombus/internal/text"
)

// tool is a command that looks into a running cluster, or speaks to it, and is no node of it.
type tool interface {
	// about describes the command.
	about() about
	// declare declares the flags that the command has besides those of all.
	declare(f *flag.FlagSet)
	// check says what is wrong with the flags and arguments.
	check(args []string) error
	// run does what the command is for, until it is done or ctx ends.
	run(ctx context.Context, s *session) error
}

// about is what a command's help says.
type about struct {
	does  string // a sentence
	usage string // what follows the command's name
	more  string // behind the flags
	// flagsFirst says that flags end where arguments begin: an argument may look like one.
	flagsFirst bool
}

// tools are the tools by their names.
var tools = []struct {
	name, does string
	make       func() tool
}{
	{"tail", "follow the log of a cluster", func() tool { return new(tail) }},
	{"nodes", "show which nodes the cluster has, and how they are", func() tool { return new(nodes) }},
	{"rooms", "show the rooms of the cluster, and how large they are", func() tool { return new(rooms) }},
	{"emit", "emit an event to rooms, or change who is in them", func() tool { return new(emit) }},
	{"trace", "show which way a message went, and where it got lost", func() tool { return new(showTrace) }},
}

// session is one run of a tool.
type session struct {
	clusterFlags

	out     io.Writer
	errOut  io.Writer
	json    bool
	palette text.Palette
	// width is the terminal's, in characters; zero where there is none.
	width   int
	timeout time.Duration

	client    redis.UniversalClient
	transport *redisstream.Transport
	closers   []func() error
	// rosterShort is for how long heartbeats must be listened for, because the log does not hold enough.
	rosterShort time.Duration
}

// onClose has something closed when the tool ends, before what was opened earlier.
func (s *session) onClose(f func() error) { s.closers = append(s.closers, f) }

// commonFlags are those that all tools have.
type commonFlags struct {
	clusterFlags

	json    bool
	color   string
	timeout time.Duration
}

func (c *commonFlags) declare(f *flag.FlagSet) {
	c.clusterFlags.declare(f, "the Redis `URL` of the cluster")
	f.BoolVar(&c.json, "json", false, "write JSON, an object a line")
	f.StringVar(&c.color, "color", "auto", "`when` to use colours: auto (on a terminal, unless NO_COLOR is set), always or never")
	f.DurationVar(&c.timeout, "timeout", 5*time.Second, "how long Redis and the nodes have to answer")
}

func (c *commonFlags) check() error {
	switch {
	case c.redis == "":
		return errors.New("which cluster? Give its Redis URL with --redis or as ROOMBUS_REDIS")
	case c.color != "auto" && c.color != "always" && c.color != "never":
		return fmt.Errorf("--color is %q; it must be auto, always or never", c.color)
	case c.timeout <= 0:
		return fmt.Errorf("--timeout is %s; it must be positive", c.timeout)
	}
	return c.clusterFlags.check()
}

// partialError says that what was written is right and not all there is.
type partialError struct{ text string }

func (e *partialError) Error() string { return e.text }

// endGrace is how long a tool that was told to stop may take to tidy up. What it writes to may be stuck.
const endGrace = 500 * time.Millisecond

// toolCommand runs a tool until it has done its work, is told to stop by SIGINT or SIGTERM, or nobody reads its output
// any more.
func toolCommand(
	name string, t tool, args []string, env func(string) (string, bool), stdout, stderr io.Writer,
) error {
	var c commonFlags
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	c.declare(f)
	t.declare(f)
	arguments, err := parseTool(f, args, env, t.about().flagsFirst)
	if errors.Is(err, errHelp) {
		return toolHelp(stdout, name, t.about(), f)
	}
	veil := newVeil(c.redis)
	if err == nil {
		if err = c.check(); err == nil {
			err = t.check(arguments)
		}
		if err != nil {
			err = &usageError{name + ": " + err.Error() + "; `roombus " + name + " --help` says more"}
		}
	}
	if err != nil {
		return veil.error(err)
	}
	signal.Ignore(syscall.SIGPIPE) // a write says that nobody reads any more
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &session{
		clusterFlags: c.clusterFlags, out: stdout, errOut: veil.writer(stderr), json: c.json, timeout: c.timeout,
		palette: text.Palette{On: !c.json && colors(c.color, env, stdout)}, width: width(stdout),
	}
	done := make(chan error, 1)
	go func() { done <- s.around(ctx, t) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done:
		case <-time.After(endGrace):
			err = errors.New("stopped by a signal")
		}
	}
	switch {
	case errors.Is(err, syscall.EPIPE):
		return nil
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		err = errors.New("stopped by a signal")
	}
	return veil.error(prefixed(name, err))
}

// quoted is an argument in an error. A URL that came into the wrong place may have a password.
func quoted(argument string) string {
	if strings.Contains(argument, "://") {
		return "a URL"
	}
	return text.Short(text.Name(argument), 40)
}

// prefixed is an error of a tool, with its name before it.
func prefixed(name string, err error) error {
	if err == nil {
		return nil
	}
	text := name + ": " + err.Error()
	if _, usage := errors.AsType[*usageError](err); usage {
		return &usageError{text}
	}
	if _, partial := errors.AsType[*partialError](err); partial {
		return &partialError{text}
	}
	return errors.New(text)
}

// around runs a tool and closes what it has opened.
func (s *session) around(ctx context.Context, t tool) error {
	err := t.run(ctx, s)
	for _, f := range slices.Backward(s.closers) {
		if closing := f(); err == nil && ctx.Err() == nil {
			err = closing
		}
	}
	if s.transport != nil {
		_ = s.transport.Close() // what was published has its answer, and what was read is shown
	}
	if s.client != nil {
		_ = s.client.Close()
	}
	return err
}

// parseTool reads a command line in which flags may stand between arguments, unless they must come first.
func parseTool(
	f *flag.FlagSet, args []string, env func(string) (string, bool), flagsFirst bool,
) (arguments []string, err error) {
	if err := parseFlags(f, args, env, isClusterFlag); err != nil || flagsFirst {
		return f.Args(), err
	}
	for f.NArg() > 0 {
		arguments = append(arguments, f.Arg(0))
		if err := f.Parse(f.Args()[1:]); errors.Is(err, flag.ErrHelp) {
			return nil, errHelp
		} else if err != nil {
			return nil, flagError(f.Name(), err)
		}
	}
	return arguments, nil
}

func toolHelp(w io.Writer, name string, a about, f *flag.FlagSet) error {
	text := "roombus " + name + " " + a.does + "\n\nusage: roombus " + name + " " + a.usage + "\n\n" +
		flagList(f, isClusterFlag) + "\nThe flags with an environment variable beside them can be given as that; the flag wins.\n"
	if a.more != "" {
		text += "\n" + a.more + "\n"
	}
	_, err := io.WriteString(w, text+"\nExit codes: 0 done; 1 it failed; 2 it was called wrongly; 3 what was written is not all, and who is missing\nstands on the standard error.\n\n"+redisURLs)
	return err
}

// colors decides whether to use colours.
func colors(when string, env func(string) (string, bool), out io.Writer) bool {
	if when != "auto" {
		return when == "always"
	}
	if no, _ := env("NO_COLOR"); no != "" {
		return false
	}
	kind, _ := env("TERM")
	return kind != "dumb" && isTerminal(out)
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// width is how many characters fit into a line; zero where that does not matter.
func width(out io.Writer) int {
	file, ok := out.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// connect opens the cluster's transport, as one that looks on: whatever it reads, nobody waits for it, and nothing of
// what it appends takes older entries out of the log.
func (s *session) connect(ctx context.Context) error {
	redis.SetLogger(redisLog{slog.New(slog.DiscardHandler)})
	client, err := redisstream.ParseURL(s.redis)
	if err != nil {
		return &usageError{fmt.Sprintf("--redis: %v", err)}
	}
	s.client = client
	s.transport, err = redisstream.New(client, redisstream.Config{
		Stream:         s.stream,
		Streams:        s.streamCount,
		PubSub:         redisstream.PubSubMode(s.pubSub),
		Spectator:      true,
		NoFlowControl:  true,
		MaxLength:      math.MaxInt64,
		ReadCount:      redisstream.DefaultReadCount,
		PublishTimeout: s.timeout,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err = s.transport.Check(ctx) // warnings are for who runs a node
	return err
}

// now is the time by the clock that gives the log's entries theirs, if Redis says it, and else by this machine's.
func (s *session) now(ctx context.Context) time.Time {
	if now, err := s.client.Time(ctx).Result(); err == nil {
		return now
	}
	return time.Now()
}

// notef writes a remark to who looks on; never to programs that read the output.
func (s *session) notef(format string, args ...any) {
	_, _ = fmt.Fprintln(s.errOut, "roombus: "+text.Visible(fmt.Sprintf(format, args...))) // who cannot be told cannot be told
}

// list is a flag that may be given several times.
type list []string

// String joins the values with commas.
func (l *list) String() string { return strings.Join(*l, ",") }

// Set adds a value.
func (l *list) Set(value string) error {
	if value == "" {
		return errors.New("it must not be empty")
	}
	*l = append(*l, value)
	return nil
}
