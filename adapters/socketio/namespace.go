package socketio

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// Namespace is a part of the server with handlers, sockets and rooms of its own; clients choose it in the path of the
// URL that they connect to. What it does, it does on all nodes of the cluster, except where Local says otherwise.
type Namespace struct {
	Handlers
	name   string
	server *Server
	ackIDs atomic.Uint64

	// parent is nil for a namespace that no parent has made; begun has its child told of once.
	parent *ParentNamespace
	begun  sync.Once
	// users counts the sockets whose end has not been handled. It is raised from zero under the server's lock alone.
	users atomic.Int64
	// pinned says that the application has made it, so that it stays. The server's lock guards it.
	pinned bool
	// forgets says that nobody's session is kept, whatever the node does.
	forgets atomic.Bool
	// broadcasts is who is told of them; nil for nobody.
	broadcasts atomic.Pointer[func(p domain.Packet)]

	// mu guards the index and the state of the namespace's sockets. It is held while a packet is handed to their
	// connections, so that what is sent to a socket and what changes it have one order. The node's order of the
	// namespace is taken before it, a socket's lock after it; nothing blocks under it.
	mu    sync.RWMutex
	rooms index
}

func newNamespace(server *Server, name string) *Namespace {
	return &Namespace{
		Handlers: Handlers{new(registry)}, name: name, server: server,
		rooms: index{Rooms: domain.NewRooms[*Socket](), observed: &server.observed},
	}
}

// Name is the namespace's name, with its leading slash.
func (ns *Namespace) Name() string { return ns.name }

// Sockets are the sockets that are connected to this node, in no order. FetchSockets knows those of all nodes.
func (ns *Namespace) Sockets() []*Socket { return ns.selected(&domain.Target{}) }

// Socket finds a socket that is connected to this node.
func (ns *Namespace) Socket(id domain.SocketID) (*Socket, bool) {
	for _, s := range ns.selected(&domain.Target{Rooms: []string{string(id)}}) {
		if s.id == id {
			return s, true
		}
	}
	return nil, false
}

// Len is the number of sockets of this node. FetchSockets knows those of all nodes.
func (ns *Namespace) Len() int {
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	return ns.rooms.Len()
}

// WithoutRecovery keeps no sessions for this namespace, whatever the node does: a client that comes back gets a new
// socket. It is for namespaces whose messages are worth nothing later. Call it before clients come; it cannot be taken
// back.
func (ns *Namespace) WithoutRecovery() { ns.forgets.Store(true) }

// recovers says whether sessions are kept.
func (ns *Namespace) recovers() bool { return ns.server.recovers && !ns.forgets.Load() }

// OnBroadcast has a function told of every broadcast of the namespace that this node reads, from whatever node and
// whether or not it means a socket of this one, before its sockets get it. There is one such function a namespace: the
// next takes its place, nil takes it away. It is called on the goroutine that reads the log: it must not block, and must
// not call the server.
func (ns *Namespace) OnBroadcast(handle func(p domain.Packet)) {
	if handle == nil {
		ns.broadcasts.Store(nil)
		return
	}
	ns.broadcasts.Store(&handle)
}

func (ns *Namespace) selected(t *domain.Target) []*Socket {
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	return slices.DeleteFunc(slices.Collect(ns.rooms.Select(t)), func(s *Socket) bool { return !s.Connected() })
}

// join puts a socket into rooms as of a place in the log. mu is held.
func (ns *Namespace) join(s *Socket, rooms []string, at domain.Offset) {
	session := s.session()
	var joined []string
	for _, room := range rooms {
		if changed, _ := ns.rooms.Join(s, room); changed && session != nil {
			joined = append(joined, room)
		}
	}
	if len(joined) > 0 {
		session.Join(joined, at)
	}
}

// leave takes a socket out of rooms as of a place in the log. mu is held.
func (ns *Namespace) leave(s *Socket, rooms []string, at domain.Offset) {
	session := s.session()
	var left []string
	for _, room := range rooms {
		if changed, _ := ns.rooms.Leave(s, room); changed && session != nil {
			left = append(left, room)
		}
	}
	if len(left) > 0 {
		session.Leave(left, at)
	}
}

// NodeCount is the number of nodes of the cluster that are in this namespace, this one included.
func (ns *Namespace) NodeCount() int { return ns.server.node.NodeCount(ns.name) }

