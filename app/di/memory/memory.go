// Package memory has the transport of one process as a set for google/wire: everything that a node needs from outside,
// without anything outside.
package memory

import (
	"errors"

	"github.com/google/wire"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/app/di/core"
	"github.com/roombus/roombus/ports"
)

// Set provides the ports out of a core.Config, of which it reads Broker.MaxLength.
var Set = wire.NewSet(New, Log, Channel, Sessions, wire.Bind(new(core.Transport), new(*Transport)))

// Transport is a cluster in memory with one member. Several nodes that share a cluster need a set of their own.
type Transport struct {
	cluster *inmemory.Cluster
	member  *inmemory.Member
}

// New makes a cluster and its member. The cleanup closes both.
func New(config core.Config) (*Transport, func()) {
	cluster := inmemory.New(inmemory.Config{MaxLength: config.Broker.MaxLength})
	t := &Transport{cluster: cluster, member: cluster.Member()}
	return t, func() { _ = t.Close() } // core.Application.Close returns the error
}

// Close closes the member and the cluster.
func (t *Transport) Close() error { return errors.Join(t.member.Close(), t.cluster.Close()) }

// Log is the transport's log.
func Log(t *Transport) ports.Log { return t.member.Log() }

// Channel is the transport's channel.
func Channel(t *Transport) ports.Channel { return t.member.Channel() }

// Sessions is the transport's session store.
func Sessions(t *Transport) ports.Sessions { return t.member.Sessions() }
