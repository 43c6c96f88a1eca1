package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// settings are the flags of serve.
type settings struct {
	addr            string
	redis           string
	stream          string
	streamCount     int
	maxLength       int64
	pubSub          string
	name            string
	path            string
	corsOrigins     origins
	advertise       string
	forwardSecret   string
	heartbeat       time.Duration
	heartbeatLimit  time.Duration
	recovery        time.Duration
	logLevel        slog.Level
	logFormat       string
	shutdownTimeout time.Duration
	diagnostics     bool
	traceRecent     float64
	consoleUser     string
	consolePassword string
	telemetry       telemetry
	admin           adminSettings
}

// origins is a flag that may be given several times, and that takes several values with commas between them.
type origins []string

// String joins the values with commas.
func (o *origins) String() string { return strings.Join(*o, ",") }

// Set adds values.
func (o *origins) Set(values string) error {
	for value := range strings.SplitSeq(values, ",") {
		if value = strings.TrimSpace(value); value != "" {
			*o = append(*o, value)
		}
	}
	return nil
}

// flags declares the flags of serve. The standard library's package does: one command with a dozen flags needs no
// framework.
func (s *settings) flags() *flag.FlagSet {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&s.addr, "addr", ":3000", "the `host:port` to listen on; port 0 takes a free one")
	f.StringVar(&s.redis, "redis", "", "the Redis `URL` through which the nodes of a cluster talk; without it this node is alone, in memory")
	f.StringVar(&s.stream, "stream", "socket.io", "the `name` of the Redis stream")
	f.IntVar(&s.streamCount, "stream-count", 1, "among how many `streams` the namespaces are divided, as streamCount in Node.js adapters 0.3; the same on all nodes")
	f.Int64Var(&s.maxLength, "max-length", 10_000, "about how many `entries` the log keeps")
	f.StringVar(&s.pubSub, "pubsub", "off", "the `lane` of requests and answers: off (the stream, as Node.js adapters 0.2 have it), plain or sharded (PUB/SUB, as 0.3); the same on all nodes")
	f.StringVar(&s.name, "name", "", "the node's `name` for people (default node- and six random characters)")
	f.StringVar(&s.path, "path", "/socket.io/", "the `path` at which clients connect")
	f.Var(&s.corsOrigins, "cors-origin", "an `origin` whose pages may connect, such as https://example.com, or * for all; may be given several times")
	f.StringVar(&s.advertise, "advertise", "", "the `host:port` at which other nodes reach this one; port 0 is the one that it listens on")
	f.StringVar(&s.forwardSecret, "forward-secret", "", "a `secret` of all nodes, of 32 characters or more: requests that a balancer has sent to the wrong node are passed on to the right one, so that it need not be sticky; needs --advertise; further ones behind commas are accepted from others, for the time in which it is changed")
	f.DurationVar(&s.heartbeat, "heartbeat-interval", 5*time.Second, "the `pause` between two heartbeats to the other nodes")
	f.DurationVar(&s.heartbeatLimit, "heartbeat-timeout", 10*time.Second, "the `silence` after which another node counts as lost")
	f.DurationVar(&s.recovery, "recovery", 2*time.Minute, "for how `long` a client that has lost its connection can come back into its rooms and get what it has missed, or 0 for not at all; on or off in all nodes")
	f.BoolVar(&s.diagnostics, "diagnostics", true, "whether the node answers what other nodes and tools ask of it, and remembers its last ten minutes")
	f.Float64Var(&s.traceRecent, "trace-recent", 50, "of how many new traces a `second` the spans are remembered at the most, to be asked for: 0 for none, -1 for all")
	f.StringVar(&s.consoleUser, "console-user", "", "the `user` of the console at /console/, which is there only if this and a password are given")
	f.StringVar(&s.consolePassword, "console-password", "", "the console's `password`, or its bcrypt hash; better given as a variable, because everybody on the machine can read the command line")
	f.TextVar(&s.logLevel, "log-level", slog.LevelInfo, "the least `level` that is logged: debug, info, warn or error")
	f.StringVar(&s.logFormat, "log-format", "text", "the `format` of the logs: text or json")
	f.DurationVar(&s.shutdownTimeout, "shutdown-timeout", 10*time.Second, "how `long` an orderly stop may take")
	s.telemetry.flags(f)
	s.admin.flags(f)
	return f
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "ROOMBUS_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// errHelp says that the flags were asked for.
var errHelp = errors.New("help")

// parse reads the command line, and the environment for what is not in it.
func (s *settings) parse(args []string, env func(string) (string, bool)) error {
	f := s.flags()
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return errHelp
	} else if err != nil {
		return flagError(err)
	}
	if f.NArg() > 0 {
		return &usageError{"serve: everything is said with flags, but there is an argument without one; `roombus serve --help` lists the flags"}
	}
	given := make(map[string]bool)
	f.Visit(func(g *flag.Flag) { given[g.Name] = true })
	var wrong error
	f.VisitAll(func(g *flag.Flag) {
		value, ok := env(variable(g.Name))
		if !ok || value == "" || given[g.Name] || wrong != nil {
			return
		}
		if err := f.Set(g.Name, value); err != nil {
			wrong = &usageError{fmt.Sprintf("the environment variable %s cannot be %q: %v", variable(g.Name), value, err)}
		}
	})
	if wrong != nil {
		return wrong
	}
	return s.check()
}

