package main

import (
	"context"

	"github.com/roombus/roombus/bench/lab"
)

// server is a server in another process.
type server struct{ *lab.Process }

// address is where it listens: it says so when it is in the cluster.
func (s server) address() string { return s.First }

// number asks a question and reads the number that is the answer.
func (s server) number(question string) (n float64, err error) {
	err = s.Scan(question, &n)
	return n, err
}

// start starts a contender's server and returns when it is in the cluster.
func start(ctx context.Context, c *contender, redisURL, profile string) (s server, err error) {
	if !c.nodeJS {
		s.Process, err = lab.StartSelf(ctx, c.name, "-role", "server", "-redis", redisURL, "-profile", profile)
		return s, err
	}
	s.Process, err = lab.Start(ctx, c.name, lab.OrElse("ROOMBUS_TEST_NODE", "node"), "recovery/server.mjs", redisURL)
	return s, err
}
