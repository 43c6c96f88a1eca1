package main

import (
	"errors"
	"strings"
	"testing"
)

// hashed is a password as htpasswd hashes it.
const hashed = "$2y$10$hmrlUjlAKBNfIYzPOkNwzeqLOWxJ9WuUVpRZVGgHb/iLJ2DbcW3Gq"

func TestWrongUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		env   []string
		words []string
	}{
		"no command":          {nil, nil, []string{"roombus serve", "roombus help"}},
		"unknown command":     {[]string{"emitt"}, nil, []string{"no such command", "roombus help"}},
		"unknown flag":        {[]string{"serve", "--reddis", "x"}, nil, []string{"no flag --reddis", "--help"}},
		"argument":            {[]string{"serve", "redis://u:geheim@localhost"}, nil, []string{"flag", "--help"}},
		"flag without value":  {[]string{"serve", "--addr"}, nil, []string{"no value", "--addr"}},
		"no number":           {[]string{"serve", "--max-length", "many"}, nil, []string{"many", "--max-length"}},
		"no such lane":        {[]string{"serve", "--pubsub", "both"}, nil, []string{"--pubsub", "both", "sharded"}},
		"no streams":          {[]string{"serve", "--stream-count", "0"}, nil, []string{"--stream-count"}},
		"no positive number":  {[]string{"serve", "--max-length", "0"}, nil, []string{"--max-length"}},
		"log level":           {[]string{"serve", "--log-level", "loud"}, nil, []string{"--log-level", "loud"}},
		"log format":          {[]string{"serve", "--log-format", "xml"}, nil, []string{"--log-format", "json"}},
		"port alone":          {[]string{"serve", "--addr", "3000"}, nil, []string{"--addr", "3000", ":3000"}},
		"path":                {[]string{"serve", "--path", "socket"}, nil, []string{"--path", "/socket.io/"}},
		"path for the router": {[]string{"serve", "--path", "/{x}/"}, nil, []string{"--path"}},
		"path of the page":    {[]string{"serve", "--path", "/assets"}, nil, []string{"--path", "taken"}},
		"heartbeats":          {[]string{"serve", "--heartbeat-timeout", "1s"}, nil, []string{"--heartbeat-timeout", "--heartbeat-interval"}},
		"recovery":            {[]string{"serve", "--recovery", "20ms"}, nil, []string{"--recovery", "20ms", "0"}},
		"recent traces":       {[]string{"serve", "--trace-recent", "-7"}, nil, []string{"--trace-recent", "-7", "-1 for all"}},
		"console":             {[]string{"serve", "--console-user", "ops"}, nil, []string{"--console-user", "ROOMBUS_CONSOLE_PASSWORD"}},
		"console, too long":   {[]string{"serve", "--console-user", "ops"}, []string{"ROOMBUS_CONSOLE_PASSWORD=" + strings.Repeat("geheim", 13)}, []string{"78 bytes", "72"}},
		"console, htpasswd":   {[]string{"serve", "--console-user", "ops"}, []string{"ROOMBUS_CONSOLE_PASSWORD=ops:" + hashed}, []string{"htpasswd", "behind the colon"}},
		"Admin UI, htpasswd":  {[]string{"serve", "--admin-user", "me"}, []string{"ROOMBUS_ADMIN_PASSWORD=me:" + hashed}, []string{"htpasswd", "behind the colon"}},
		"console of nothing":  {[]string{"serve", "--console-user", "ops", "--diagnostics=false"}, []string{"ROOMBUS_CONSOLE_PASSWORD=geheim"}, []string{"--diagnostics"}},
		"path of the console": {[]string{"serve", "--path", "/console"}, nil, []string{"--path", "taken"}},
		"shutdown":            {[]string{"serve", "--shutdown-timeout", "-1s"}, nil, []string{"--shutdown-timeout"}},
		"tail without Redis":  {[]string{"tail"}, nil, []string{"tail: ", "--redis", "ROOMBUS_REDIS", "tail --help"}},
		"tail, no URL":        {[]string{"tail", "--redis", "u:geheim@localhost"}, nil, []string{"tail: --redis", "redis://"}},
		"tail, argument":      {tailing("chat"), nil, []string{"argument", "tail --help"}},
		"tail, kind":          {tailing("--kind", "song"), nil, []string{"--kind", "song", "broadcast", "fetch-sockets"}},
		"tail, since":         {tailing("--since", "yesterday"), nil, []string{"--since", "yesterday", "5m", "begin"}},
		"tail, trace":         {tailing("--trace", "XYZ"), nil, []string{"--trace", "XYZ"}},
		"tail, payload":       {tailing("--payload", "some"), nil, []string{"--payload", "none, short or full"}},
		"tail, namespace":     {tailing("--namespace", "chat"), nil, []string{"--namespace", "slash"}},
		"tail, no follow":     {tailing("--no-follow"), nil, []string{"--no-follow", "--since"}},
		"tail, limit":         {tailing("--limit", "-1"), nil, []string{"--limit"}},
		"tail, color":         {tailing("--color", "red"), nil, []string{"--color", "always"}},
		"tail, lane":          {tailing("--pubsub", "both"), nil, []string{"--pubsub", "sharded"}},
		"tail, timeout":       {tailing("--timeout", "0s"), nil, []string{"--timeout", "positive"}},
		"tail, unknown flag":  {tailing("--since", "1m", "--nix"), nil, []string{"tail: there is no flag --nix", "tail --help"}},
		"nodes, argument":     {onNoRedis("nodes", "north"), nil, []string{"argument"}},
		"nodes, watch":        {onNoRedis("nodes", "--watch", "1ms"), nil, []string{"--watch", "100ms"}},
		"rooms, namespace":    {onNoRedis("rooms", "--namespace", "/roombus/diagnostics"), nil, []string{"nodes alone"}},
		"rooms, method":       {onNoRedis("rooms", "--method", "guess"), nil, []string{"--method", "fetch"}},
		"rooms, top":          {onNoRedis("rooms", "--top", "-1"), nil, []string{"--top"}},
		"emit, nothing":       {onNoRedis("emit"), nil, []string{"which event"}},
		"emit, no JSON":       {onNoRedis("emit", "news", "hello"), nil, []string{"argument 1", "quotes", `'"hello"'`}},
		"emit, late flag":     {onNoRedis("emit", "news", "--room", "a"), nil, []string{"argument 1", "flag", "before the event"}},
		"emit, reserved":      {onNoRedis("emit", "disconnect"), nil, []string{"disconnect", "reserves"}},
		"emit, no file":       {onNoRedis("emit", "news", "@/no/such/file"), nil, []string{"/no/such/file"}},
		"emit, two inputs":    {onNoRedis("emit", "news", "-", "@-"), nil, []string{"standard input"}},
		"emit, traceparent":   {onNoRedis("emit", "--traceparent", "00-1-2-3", "news"), nil, []string{"--traceparent", "00-"}},
		"emit, two orders":    {onNoRedis("emit", "--join", "a", "--leave", "b"), nil, []string{"--join", "--leave"}},
		"emit, order, event":  {onNoRedis("emit", "--join", "a", "news"), nil, []string{"--join", "event"}},
		"emit, disconnect":    {onNoRedis("emit", "--disconnect", "namespace"), nil, []string{"--all"}},
		"emit, disconnect 2":  {onNoRedis("emit", "--disconnect", "all", "--room", "a"), nil, []string{"--disconnect", "connection"}},
		"emit, all":           {onNoRedis("emit", "--all", "news"), nil, []string{"--all", "--disconnect"}},
		"emit, server side":   {onNoRedis("emit", "--server-side", "--room", "a", "news"), nil, []string{"--server-side", "--room"}},
		"trace, nothing":      {onNoRedis("trace"), nil, []string{"which message", "offset"}},
		"trace, two":          {onNoRedis("trace", "1-0", "2-0"), nil, []string{"one of them"}},
		"trace, a URL":        {onNoRedis("trace", "redis://u:geheim@localhost"), nil, []string{"a URL", "offset"}},
		"emit, a URL":         {onNoRedis("emit", "news", "redis://u:geheim@localhost"), nil, []string{"argument 1", "a URL"}},
		"trace, neither":      {onNoRedis("trace", "hello"), nil, []string{"hello", "offset", "32"}},
		"variable":            {[]string{"serve"}, []string{"ROOMBUS_MAX_LENGTH=many"}, []string{"ROOMBUS_MAX_LENGTH", "many"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := call(t, test.env, test.args...)
			o.wantSentence(t, exitUsage, test.words...)
			if strings.Contains(o.stderr, "geheim") {
				t.Errorf("the password is shown: %s", o.stderr)
			}
		})
	}
}

