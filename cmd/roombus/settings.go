package main

import (
	"crypto/rand"
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
	clusterFlags

	addr            string
	maxLength       int64
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

// flags declares the flags of serve. The standard library's package does: a few commands with their flags need no
// framework.
func (s *settings) flags() *flag.FlagSet {
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&s.addr, "addr", ":3000", "the `host:port` to listen on; port 0 takes a free one")
	s.declare(f, "the Redis `URL` through which the nodes of a cluster talk; without it this node is alone, in memory")
	f.Int64Var(&s.maxLength, "max-length", 10_000, "about how many `entries` the log keeps")
	f.StringVar(&s.name, "name", "", "the node's `name` for people (default node- and six random characters)")
	f.StringVar(&s.path, "path", "/socket.io/", "the `path` at which clients connect")
	f.Var(&s.corsOrigins, "cors-origin", "an `origin` whose pages may connect, such as https://example.com, or * for all; may be given several times")
	f.StringVar(&s.advertise, "advertise", "", "the `host:port` at which other nodes reach this one; port 0 is the one that it listens on")
	f.StringVar(&s.forwardSecret, "forward-secret", "", "a `secret` of all nodes, of 32 characters or more: requests that a balancer has sent to the wrong node are passed on to the right one, so that it need not be sticky; needs --advertise; further ones behind commas are accepted from others, for the time in which it is changed")
	f.DurationVar(&s.heartbeat, "heartbeat-interval", 5*time.Second, "the pause between two heartbeats to the other nodes")
	f.DurationVar(&s.heartbeatLimit, "heartbeat-timeout", 10*time.Second, "the silence after which another node counts as lost")
	f.DurationVar(&s.recovery, "recovery", 2*time.Minute, "for how long a client that has lost its connection can come back into its rooms and get what it has missed, or 0 for not at all; the same on all nodes")
	f.BoolVar(&s.diagnostics, "diagnostics", true, "whether the node answers what other nodes and tools ask of it, and remembers its last ten minutes")
	f.Float64Var(&s.traceRecent, "trace-recent", 50, "the `number` of new traces a second whose spans are remembered at the most, for roombus trace and the console: 0 for none, -1 for all")
	f.StringVar(&s.consoleUser, "console-user", "", "the `user` of the console at /console/, which is there only if this and a password are given")
	f.StringVar(&s.consolePassword, "console-password", "", "the console's `password`, or its bcrypt hash; better given as a variable, because everybody on the machine can read the command line")
	f.TextVar(&s.logLevel, "log-level", slog.LevelInfo, "the least `level` that is logged: debug, info, warn or error")
	f.StringVar(&s.logFormat, "log-format", "text", "the `format` of the logs: text or json")
	f.DurationVar(&s.shutdownTimeout, "shutdown-timeout", 10*time.Second, "how long an orderly stop may take")
	s.telemetry.flags(f)
	s.admin.flags(f)
	return f
}

// parse reads the command line, and the environment for what is not in it.
func (s *settings) parse(args []string, env func(string) (string, bool)) error {
	f := s.flags()
	if err := parseFlags(f, args, env, anyFlag); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return &usageError{"serve: everything is said with flags, but there is an argument without one; `roombus serve --help` lists the flags"}
	}
	return s.check()
}

// anyFlag says that each flag of serve may come from the environment.
func anyFlag(string) bool { return true }

// plainPath is a path that means itself, to a browser as to the router.
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+/?$`)

func (s *settings) check() error {
	wrong := func(format string, args ...any) error {
		return &usageError{"serve: " + fmt.Sprintf(format, args...)}
	}
	if err := s.clusterFlags.check(); err != nil {
		return wrong("%v", err)
	}
	switch {
	case s.maxLength < 2:
		return wrong("--max-length is %d; it must be at least 2", s.maxLength)
	case s.recovery < 0 || s.recovery > 0 && s.recovery < time.Second:
		return wrong("--recovery is %s; it must be 1s or more, or 0 for no recovery", s.recovery)
	case !(s.traceRecent >= 0) && s.traceRecent != -1:
		return wrong("--trace-recent is %v; it must be a number of traces a second, 0 for none, or -1 for all", s.traceRecent)
	case (s.consoleUser == "") != (s.consolePassword == ""):
		return wrong("the console needs both --console-user and --console-password (better as ROOMBUS_CONSOLE_PASSWORD)")
	case len(s.consolePassword) > 72:
		return wrong("--console-password has %d bytes; it can have 72 at most", len(s.consolePassword))
	case isLine(s.consoleUser, s.consolePassword):
		return wrong("--console-password is a whole line of htpasswd; give what stands behind the colon")
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
	text.WriteString(flagList(new(settings).flags(), anyFlag) + "\n" + redisURLs +
		"That goes for ROOMBUS_FORWARD_SECRET, ROOMBUS_ADMIN_PASSWORD and ROOMBUS_CONSOLE_PASSWORD too.\n\n" +
		"Traces and metrics are exported when OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER, or OTEL_EXPORTER_OTLP_ENDPOINT,\n" +
		"are set, as OpenTelemetry says.\n")
	_, err := io.WriteString(w, text.String())
	return err
}