// flagError puts the flag package's errors into the program's words.
func flagError(err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		text = "there is no flag --" + strings.TrimLeft(name, "-")
	} else {
		text = strings.Replace(text, "flag -", "flag --", 1)
		text = strings.Replace(text, "flag needs an argument: -", "no value was given for the flag --", 1)
	}
	return &usageError{"serve: " + text + "; `roombus serve --help` lists the flags"}
}

// plainPath is a path that means itself, to a browser as to the router.
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+/?$`)

func (s *settings) check() error {
	wrong := func(format string, args ...any) error {
		return &usageError{"serve: " + fmt.Sprintf(format, args...)}
	}
	switch {
	case s.maxLength < 2:
		return wrong("--max-length is %d; it must be at least 2", s.maxLength)
	case s.streamCount < 1:
		return wrong("--stream-count is %d; it must be at least 1", s.streamCount)
	case s.stream == "":
		return wrong("--stream is empty; a Redis stream needs a name")
	case !slices.Contains([]string{"off", "plain", "sharded"}, s.pubSub):
		return wrong("--pubsub is %q; it must be off, plain or sharded", s.pubSub)
	case s.recovery < 0 || s.recovery > 0 && s.recovery < time.Second:
		return wrong("--recovery is %s; it must be 1s or more, or 0 for no recovery", s.recovery)
	case !(s.traceRecent >= 0) && s.traceRecent != -1:
		return wrong("--trace-recent is %v; it must be a number of traces a second, 0 for none, or -1 for all", s.traceRecent)
	case (s.consoleUser == "") != (s.consolePassword == ""):
		return wrong("the console needs both --console-user and --console-password (better as ROOMBUS_CONSOLE_PASSWORD)")
	case s.consoleUser != "" && !s.diagnostics:
		return wrong("the console shows what --diagnostics know, which are off; leave one of the two away")
	case s.logFormat != "text" && s.logFormat != "json":
		return wrong("--log-format is %q; it must be text or json", s.logFormat)
	case s.shutdownTimeout <= 0:
		return wrong("--shutdown-timeout is %s; it must be positive", s.shutdownTimeout)
	case s.heartbeat <= 0 || s.heartbeatLimit <= s.heartbeat:
		return wrong("--heartbeat-timeout (%s) must be longer than --heartbeat-interval (%s), and both positive",
			s.heartbeatLimit, s.heartbeat)
	case !plainPath.MatchString(s.path) || path.Clean(s.path) != strings.TrimSuffix(s.path, "/"):
		return wrong("--path is %q; it must be like /socket.io/", s.path)
	}
	if err := s.checkForward(); err != nil {
		return wrong("%v", err)
	}
	if err := s.telemetry.check(); err != nil {
		return wrong("%s", err)
	}
	if s.name == "" {
		s.name = "node-" + strings.ToLower(rand.Text()[:6])
	}
	if !strings.HasSuffix(s.path, "/") {
		s.path += "/"
	}
	if slices.Contains([]string{"/assets/", consolePath, "/healthz/", "/readyz/"}, s.path) {
		return wrong("--path is %q, which is taken; choose another one", s.path)
	}
	return s.admin.check(s.path)
}

// writeHelp lists the flags.
func writeHelp(w io.Writer) error {
	var text strings.Builder
	text.WriteString("roombus serve runs a node: a Socket.IO server with a page to try it.\n\n" +
		"usage: roombus serve [flags]\n\n" +
		"Each flag can be given as the environment variable beside it; the flag wins.\n\n")
	new(settings).flags().VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		fmt.Fprintf(&text, "  --%s %s    %s\n        %s", f.Name, value, variable(f.Name), usage)
		if f.DefValue != "" {
			fmt.Fprintf(&text, " (default %s)", strings.ToLower(f.DefValue))
		}
		text.WriteString("\n")
	})
	text.WriteString("\nThe Redis URL is one of\n" +
		"  redis://user:password@host:6379/0                  a server; rediss:// with TLS\n" +
		"  unix://user:password@/path/to/redis.sock?db=0      a server on this machine\n" +
		"  redis+sentinel://user:password@host:26379,host:26379/mastername\n" +
		"  redis+cluster://user:password@host:6379,host:6379\n" +
		"Give one that has a password as ROOMBUS_REDIS, and the secret as ROOMBUS_FORWARD_SECRET: everybody on the machine\n" +
		"can read the command line.\n\n" +
		"Traces and metrics are exported when OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER, or OTEL_EXPORTER_OTLP_ENDPOINT,\n" +
		"are set, as OpenTelemetry says.\n")
	_, err := io.WriteString(w, text.String())
	return err
}
