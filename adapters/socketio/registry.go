package socketio

import (
	"context"
	"errors"
	"maps"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// registry holds the application's functions for a namespace. Functions may be added at any time; what is in progress
// goes on with those that were there.
type registry struct {
	mu              sync.RWMutex
	middleware      []func(context.Context, *Socket) error
	connect         []func(context.Context, *Socket) error
	disconnect      []func(context.Context, *Socket, Reason)
	anyEvent        []func(context.Context, *Socket, domain.Packet)
	eventMiddleware []func(context.Context, *Socket, domain.Packet) error
	events          map[string][]eventHandler
	serverSide      map[string][]serverSideHandler
	mayJoin         []func(context.Context, *Socket, string) error
	mayPublish      []func(context.Context, *Socket, []string, string) error
}

type (
	eventHandler      func(ctx context.Context, s *Socket, p domain.Packet) (reply, error)
	serverSideHandler func(ctx context.Context, p domain.Packet) (reply, error)
)

func newRegistry() *registry {
	return &registry{events: make(map[string][]eventHandler), serverSide: make(map[string][]serverSideHandler)}
}

// clone returns a registry with the same functions, to which others may be added.
func (r *registry) clone() *registry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return &registry{
		middleware: r.middleware, connect: r.connect, disconnect: r.disconnect, anyEvent: r.anyEvent,
		eventMiddleware: r.eventMiddleware, mayJoin: r.mayJoin, mayPublish: r.mayPublish,
		events: maps.Clone(r.events), serverSide: maps.Clone(r.serverSide),
	}
}

func (r *registry) on(event string, h eventHandler) { addTo(r, r.events, event, h) }

func (r *registry) onServerSide(event string, h serverSideHandler) { addTo(r, r.serverSide, event, h) }

// addTo adds a function to a copy of the list, because the list may be in use.
func addTo[H any](r *registry, to map[string][]H, event string, h H) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to[event] = append(slices.Clip(to[event]), h)
}

// appended adds a function to one of the registry's other lists.
func appended[H any](r *registry, to *[]H, h H) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*to = append(slices.Clip(*to), h)
}

// list reads a list that appended has made.
func list[H any](r *registry, from *[]H) []H {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return *from
}

func (r *registry) forEvent(event string) []eventHandler {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.events[event]
}

func (r *registry) forServerSide(event string) []serverSideHandler {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.serverSide[event]
}

// guarded calls the application and turns a panic into an error.
func guarded(call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return call()
}

// outcome is what the handlers of one event have to say together: the first reply, and the first error.
type outcome struct {
	reply reply
	err   error
}

func (o *outcome) add(r reply, err error) {
	if o.err == nil {
		o.err = err
	}
	if err == nil && !o.reply.given {
		o.reply = r
	}
}

// answer is what goes back to who has asked: encoded values, or none.
func (o *outcome) answer() Args {
	if o.err != nil {
		return Args{errorValue(publicText(o.err))}
	}
	return o.reply.args
}

// publicText is what others may know of an error.
func publicText(err error) string {
	if forClient, ok := errors.AsType[*ClientError](err); ok {
		return forClient.Message
	}
	if arguments, ok := errors.AsType[*ArgumentError](err); ok {
		return arguments.Error()
	}
	if errors.Is(err, ErrUnknownEvent) {
		return "unknown event"
	}
	if errors.Is(err, ErrRateLimited) {
		return "rate limit exceeded"
	}
	return internalError
}

const internalError = "internal error"

// isFor reports whether an error was made to be told to the client, so that it is no failure of the server.
func isFor[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// errorValue is {"error": text}.
func errorValue(text string) domain.Value {
	v, _ := payload.Marshal(struct {
		Error string `json:"error"`
	}{text}) // a string can always be marshalled
	return v
}

// refusal is the payload of a CONNECT_ERROR packet.
func refusal(err error) domain.Value {
	var words struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}
	words.Message = internalError
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
