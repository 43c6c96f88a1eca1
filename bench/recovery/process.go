package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// server is a server in another process, which answers lines with lines.
type server struct {
	address string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

// startSelf starts this program's own server.
func startSelf(redisURL, profile string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(self, "-role", "server", "-redis", redisURL, "-profile", profile)
}

// startNode starts socket.io of Node.js.
func startNode(redisURL string) (*server, error) {
	path := "node"
	if chosen := os.Getenv("ROOMBUS_TEST_NODE"); chosen != "" {
		path = chosen
	}
	return start(path, "recovery/server.mjs", redisURL)
}

// start starts a server and returns when it is in the cluster.
func start(path string, args ...string) (*server, error) {
	s := &server{cmd: exec.CommandContext(context.Background(), path, args...)} //nolint:gosec // this program again, or node
	s.cmd.Stderr = os.Stderr
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	if s.address, err = s.line(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", path, err), s.stop())
	}
	return s, nil
}

func (s *server) line() (string, error) {
	line, err := s.out.ReadString('\n')
	return strings.TrimSpace(line), err
}

// number asks a question and reads the number that is the answer.
func (s *server) number(question string) (float64, error) {
	if _, err := fmt.Fprintln(s.in, question); err != nil {
		return 0, fmt.Errorf("ask %s: %w", question, err)
	}
	line, err := s.line()
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", question, err)
	}
	n, err := strconv.ParseFloat(line, 64)
	if err != nil {
		return 0, fmt.Errorf("ask %s: %w", question, err)
	}
	return n, nil
}

// stop ends the server by the end of its input.
func (s *server) stop() error { return errors.Join(s.in.Close(), s.cmd.Wait()) }
