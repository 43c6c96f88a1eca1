// Package redis has the transport on Redis Streams as a set for google/wire.
package redis

import (
	"context"

	"github.com/google/wire"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/app/di/core"
	"github.com/roombus/roombus/ports"
)

// Set provides the ports out of a core.Config, of which it reads all of Broker, and a context that bounds the
// connecting.
var Set = wire.NewSet(Connect, Log, Channel, Sessions, wire.Bind(new(core.Transport), new(*redisstream.Transport)))

// Connect connects to Redis and checks that it can serve; the error is one sentence that shows no password. The cleanup
// closes the connections.
func Connect(ctx context.Context, config core.Config) (*redisstream.Transport, func(), error) {
	t, err := redisstream.Connect(ctx, config.Broker.URL, redisstream.Config{
		Stream: config.Broker.Stream, Streams: config.Broker.Streams, MaxLength: int64(config.Broker.MaxLength),
		PubSub: redisstream.PubSubMode(config.Broker.PubSub), OnWarning: config.Broker.OnWarning,
	})
	if err != nil {
		return nil, nil, err
	}
	return t, func() { _ = t.Close() }, nil // core.Application.Close returns the error
}

// Log is the transport's log.
func Log(t *redisstream.Transport) ports.Log { return t.Log() }

// Channel is the transport's channel.
func Channel(t *redisstream.Transport) ports.Channel { return t.Channel() }

// Sessions is the transport's session store.
func Sessions(t *redisstream.Transport) ports.Sessions { return t.Sessions() }