// To begins an operation on the sockets that are in one of these rooms.
func (ns *Namespace) To(rooms ...string) BroadcastOperator { return ns.all().To(rooms...) }

// In is To; it reads better before SocketsJoin and the like.
func (ns *Namespace) In(rooms ...string) BroadcastOperator { return ns.all().In(rooms...) }

// Except begins an operation on all sockets but those that are in one of these rooms.
func (ns *Namespace) Except(rooms ...string) BroadcastOperator { return ns.all().Except(rooms...) }

// Volatile begins an operation on all sockets whose packet may be dropped.
func (ns *Namespace) Volatile() BroadcastOperator { return ns.all().Volatile() }

// Local begins an operation on the sockets of this node.
func (ns *Namespace) Local() BroadcastOperator { return ns.all().Local() }

// Compress begins an operation on all sockets whose packet is, or is not, compressed.
func (ns *Namespace) Compress(on bool) BroadcastOperator { return ns.all().Compress(on) }

// Timeout begins an operation on all sockets whose answers are waited for so long.
func (ns *Namespace) Timeout(d time.Duration) BroadcastOperator { return ns.all().Timeout(d) }

// Emit sends an event to all sockets. See BroadcastOperator.Emit.
func (ns *Namespace) Emit(ctx context.Context, event string, args ...any) (domain.Offset, error) {
	return ns.all().Emit(ctx, event, args...)
}

// EmitWithAck sends an event to all sockets and collects their answers. See BroadcastOperator.EmitWithAck.
func (ns *Namespace) EmitWithAck(ctx context.Context, event string, args ...any) ([]domain.Value, error) {
	return ns.all().EmitWithAck(ctx, event, args...)
}

// FetchSockets lists all sockets. See BroadcastOperator.FetchSockets.
func (ns *Namespace) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	return ns.all().FetchSockets(ctx)
}

// SocketsJoin makes all sockets join rooms. See BroadcastOperator.SocketsJoin.
func (ns *Namespace) SocketsJoin(ctx context.Context, rooms ...string) error {
	return ns.all().SocketsJoin(ctx, rooms...)
}

// SocketsLeave makes all sockets leave rooms. See BroadcastOperator.SocketsLeave.
func (ns *Namespace) SocketsLeave(ctx context.Context, rooms ...string) error {
	return ns.all().SocketsLeave(ctx, rooms...)
}

// DisconnectSockets puts all sockets out of the namespace. See BroadcastOperator.DisconnectSockets.
func (ns *Namespace) DisconnectSockets(ctx context.Context, closeConnections bool) error {
	return ns.all().DisconnectSockets(ctx, closeConnections)
}

func (ns *Namespace) all() BroadcastOperator { return BroadcastOperator{ns: ns} }

// ServerSideEmit sends an event to the application on every other node of the namespace, where OnServerSide receives
// it. It returns when the event is on its way.
func (ns *Namespace) ServerSideEmit(ctx context.Context, event string, args ...any) error {
	p, err := payload.MarshalServerEvent(event, args...)
	if err != nil {
		return err
	}
	return ns.server.node.ServerSideEmit(ctx, ns.name, p)
}

// ServerSideEmitWithAck sends an event to the application on every other node of the namespace and collects one answer
// a node, from OnServerSideAck; the answer of a node without a handler is the zero Value. The context's deadline bounds
// the wait, else the node's request timeout (5 s). Where answers are missing then, those that came are returned with a
// *domain.PartialError. [Collect] turns the answers into Go values.
func (ns *Namespace) ServerSideEmitWithAck(ctx context.Context, event string, args ...any) ([]domain.Value, error) {
	p, err := payload.MarshalServerEvent(event, args...)
	if err != nil {
		return nil, err
	}
	return ns.server.node.ServerSideEmitWithAck(ctx, ns.name, p)
}

// inOrder makes a local change at its place in the namespace and returns when it is made. When ctx ends before, the
// change is still made, later.
func (ns *Namespace) inOrder(ctx context.Context, change func(at domain.Offset)) error {
	made := make(chan struct{})
	if ns.server.node.InOrder(ns.name, func(at domain.Offset) {
		change(at)
		close(made)
	}) {
		return nil
	}
	select {
	case <-made:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
