// Command roombus runs a server of roombus from the command line, and looks into a running cluster.
//
// `roombus serve` is a node of the cluster with a Socket.IO server, a page to try it, and health endpoints. The tools
// (tail, nodes, rooms, emit, trace) need no more than the cluster's Redis. `roombus help` says the rest.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/roombus/roombus/cmd/roombus/internal/text"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // something went wrong
	exitUsage  = 2 // the command was called in a way that it does not know
	// What was written is right and not all: somebody has not answered.
	exitPartial = 3
)

const help = `roombus sends messages to rooms of sockets, across a cluster of nodes.

usage: roombus <command> [flags]

commands:
  serve      run a node: a Socket.IO server with a page to try it
%s  help       print this text
  version    print the version

roombus <command> --help lists the flags of a command.
`

// helpText is the help with all commands.
func helpText() string {
	var list strings.Builder
	for _, t := range tools {
		fmt.Fprintf(&list, "  %-9s  %s\n", t.name, t.does)
	}
	return fmt.Sprintf(help, list.String())
}

func main() {
	os.Exit(run(os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// usageError is an error in how the program was called.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// run performs a command and returns the program's exit code. What goes wrong is one sentence on stderr.
func run(args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	err := command(args, env, stdout, stderr)
	if err == nil {
		return exitOK
	}
	_, _ = fmt.Fprintf(stderr, "roombus: %s\n", oneLine(err)) // who cannot be told cannot be told that either
	if _, usage := errors.AsType[*usageError](err); usage {
		return exitUsage
	}
	if _, partial := errors.AsType[*partialError](err); partial {
		return exitPartial
	}
	return exitFailed
}

func command(args []string, env func(string) (string, bool), stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return &usageError{"which command? `roombus serve` runs a server, `roombus help` lists all"}
	}
	switch args[0] {
	case "serve":
		return serveCommand(args[1:], env, stdout, stderr)
	case "help", "-h", "-help", "--help":
		_, err := io.WriteString(stdout, helpText())
		return err
	case "version", "-version", "--version":
		_, err := fmt.Fprintln(stdout, "roombus", version())
		return err
	default:
		for _, t := range tools {
			if t.name == args[0] {
				return toolCommand(t.name, t.make(), args[1:], env, stdout, stderr)
			}
		}
		return &usageError{"there is no such command; `roombus help` lists those that there are"}
	}
}

// version is the module's version, or the commit from which the program was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (version == "" || version == "(devel)") {
			version = "(devel) " + s.Value
		}
	}
	return version
}

// oneLine is an error's text as one line. It may quote what stands in the log, a node's name for example, so nothing of
// it may do anything to a terminal.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	return text.Visible(strings.Join(lines, "; "))
}
