//go:build wireinject

package main

import (
	"context"

	"github.com/google/wire"

	"github.com/roombus/roombus/app/di/core"
	"github.com/roombus/roombus/app/di/memory"
	"github.com/roombus/roombus/app/di/redis"
)

// The two injectors differ in one line: the set of the transport. An application that has decided needs only one.

func inMemory(ctx context.Context, config core.Config) (*chat, func(), error) {
	panic(wire.Build(
		memory.Set,
		core.Set,
		newChat,
	))
}

func onRedis(ctx context.Context, config core.Config) (*chat, func(), error) {
	panic(wire.Build(
		redis.Set,
		core.Set,
		newChat,
	))
}
