package app

import (
	"context"
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
	// Order says when the node's own sockets get what it publishes; default: OrderLog. OrderLocalFirst cannot go together
	// with Recovery.
	Order Order
	// Capabilities are told to other nodes; they mean nothing to this package, which adds its own (domain.NodeInfo).
	Capabilities []string
	// OnMember is told when another node has joined a namespace, has news of itself (that it is draining, above all), is
	// suspect, is heard again, has left or was lost. Calls come in the order in which it happened, one at a time, on a
	// goroutine of their own: it may block, and may call the node. Its context ends with the node, which waits for it.
	OnMember func(ctx context.Context, namespace string, change domain.MemberChange)
	// Recovery says what clients get back that have lost their connection; default: nothing.
	Recovery Recovery
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
	if c.Order > OrderLocalFirst {
		return c, fmt.Errorf("app.Config: there is no Order %d; choose OrderLog or OrderLocalFirst", c.Order)
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
	recovery, err := c.Recovery.withDefaults()
	if err != nil {
		return c, err
	}
	c.Recovery = recovery
	if c.HeartbeatTimeout <= c.HeartbeatInterval {
		return c, fmt.Errorf("app.Config: HeartbeatTimeout (%s) must be longer than HeartbeatInterval (%s)",
			c.HeartbeatTimeout, c.HeartbeatInterval)
	}
	return c, nil
}

// ErrNotRunning is returned by everything that needs the cluster before Run has returned.
var ErrNotRunning = errors.New("the node is not running: call Run first")