// onNoRedis is a command line of a tool on a Redis that nobody will reach: the command line is looked at first.
func onNoRedis(args ...string) []string {
	return append([]string{args[0], "--redis", "redis://localhost:1"}, args[1:]...)
}

func tailing(args ...string) []string { return onNoRedis(append([]string{"tail"}, args...)...) }

func TestEachCommandHasHelp(t *testing.T) {
	all := call(t, nil, "help").stdout
	for _, one := range tools {
		if !strings.Contains(all, "  "+one.name+" ") || !strings.Contains(all, one.does) {
			t.Errorf("%s is not in the help:\n%s", one.name, all)
		}
		for _, help := range []string{"--help", "-h"} {
			o := call(t, nil, one.name, help)
			if o.code != exitOK || o.stderr != "" {
				t.Errorf("roombus %s %s: exit code %d, %s", one.name, help, o.code, o.stderr)
			}
			for _, want := range []string{"usage: roombus " + one.name, "ROOMBUS_REDIS", "--stream-count", "--json", "--timeout", "Exit codes"} {
				if !strings.Contains(o.stdout, want) {
					t.Errorf("%q is not in the help of %s:\n%s", want, one.name, o.stdout)
				}
			}
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"serve", "--help"}, {"version"}, {"serve", "-h"}} {
		o := call(t, nil, args...)
		if o.code != exitOK || o.stderr != "" || o.stdout == "" {
			t.Errorf("roombus %q: exit code %d, stderr %q, stdout %q", args, o.code, o.stderr, o.stdout)
		}
	}
	text := call(t, nil, "serve", "--help").stdout
	for _, want := range []string{"--addr", "ROOMBUS_ADDR", ":3000", "--redis", "ROOMBUS_REDIS", "--log-format", "(default info)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the help of serve:\n%s", want, text)
		}
	}
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	env := func(name string) (string, bool) {
		value, ok := map[string]string{
			"ROOMBUS_ADDR": ":1", "ROOMBUS_STREAM": "theirs", "ROOMBUS_CORS_ORIGIN": "https://a.example, https://b.example",
			"ROOMBUS_LOG_LEVEL": "debug", "ROOMBUS_NAME": "",
		}[name]
		return value, ok
	}
	var s settings
	if err := s.parse([]string{"--addr", ":2", "--path", "/io"}, env); err != nil {
		t.Fatalf("parse: %v", err)
	}
	if s.addr != ":2" {
		t.Errorf("addr is %q, want that of the flag", s.addr)
	}
	if s.stream != "theirs" || s.logLevel.String() != "DEBUG" {
		t.Errorf("stream is %q and the level %s, want those of the environment", s.stream, s.logLevel)
	}
	if len(s.corsOrigins) != 2 || s.corsOrigins[1] != "https://b.example" {
		t.Errorf("the origins are %q, want two", s.corsOrigins)
	}
	if s.path != "/io/" {
		t.Errorf("the path is %q, want a slash at its end", s.path)
	}
	if !strings.HasPrefix(s.name, "node-") {
		t.Errorf("the name is %q, want one that was made up", s.name)
	}
}

// TestErrorsDoNothingToATerminal: an error may quote a node's name, which whoever can write to the log has chosen.
func TestErrorsDoNothingToATerminal(t *testing.T) {
	err := errors.New("no answer from \x1b]0;owned\x07\x1b[2J\u202e\nand \u00e9t\u00e9\r")
	if got, want := oneLine(err), `no answer from \u001b]0;owned\u0007\u001b[2J\u202e; and été`; got != want {
		t.Errorf("the error is shown as %q, want %q", got, want)
	}
}
