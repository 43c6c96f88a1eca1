package socketio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
)

// mayJoin is the first error of those who are asked.
func (s *Socket) mayJoin(ctx context.Context, rooms []string) error {
	for _, ask := range s.ns.reg.mayJoin.All() {
		for _, room := range rooms {
			if err := handlers.Guarded(func() error { return ask(ctx, s, room) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// mayEmit is the first error of those who are asked. Nobody is for what no socket has begun.
func (o BroadcastOperator) mayEmit(ctx context.Context, event string) error {
	if o.by == nil {
		return nil
	}
	for _, ask := range o.ns.reg.mayPublish.All() {
		if err := handlers.Guarded(func() error { return ask(ctx, o.by, o.target.Rooms, event) }); err != nil {
			return err
		}
	}
	return nil
}

// OnRoomCreated has a function called when a room has its first socket on this node. See OnJoin.
func (ns *Namespace) OnRoomCreated(handle func(ctx context.Context, room string)) {
	ns.watch(func(h *roomHooks) { h.created = append(slices.Clip(h.created), handle) })
}

// OnRoomDeleted has a function called when the last socket on this node has left a room. See OnJoin.
func (ns *Namespace) OnRoomDeleted(handle func(ctx context.Context, room string)) {
	ns.watch(func(h *roomHooks) { h.deleted = append(slices.Clip(h.deleted), handle) })
}

// OnJoin has a function called when a socket has joined a room, by whatever way: Socket.Join, an order of the cluster, a
// recovery.
//
// It and its like tell of this node's sockets: every node tells of its own, so that a room is created on each node on
// which it has a socket. The room of a socket's own id is not told of; OnConnect and OnDisconnect are. Calls come one
// after the other, in the order of the changes, after the change, on a goroutine that holds no lock: the function may
// block, and may use the server, but meanwhile the changes wait in memory. When 100,000 wait, further ones are not told,
// and Config.OnError is told how many. Without such functions nothing is kept and nothing is paid. ctx ends after
// Config.HandlerGrace.
func (ns *Namespace) OnJoin(handle func(ctx context.Context, s *Socket, room string)) {
	ns.watch(func(h *roomHooks) { h.joined = append(slices.Clip(h.joined), handle) })
}

// OnLeave has a function called when a socket has left a room, by whatever way: with its connection, too. See OnJoin. One
// whose client may come back (recovery) leaves its rooms with its connection and joins them again when it is back.
func (ns *Namespace) OnLeave(handle func(ctx context.Context, s *Socket, room string)) {
	ns.watch(func(h *roomHooks) { h.left = append(slices.Clip(h.left), handle) })
}

func (ns *Namespace) watch(add func(h *roomHooks)) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.rooms.hooks == nil {
		ns.rooms.hooks = &roomHooks{ns: ns}
	}
	add(ns.rooms.hooks)
}

// index is a namespace's index of rooms, which tells of changes. The namespace's lock is held when it is changed.
type index struct {
	*domain.Rooms[*Socket]
	hooks    *roomHooks // nil while nobody wants to know
	observed *observed
}

// Join is domain.Rooms.Join.
func (x *index) Join(s *Socket, room string) (joined, created bool) {
	joined, created = x.Rooms.Join(s, room)
	if o := x.observed.by(); joined && o != nil {
		o.Joined(s, room)
	}
	if joined && x.hooks != nil {
		x.hooks.note(s, room, x.hooks.joinedRoom, created)
	}
	return joined, created
}

// Leave is domain.Rooms.Leave.
func (x *index) Leave(s *Socket, room string) (left, deleted bool) {
	left, deleted = x.Rooms.Leave(s, room)
	if o := x.observed.by(); left && o != nil {
		o.Left(s, room)
	}
	if left && x.hooks != nil {
		x.hooks.note(s, room, x.hooks.leftRoom, deleted)
	}
	return left, deleted
}

// Remove is domain.Rooms.Remove.
func (x *index) Remove(s *Socket) (left, deleted []string) {
	left, deleted = x.Rooms.Remove(s)
	if o := x.observed.by(); o != nil {
		for _, room := range left {
			o.Left(s, room)
		}
	}
	if x.hooks != nil {
		for _, room := range left {
			x.hooks.note(s, room, x.hooks.leftRoom, slices.Contains(deleted, room))
		}
	}
	return left, deleted
}

// maxRoomChanges is how many changes of rooms may wait for the application.
const maxRoomChanges = 100_000

// roomHooks are who wants to know of changes of rooms, and of what sockets are sent. The namespace's lock guards the lists; lists are replaced, never
// changed.
type roomHooks struct {
	ns               *Namespace
	created, deleted []func(ctx context.Context, room string)
	joined, left     []func(ctx context.Context, s *Socket, room string)
	outgoing         []func(ctx context.Context, s *Socket, p domain.Packet)

	jobs handlers.Executor
	// lost counts the changes that nobody was told of.
	lost atomic.Int64
}

// note has a change told, and whether it is the room's first socket or was its last. It does not block. The namespace's
// lock is held.
func (h *roomHooks) note(s *Socket, room string, change func(s *Socket, room string, edge bool) func(), edge bool) {
	if room == string(s.id) {
		return
	}
	tell := change(s, room, edge)
	if tell != nil && !h.jobs.Offer(&h.ns.server.running, maxRoomChanges, handlers.Job{Do: tell}) {
		h.lost.Add(1)
	}
}

// joinedRoom is how a join is told; nil where nobody wants to know.
func (h *roomHooks) joinedRoom(s *Socket, room string, first bool) func() {
	created, joined := h.created, h.joined
	if !first {
		created = nil
	}
	if len(created)+len(joined) == 0 {
		return nil
	}
	return func() {
		h.tellOfRoom(created, room)
		h.tellOfSocket(joined, s, room)
	}
}

// leftRoom is how a leave is told; nil where nobody wants to know.
func (h *roomHooks) leftRoom(s *Socket, room string, last bool) func() {
	left, deleted := h.left, h.deleted
	if !last {
		deleted = nil
	}
	if len(left)+len(deleted) == 0 {
		return nil
	}
	return func() {
		h.tellOfSocket(left, s, room)
		h.tellOfRoom(deleted, room)
	}
}

func (h *roomHooks) tellOfRoom(handlers []func(context.Context, string), room string) {
	for _, handle := range handlers {
		h.tell(nil, func(ctx context.Context) { handle(ctx, room) })
	}
}

func (h *roomHooks) tellOfSocket(handlers []func(context.Context, *Socket, string), s *Socket, room string) {
	for _, handle := range handlers {
		h.tell(s, func(ctx context.Context) { handle(ctx, s, room) })
	}
}

// errRoomsUntold says that changes of rooms came faster than the application takes them.
var errRoomsUntold = errors.New("socketio: changes of rooms, or events, that nobody was told of, because 100,000 waited already")

func (h *roomHooks) tell(s *Socket, call func(ctx context.Context)) {
	server := h.ns.server
	ctx, cancel := context.WithTimeout(context.Background(), server.config.HandlerGrace)
	defer cancel()
	err := handlers.Guarded(func() error { call(ctx); return nil })
	if lost := h.lost.Swap(0); lost > 0 {
		err = errors.Join(err, fmt.Errorf("%w: %d", errRoomsUntold, lost))
	}
	if err != nil {
		server.fail(ctx, Failure{Namespace: h.ns.name, Socket: s, Event: "rooms", Err: err})
	}
}

// finishHooks has no further changes of rooms told than those that have happened.
func (io *Server) finishHooks() {
	io.mu.RLock()
	namespaces := slices.Collect(maps.Values(io.namespaces))
	io.mu.RUnlock()
	var all []*roomHooks
	for _, ns := range namespaces {
		ns.mu.RLock()
		if ns.rooms.hooks != nil {
			all = append(all, ns.rooms.hooks)
		}
		ns.mu.RUnlock()
	}
	if len(all) == 0 {
		return
	}
	io.sendOut(context.Background()) // sockets that wait for their place are out then
	for _, h := range all {
		h.jobs.Finish(&io.running, func() {})
	}
}
