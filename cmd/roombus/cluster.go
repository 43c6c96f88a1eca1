package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
)

// clusterFlags say through what the nodes of a cluster talk. All commands have them, by the same names.
type clusterFlags struct {
	redis       string
	stream      string
	streamCount int
	pubSub      string
}

// declare declares the flags; url says what the Redis URL is to the command.
func (c *clusterFlags) declare(f *flag.FlagSet, url string) {
	f.StringVar(&c.redis, "redis", "", url)
	f.StringVar(&c.stream, "stream", "socket.io", "the `name` of the Redis stream")
	f.IntVar(&c.streamCount, "stream-count", 1, "the `number` of streams among which the namespaces are divided, as streamCount in Node.js adapters 0.3; the same on all nodes")
	f.StringVar(&c.pubSub, "pubsub", "off", "the `lane` of requests and answers: off (the stream, as Node.js adapters 0.2 have it), plain or sharded (PUB/SUB, as 0.3); the same on all nodes")
}

// check says what is wrong with the flags.
func (c *clusterFlags) check() error {
	switch {
	case c.streamCount < 1:
		return fmt.Errorf("--stream-count is %d; it must be at least 1", c.streamCount)
	case c.stream == "":
		return errors.New("--stream is empty; a Redis stream needs a name")
	case !slices.Contains([]string{"off", "plain", "sharded"}, c.pubSub):
		return fmt.Errorf("--pubsub is %q; it must be off, plain or sharded", c.pubSub)
	}
	return nil
}

// isClusterFlag reports whether a flag is one of clusterFlags.
func isClusterFlag(name string) bool {
	return slices.Contains([]string{"redis", "stream", "stream-count", "pubsub"}, name)
}

// redisURLs say what a Redis URL looks like.
//
//nolint:gosec // forms, not passwords
const redisURLs = `The Redis URL is one of
  redis://user:password@host:6379/0                  a server; rediss:// with TLS
  unix://user:password@/path/to/redis.sock?db=0      a server on this machine
  redis+sentinel://user:password@host:26379,host:26379/mastername
  redis+cluster://user:password@host:6379,host:6379
Give one that has a password as ROOMBUS_REDIS: everybody on the machine can read the command line.
`

// errHelp says that the flags were asked for.
var errHelp = errors.New("help")

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "ROOMBUS_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// parseFlags reads a command line, and the environment for those flags that are not in it and may come from there.
func parseFlags(
	f *flag.FlagSet, args []string, env func(string) (string, bool), fromEnv func(name string) bool,
) error {
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return errHelp
	} else if err != nil {
		return flagError(f.Name(), err)
	}
	given := make(map[string]bool)
	f.Visit(func(g *flag.Flag) { given[g.Name] = true })
	var wrong error
	f.VisitAll(func(g *flag.Flag) {
		value, ok := env(variable(g.Name))
		if !ok || value == "" || given[g.Name] || wrong != nil || !fromEnv(g.Name) {
			return
		}
		if err := f.Set(g.Name, value); err != nil {
			wrong = &usageError{fmt.Sprintf("the environment variable %s cannot be %q: %v", variable(g.Name), value, err)}
		}
	})
	return wrong
}

// flagError puts the flag package's errors into the program's words.
func flagError(command string, err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		text = "there is no flag --" + strings.TrimLeft(name, "-")
	} else {
		text = strings.Replace(text, "flag -", "flag --", 1)
		text = strings.Replace(text, "flag needs an argument: -", "no value was given for the flag --", 1)
	}
	return &usageError{command + ": " + text + "; `roombus " + command + " --help` lists the flags"}
}

// flagList is the part of a command's help that lists its flags.
func flagList(f *flag.FlagSet, fromEnv func(name string) bool) string {
	var text strings.Builder
	f.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if b, ok := f.Value.(interface{ IsBoolFlag() bool }); ok && b.IsBoolFlag() {
			value = ""
		}
		text.WriteString("  --" + f.Name)
		if value != "" {
			text.WriteString(" " + value)
		}
		if fromEnv(f.Name) {
			text.WriteString("    " + variable(f.Name))
		}
		text.WriteString("\n        " + usage)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" {
			fmt.Fprintf(&text, " (default %s)", strings.ToLower(f.DefValue))
		}
		text.WriteString("\n")
	})
	return text.String()
}
