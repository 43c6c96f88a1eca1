package simulator

import (
	"time"

	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// mutant breaks the system under test on purpose, to show that the model notices. The zero mutant breaks nothing.
type mutant struct {
	// transport is the log as the network has it; log is what the node is given, behind what the model watches.
	transport func(r *run, log ports.Log) ports.Log
	log       func(r *run, log ports.Log) ports.Log
	channel   func(r *run, c ports.Channel) ports.Channel
	sessions  func(r *run, s ports.Sessions) ports.Sessions
	// inOrder replaces the node's way of making a local change.
	inOrder func(r *run, ns string, change func(at domain.Offset))
}

// broken is a part of the system, broken or not.
func broken[T any](r *run, part T, how func(*run, T) T) T {
	if how == nil {
		return part
	}
	return how(r, part)
}

const (
	window         = 20 * time.Second
	beatTimeout    = 10 * time.Second
	requestTimeout = 5 * time.Second
	leaseInterval  = 2 * time.Second
	drainTime      = 8 * time.Second
)

func (w *world) nodeConfig(r *run) app.Config {
	config := app.Config{
		Name: r.name, Observer: r, HeartbeatInterval: beatInterval, HeartbeatTimeout: beatTimeout,
		RequestTimeout: requestTimeout,
	}
	if w.plan.sessions {
		config.Recovery = app.Recovery{Window: window, LeaseInterval: leaseInterval}
	}
	return config
}
