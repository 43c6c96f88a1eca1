package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// child is another process, which answers lines with lines.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startSelf starts this program again.
func startSelf(args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(self, args...)
}

// startNode starts socket.io of Node.js.
func startNode() (*child, error) {
	return start("node", "--expose-gc", "socketio/server.mjs")
}

func start(program string, args ...string) (*child, error) {
	c := &child{cmd: exec.CommandContext(context.Background(), program, args...)} //nolint:gosec // it is this program again, or node
	c.cmd.Stderr = os.Stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	return c, c.cmd.Start()
}

// line reads an answer.
func (c *child) line() (string, error) {
	line, err := c.out.ReadString('\n')
	return strings.TrimSpace(line), err
}

// scan asks a question and reads the numbers of the answer, which is "ok" where
// none is wanted.
func (c *child) scan(question string, numbers ...*float64) error {
	if _, err := fmt.Fprintln(c.in, question); err != nil {
		return err
	}
	answer, err := c.line()
	if err != nil {
		return fmt.Errorf("%s: %w", question, err)
	}
	if len(numbers) == 0 {
		if answer != "ok" {
			return fmt.Errorf("%s: %s", question, answer)
		}
		return nil
	}
	values := make([]any, len(numbers))
	for i, n := range numbers {
		values[i] = n
	}
	if _, err := fmt.Sscan(answer, values...); err != nil {
		return fmt.Errorf("%s: %q: %w", question, answer, err)
	}
	return nil
}

// stop ends the child by the end of its input.
func (c *child) stop() error { return errors.Join(c.in.Close(), c.cmd.Wait()) }

// with runs f while a server and its clients run.
func (c contender) with(f func(server, clients *child) error) (err error) {
	server, err := c.start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	address, err := server.line()
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	clients, err := startSelf("-role", "clients", "-address", address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clients.stop()) }()
	return f(server, clients)
}
