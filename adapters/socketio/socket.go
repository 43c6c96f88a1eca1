package socketio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"sync/atomic"
	"time"

	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
)

// Socket is one client in one namespace, on this node. A client that connects to several namespaces has a socket in
// each, over one connection.
type Socket struct {
	id   domain.SocketID
	ns   *Namespace
	conn *connection
	auth domain.Value
	time time.Time

	// ctx is that of the socket's handlers.
	ctx    context.Context //nolint:containedctx // it is the socket's own life, which no call encloses
	cancel context.CancelFunc
	data   atomic.Pointer[storedData]
	jobs   executor
	acks   acks

	// state is changed under the namespace's lock alone. The rest is guarded by it.
	state  atomic.Uint32
	reason Reason
	err    error
	// rooms are those of a socket that is not in the namespace's index: before it is connected those that it will
	// join, at the end those that it was in.
	rooms []string
	// grace ends ctx when handlers take too long after the end.
	grace *time.Timer
}

// The states of a socket, in the order in which it goes through them.
const (
	stateConnecting uint32 = iota
	stateConnected
	stateGone
)

func newSocket(c *connection, ns *Namespace, auth domain.Value) *Socket {
	s := &Socket{id: newSocketID(), ns: ns, conn: c, auth: auth, time: time.Now()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// newSocketID returns 20 characters of URL-safe base64 from 15 random bytes, as socket.io's ids are. The id of the
// connection is another one: who knows that could take the connection over.
func newSocketID() domain.SocketID {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	return domain.SocketID(base64.RawURLEncoding.EncodeToString(b[:]))
}

// ID is the socket's id, which is also the name of the room that it is always in.
func (s *Socket) ID() domain.SocketID { return s.id }

// Namespace is where the socket is.
func (s *Socket) Namespace() *Namespace { return s.ns }

// Connected reports whether the socket is connected now. It is not inside of middleware, and not when its client is
// gone.
func (s *Socket) Connected() bool { return s.state.Load() == stateConnected }

// Transport is how the client is connected now: "polling" or "websocket".
func (s *Socket) Transport() engineio.Transport { return s.conn.engine.Transport() }

// Rooms are the rooms that the socket is in, its own among them; of a socket that is gone, those that it was in at the
// end.
func (s *Socket) Rooms() []string {
	s.ns.mu.RLock()
	defer s.ns.mu.RUnlock()
	if s.state.Load() == stateConnected {
		return s.ns.rooms.Of(s)
	}
	return slices.Clone(s.rooms)
}

// Err is why the connection of a socket that is gone has failed, where there is more to say than the reason does; else
// nil.
func (s *Socket) Err() error {
	s.ns.mu.RLock()
	defer s.ns.mu.RUnlock()
	return s.err
}

// Join puts the socket into rooms. It returns when it is there: behind all that this node has published so far, so that
// the socket gets nothing in the room that was sent before. ErrNotConnected says that it is gone. When ctx ends first,
// the socket still joins, later. In middleware the rooms are noted and joined with the connection.
func (s *Socket) Join(ctx context.Context, rooms ...string) error {
	return s.changeRooms(ctx, rooms,
		func(room string) { s.ns.rooms.Join(s, room) },
		func(room string) {
			if !slices.Contains(s.rooms, room) {
				s.rooms = append(s.rooms, room)
			}
		})
}

// Leave takes the socket out of rooms. It returns when it is out: behind all that this node has published so far, so
// that the socket gets what was sent to the room before. ErrNotConnected says that it is gone. When ctx ends first, the
// socket still leaves, later.
func (s *Socket) Leave(ctx context.Context, rooms ...string) error {
	return s.changeRooms(ctx, rooms,
		func(room string) { s.ns.rooms.Leave(s, room) },
		func(room string) {
			s.rooms = slices.DeleteFunc(s.rooms, func(in string) bool { return in == room })
		})
}

// changeRooms makes a change for each room at its place in the namespace: one way when the socket is connected, another
// before that.
func (s *Socket) changeRooms(ctx context.Context, rooms []string, connected, connecting func(room string)) error {
	err := ErrNotConnected
	late := s.ns.inOrder(ctx, func() {
		s.ns.mu.Lock()
		defer s.ns.mu.Unlock()
		change := connected
		switch s.state.Load() {
		case stateGone:
			return
		case stateConnecting:
			change = connecting
		}
		for _, room := range rooms {
			change(room)
		}
		err = nil
	})
	if late != nil {
		return late
	}
	return err
}

// Disconnect puts the socket out of the namespace and tells its client, which does not come back by itself. It returns
// when the socket is out: behind all that this node has published so far. Other sockets of the client stay. When ctx
// ends first, it is still done, later. A socket that is gone already is no error.
func (s *Socket) Disconnect(ctx context.Context) error {
	return s.ns.inOrder(ctx, func() { s.end(ReasonServerDisconnect, nil, true) })
}

// Close disconnects all sockets of the client, in whatever namespaces, and closes its connection. Otherwise it is like
// Disconnect.
func (s *Socket) Close(ctx context.Context) error {
	return s.ns.inOrder(ctx, s.conn.disconnect)
}

// enter makes the socket a member of its namespace and tells its client. It reports false when the socket is gone.
func (s *Socket) enter() bool {
	ns := s.ns
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if s.state.Load() != stateConnecting {
		return false
	}
	s.state.Store(stateConnected)
	ns.rooms.Add(s)
	ns.rooms.Join(s, string(s.id))
	for _, room := range s.rooms {
		ns.rooms.Join(s, room)
	}
	s.rooms = nil
	s.write(connectFrame(ns.name, s.id))
	s.conn.joined()
	return true
}

// end takes the socket out of its namespace, for the first of its callers, and tells the client if there is to be a
// farewell. What the client had sent before is still handled.
func (s *Socket) end(reason Reason, err error, farewell bool) (ended bool) {
	ns := s.ns
	ns.mu.Lock()
	defer ns.mu.Unlock()
	switch s.state.Load() {
	case stateGone:
		return false
	case stateConnecting:
		s.giveUp()
		return true
	}
	s.state.Store(stateGone)
	s.reason, s.err = reason, err
	s.rooms, _ = ns.rooms.Remove(s)
	s.acks.close()
	if farewell {
		s.write(disconnectFrame(ns.name))
	}
	s.conn.unfinished.Add(1)
	s.grace = time.AfterFunc(ns.server.config.HandlerGrace, s.cancel)
	s.jobs.finish(&ns.server.running, s.farewells)
	return true
}

// abandon gives a socket up that is not connected yet. It reports false when it is connected.
func (s *Socket) abandon() bool {
	s.ns.mu.Lock()
	defer s.ns.mu.Unlock()
	if s.state.Load() == stateConnecting {
		s.giveUp()
	}
	return s.state.Load() == stateGone
}

// giveUp ends a socket that is not connected yet. The namespace's lock is held.
func (s *Socket) giveUp() {
	s.state.Store(stateGone)
	s.acks.close()
	s.cancel()
	s.jobs.finish(&s.ns.server.running, func() {})
}

// write hands a frame to the connection. Its error is the connection's end, which is told by other ways.
func (s *Socket) write(f *engineio.Frame) { _ = s.conn.engine.Send(f) }

// send hands over a frame if the socket is connected.
func (s *Socket) send(f *engineio.Frame, volatile bool) {
	s.ns.mu.RLock()
	defer s.ns.mu.RUnlock()
	switch {
	case s.state.Load() != stateConnected:
	case volatile:
		s.conn.engine.SendVolatile(f)
	default:
		s.write(f)
	}
}
