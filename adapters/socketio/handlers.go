package socketio

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
)

// Handlers are the application's functions for a namespace, or for all children of a [ParentNamespace]. Functions may be
// added at any time; what is in progress goes on with those that were there.
type Handlers struct {
	reg *registry
}

// Registrar is what handlers are registered with: a *Namespace, a *ParentNamespace, or a *Server for its default
// namespace; or what Handlers.Once returns for these.
type Registrar interface {
	on(event string, h eventHandler)
	onServerSide(event string, h serverSideHandler)
}

func (h Handlers) on(event string, call eventHandler) { h.reg.events.Add(event, call) }

func (h Handlers) onServerSide(event string, call serverSideHandler) {
	h.reg.serverSide.Add(event, call)
}

// Use has a function called for every socket that wants to connect, before it is connected and in the order of
// registration. An error refuses it: the client's "connect_error" event gets the words of a *ConnectError, or "internal
// error" for any other error, which goes to Config.OnError. ctx ends when the client goes away.
//
// The socket can be told data and rooms; it gets them when it is connected. It cannot be emitted to yet.
func (h Handlers) Use(middleware func(ctx context.Context, s *Socket) error) {
	h.reg.middleware.Add(middleware)
}

// UseEvent has a function asked about every event that a client sends, before the handlers of the event and in the order
// of registration. An error keeps the event from them and from the functions that would be asked next; it is treated as
// a handler's own: see [On]. What Node.js has socket.use for.
func (h Handlers) UseEvent(middleware func(ctx context.Context, s *Socket, p domain.Packet) error) {
	h.reg.eventMiddleware.Add(middleware)
}

// OnConnect has a function called for every socket that was connected. The client's packets are handled when it has
// returned. Its error goes to Config.OnError; the socket stays. A recovered socket's Join of a room in which it is costs
// nothing. With recovery, a client whose connection is lost before all of them have returned gets a new session, for which
// they are called again; when its node is killed meanwhile, it is recovered as far as they had come.
func (h Handlers) OnConnect(handle func(ctx context.Context, s *Socket) error) {
	h.reg.connect.Add(handle)
}

// OnDisconnect has a function called once for every socket that was connected and is no longer, when all that its
// client had sent is handled. Socket.Rooms still returns the rooms that it was in, for a farewell to them: what Node.js
// has the event "disconnecting" for. Socket.Err has what there is to say beyond the reason. ctx ends after
// Config.HandlerGrace.
func (h Handlers) OnDisconnect(handle func(ctx context.Context, s *Socket, reason Reason)) {
	h.reg.disconnect.Add(handle)
}

// OnUpgrade has a function called when the client of a connected socket has changed from polling to WebSocket: once a
// socket at most, in line with the handlers of its events. A socket that is connected after the change is not told of,
// one that is being connected meanwhile may be; Socket.Transport says how things are. What Node.js has the event
// "upgrade" of socket.conn for.
func (h Handlers) OnUpgrade(handle func(ctx context.Context, s *Socket)) {
	h.reg.upgrade.Add(handle)
}

// OnAny has a function called for every event that a client sends, before the handlers of the event, whether it has any
// or not, and before UseEvent. The packet is as the client sent it.
func (h Handlers) OnAny(handle func(ctx context.Context, s *Socket, p domain.Packet)) {
	h.reg.anyEvent.Add(handle)
}

// AuthorizeJoin has a function asked whether a socket may join a room, before Socket.Join puts it there. An error refuses
// all rooms of that call and is what the call returns. Several are asked in the order of registration. Default: all may.
//
// It is asked where the application acts for a client. What the cluster orders (SocketsJoin), and rooms that come back
// with a recovered session, are not asked about again.
func (h Handlers) AuthorizeJoin(ask func(ctx context.Context, s *Socket, room string) error) {
	h.reg.mayJoin.Add(ask)
}

// AuthorizePublish has a function asked whether a socket may emit an event to others: before Emit and EmitWithAck of an
// operator that the socket has made (Socket.To, Socket.Broadcast …). No rooms means everybody. An error is what the call
// returns, and nothing is published. What the server emits for itself, and to one socket, is not asked about. Default:
// all may.
func (h Handlers) AuthorizePublish(ask func(ctx context.Context, s *Socket, rooms []string, event string) error) {
	h.reg.mayPublish.Add(ask)
}

// Once is for handlers that are called at most once a socket, for the first event of that name that its client sends:
//
//	socketio.On(io.Once(), "introduce", func(ctx context.Context, s *socketio.Socket, who Person) error { … })
//
// To later ones it is as if there were no such handler. An event whose arguments have another shape counts as the first.
// A handler of server-side events is called at most once.
func (h Handlers) Once() Registrar { return once(h) }

type once Handlers

// errSpent says that a handler was to be called once, and has been.
var errSpent = errors.New("socketio: the handler was called before")

func (o once) on(event string, call eventHandler) {
	spent := new(bool) // its address tells this handler from all others
	o.reg.events.Add(event, func(ctx context.Context, s *Socket, p domain.Packet) (handlers.Reply, error) {
		if _, again := s.spent[spent]; again {
			return handlers.Reply{}, errSpent
		}
		if s.spent == nil {
			s.spent = make(map[*bool]struct{}, 1)
		}
		s.spent[spent] = struct{}{}
		return call(ctx, s, p)
	})
}

func (o once) onServerSide(event string, call serverSideHandler) {
	var spent atomic.Bool
	o.reg.serverSide.Add(event, func(ctx context.Context, p domain.Packet) (handlers.Reply, error) {
		if spent.Swap(true) {
			return handlers.Reply{}, errSpent
		}
		return call(ctx, p)
	})
}
