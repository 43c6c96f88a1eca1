package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// Config is what a node can be told. The zero Config works.
type Config struct {
	// Name is the node's name for people; default: the start of its id.
	Name string
	// Version is the application's version, told to other nodes.
	Version string
	// Address is where other nodes reach this one, host:port; empty when they need not.
	Address string
	// HeartbeatInterval is the pause between two heartbeats in a namespace; default 5 s, as in Node.js. Up to a
	// tenth is taken off at random, so that nodes do not beat together.
	HeartbeatInterval time.Duration
	// HeartbeatTimeout is how long a node may be silent before it counts as lost; default 10 s, as in Node.js. It
	// must be longer than the interval, and be about the same on all nodes.
	HeartbeatTimeout time.Duration
	// RequestTimeout is how long answers are waited for where neither the context nor the call says it; default
	// 5 s, as in Node.js.
	RequestTimeout time.Duration
	// Observer is told what the core wants seen; default: nobody.
	Observer ports.Observer
}

const (
	defaultHeartbeatInterval = 5 * time.Second
	defaultHeartbeatTimeout  = 10 * time.Second
	defaultRequestTimeout    = 5 * time.Second
)

func (c Config) withDefaults(id domain.NodeID) (Config, error) {
	if c.Name == "" {
		c.Name = "node-" + string(id[:6])
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		byDef time.Duration
	}{
		{"HeartbeatInterval", &c.HeartbeatInterval, defaultHeartbeatInterval},
		{"HeartbeatTimeout", &c.HeartbeatTimeout, defaultHeartbeatTimeout},
		{"RequestTimeout", &c.RequestTimeout, defaultRequestTimeout},
	} {
		if *d.value < 0 {
			return c, fmt.Errorf("app.Config: %s is %s; it must not be negative", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.byDef
		}
	}
	if c.HeartbeatTimeout <= c.HeartbeatInterval {
		return c, fmt.Errorf("app.Config: HeartbeatTimeout (%s) must be longer than HeartbeatInterval (%s)",
			c.HeartbeatTimeout, c.HeartbeatInterval)
	}
	return c, nil
}

// ErrNotRunning is returned by everything that needs the cluster before Run has returned.
var ErrNotRunning = errors.New("the node is not running: call Run first")
