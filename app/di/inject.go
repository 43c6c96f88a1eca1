//go:build wireinject

package di

import (
	"context"

	"github.com/google/wire"

	"github.com/roombus/roombus/app/di/core"
	"github.com/roombus/roombus/app/di/memory"
	"github.com/roombus/roombus/app/di/redis"
)

// Memory makes an application that is a cluster of its own, in memory. The cleanup closes it.
func Memory(ctx context.Context, config core.Config) (*core.Application, func(), error) {
	panic(wire.Build(
		memory.Set,
		core.Set,
	))
}

// Redis makes an application that is a node of a cluster on Redis Streams, at the URL config.Broker.URL. ctx bounds the
// connecting. The cleanup closes it.
func Redis(ctx context.Context, config core.Config) (*core.Application, func(), error) {
	panic(wire.Build(
		redis.Set,
		core.Set,
	))
}
