package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio/admin"
	"github.com/roombus/roombus/ports"
)

// transport is what a node needs to talk to others.
type transport struct {
	log      ports.Log
	channel  ports.Channel
	sessions ports.Sessions
	// logins remembers for all nodes who has logged in to the Admin UI; nil where nothing is shared.
	logins admin.Sessions
	// name is for people; it shows no password.
	name  string
	close func() error
}

// openTransport returns the transport that the settings name: Redis, or this process' memory.
func openTransport(ctx context.Context, s *settings, log *slog.Logger) (*transport, error) {
	if s.redis != "" {
		return openRedis(ctx, s, log)
	}
	cluster := inmemory.New(inmemory.Config{MaxLength: int(s.maxLength)})
	member := cluster.Member()
	return &transport{
		log:      member.Log(),
		channel:  member.Channel(),
		sessions: member.Sessions(),
		name:     "memory",
		close:    func() error { return errors.Join(member.Close(), cluster.Close()) },
	}, nil
}
