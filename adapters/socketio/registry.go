package socketio

import (
	"context"
	"errors"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
	"github.com/roombus/roombus/internal/payload"
)

// registry holds the application's functions for a namespace. Functions may be added at any time; what is in progress
// goes on with those that were there.
type registry struct {
	middleware      handlers.List[func(context.Context, *Socket) error]
	connect         handlers.List[func(context.Context, *Socket) error]
	disconnect      handlers.List[func(context.Context, *Socket, Reason)]
	upgrade         handlers.List[func(context.Context, *Socket)]
	anyEvent        handlers.List[func(context.Context, *Socket, domain.Packet)]
	eventMiddleware handlers.List[func(context.Context, *Socket, domain.Packet) error]
	events          handlers.Named[eventHandler]
	serverSide      handlers.Named[serverSideHandler]
	mayJoin         handlers.List[func(context.Context, *Socket, string) error]
	mayPublish      handlers.List[func(context.Context, *Socket, []string, string) error]
}

type (
	eventHandler      func(ctx context.Context, s *Socket, p domain.Packet) (handlers.Reply, error)
	serverSideHandler func(ctx context.Context, p domain.Packet) (handlers.Reply, error)
)

// clone returns a registry with the same functions, to which others may be added.
func (r *registry) clone() *registry {
	c := new(registry)
	c.middleware.Become(&r.middleware)
	c.connect.Become(&r.connect)
	c.disconnect.Become(&r.disconnect)
	c.upgrade.Become(&r.upgrade)
	c.anyEvent.Become(&r.anyEvent)
	c.eventMiddleware.Become(&r.eventMiddleware)
	c.events.Become(&r.events)
	c.serverSide.Become(&r.serverSide)
	c.mayJoin.Become(&r.mayJoin)
	c.mayPublish.Become(&r.mayPublish)
	return c
}

// isFor reports whether an error was made to be told to the client, so that it is no failure of the server.
func isFor[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// refusal is the payload of a CONNECT_ERROR packet.
func refusal(err error) domain.Value {
	var words struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}
	words.Message = handlers.InternalError
	if forClient, ok := errors.AsType[*ConnectError](err); ok {
		words.Message, words.Data = forClient.Message, forClient.Data
	}
	v, err := payload.Marshal(words)
	if err != nil {
		words.Data = nil
		v, _ = payload.Marshal(words)
	}
	return v
}
