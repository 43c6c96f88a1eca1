package main

import (
	"strings"
	"testing"
)

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
		"path":                {[]string{"serve", "--path", "socket"}, nil, []string{"--path", "/socket.io/"}},
		"path for the router": {[]string{"serve", "--path", "/{x}/"}, nil, []string{"--path"}},
		"path of the page":    {[]string{"serve", "--path", "/assets"}, nil, []string{"--path", "taken"}},
		"heartbeats":          {[]string{"serve", "--heartbeat-timeout", "1s"}, nil, []string{"--heartbeat-timeout", "--heartbeat-interval"}},
		"recovery":            {[]string{"serve", "--recovery", "20ms"}, nil, []string{"--recovery", "20ms", "0"}},
		"recent traces":       {[]string{"serve", "--trace-recent", "-7"}, nil, []string{"--trace-recent", "-7", "-1 for all"}},
		"console":             {[]string{"serve", "--console-user", "ops"}, nil, []string{"--console-user", "ROOMBUS_CONSOLE_PASSWORD"}},
		"console of nothing":  {[]string{"serve", "--console-user", "ops", "--diagnostics=false"}, []string{"ROOMBUS_CONSOLE_PASSWORD=geheim"}, []string{"--diagnostics"}},
		"path of the console": {[]string{"serve", "--path", "/console"}, nil, []string{"--path", "taken"}},
		"shutdown":            {[]string{"serve", "--shutdown-timeout", "-1s"}, nil, []string{"--shutdown-timeout"}},
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
