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
	"github.com/roombus/roombus/internal/handlers"
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
	// recovery is nil when recovery is off.
	recovery *recovery
	// limits is nil when nothing is limited.
	limits *limits
	jobs   handlers.Executor
	acks   acks
	// spent are the handlers that were to be called once and have been. The socket's jobs alone use it.
	spent map[*bool]struct{}

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
	// stateRecovering: the client has its session again, and gets what it has missed.
	stateRecovering
	stateConnected
	stateGone
)

func newSocket(c *connection, ns *Namespace, auth domain.Value) *Socket {
	s := &Socket{id: newSocketID(), ns: ns, conn: c, auth: auth, time: time.Now()}
	if ns.recovers() {
		s.recovery, s.auth = newRecovery(auth)
	}
	ctx := c.engine.Context()
	if between := ns.server.config.Interceptor; between != nil {
		ctx = between.Greet(ctx, &domain.Greeting{
			Namespace: ns.name, Auth: s.auth,
			Header: func(name string) string { return c.engine.Handshake().Header.Get(name) },
		})
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.limits = c.limitsIn(ns.name)
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
// the socket still joins, later. In middleware the rooms are noted and joined with the connection, by a recovered socket
// besides those that it had. An error of who is asked by Namespace.AuthorizeJoin says that it may not, and is returned as
// it is.
func (s *Socket) Join(ctx context.Context, rooms ...string) error {
	if err := s.mayJoin(ctx, rooms); err != nil {
		return err
	}
	return s.changeRooms(ctx,
		func(at domain.Offset) { s.ns.join(s, rooms, at) },
		func() {
			for _, room := range rooms {
				if !slices.Contains(s.rooms, room) {
					s.rooms = append(s.rooms, room)
				}
			}
		})
}

// Leave takes the socket out of rooms. It returns when it is out: behind all that this node has published so far, so
// that the socket gets what was sent to the room before. ErrNotConnected says that it is gone. When ctx ends first, the
// socket still leaves, later. In middleware it takes back what Join has noted there; a recovered socket's own rooms come
// back all the same.
//
// A client that is gone may come back into the rooms that it was in; to take it out of one meanwhile, take out who has
// its id: io.In(id).SocketsLeave(ctx, room).
func (s *Socket) Leave(ctx context.Context, rooms ...string) error {
	return s.changeRooms(ctx,
		func(at domain.Offset) { s.ns.leave(s, rooms, at) },
		func() {
			s.rooms = slices.DeleteFunc(s.rooms, func(in string) bool { return slices.Contains(rooms, in) })
		})
}

// changeRooms makes a change at its place in the namespace: one way when the socket is connected, another before that.
func (s *Socket) changeRooms(ctx context.Context, connected func(at domain.Offset), connecting func()) error {
	err := ErrNotConnected
	late := s.ns.inOrder(ctx, func(at domain.Offset) {
		s.ns.mu.Lock()
		defer s.ns.mu.Unlock()
		switch s.state.Load() {
		case stateGone:
			connected(at) // for its session, if the connection was lost after the call; see away
			return
		case stateConnected:
			connected(at)
		default:
			connecting()
		}
		err = nil
	})
	if late != nil {
		return late
	}
	return err
}

// Disconnect puts the socket out of the namespace and tells its client, which does not come back by itself. It returns
// when the socket is out: behind all that this node has published so far, and with its session deleted, so that the
// client cannot recover it anywhere. Other sockets of the client stay. When ctx ends first (after 5 s where it has no
// deadline, as far as the session goes), it is still done, later.
//
// A socket that is gone already is no error. If its client may come back, or has come back by now, on whatever node, it is
// put out there as well: by an order in the log, as DisconnectSockets gives it.
func (s *Socket) Disconnect(ctx context.Context) error { return s.disconnect(ctx, false) }

// Close disconnects all sockets of the client, in whatever namespaces, and closes its connection. Otherwise it is like
// Disconnect.
func (s *Socket) Close(ctx context.Context) error { return s.disconnect(ctx, true) }

func (s *Socket) disconnect(ctx context.Context, closeConnection bool) error {
	sockets := []*Socket{s}
	if closeConnection {
		sockets = s.conn.all()
	}
	elsewhere := false
	err := s.ns.inOrder(ctx, func(domain.Offset) {
		elsewhere = !s.Connected() && s.reachable()
		if closeConnection {
			s.conn.disconnect()
		} else {
			s.end(ReasonServerDisconnect, nil, putOut)
		}
	})
	if err != nil {
		return err
	}
	for _, socket := range sockets {
		if err := socket.forgotten(ctx); err != nil {
			return err
		}
	}
	if !elsewhere {
		return nil
	}
	only := domain.Target{Rooms: []string{string(s.id)}}
	return s.ns.server.node.Operate(ctx, s.ns.name, &domain.Disconnect{Target: only, Close: closeConnection})
}

// enter makes the socket a member of its namespace, at a place in the log, and tells its client. It reports false when
// the socket is gone.
func (s *Socket) enter(at domain.Offset) bool {
	ns := s.ns
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if s.state.Load() != stateConnecting {
		return false
	}
	s.state.Store(stateConnected)
	ns.server.counters.connect()
	ns.rooms.Add(s)
	ns.rooms.Join(s, string(s.id))
	for _, room := range s.rooms {
		ns.rooms.Join(s, room)
	}
	var private domain.SessionID
	if s.recovery != nil {
		session := ns.server.node.KeepSession(ns.name, s.id, s.rooms, s.storedData().encoded, at, s.supersede)
		if session != nil {
			s.recovery.session, private = session, session.ID()
			session.Arrivals(s.conn.engine.Arrived)
		}
	}
	s.rooms = nil
	s.write(connectFrame(ns.name, s.id, private))
	s.conn.joined()
	if o := ns.server.observed.by(); o != nil {
		o.Connected(s, ns.rooms.Of(s))
	}
	return true
}

// ending is how a socket ends, which decides whether its client may come back.
type ending uint8

const (
	// lost: the connection is gone. The client may come back.
	lost ending = iota
	// left: the client has left the namespace.
	left
	// putOut: the server has put it out of the namespace, and says so.
	putOut
	// superseded: the client is back on another connection.
	superseded
)

// end takes the socket out of its namespace, for the first of its callers. What the client had sent before is still
// handled.
func (s *Socket) end(reason Reason, err error, how ending) (ended bool) {
	ended, waits := s.endNow(reason, err, how)
	if waits {
		s.ns.server.node.InOrder(s.ns.name, s.away)
	}
	return ended
}

// endNow ends the socket for the application and the client. It reports whether the socket stays in the namespace's
// index until its place has come: one whose client may come back is changed up to there, like all others.
func (s *Socket) endNow(reason Reason, err error, how ending) (ended, waits bool) {
	ns := s.ns
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if how == left || how == putOut {
		s.forget() // also when it is gone: who is put out must not come back
	}
	switch s.state.Load() {
	case stateGone:
		return false, false
	case stateConnecting:
		s.giveUp()
		return true, false
	case stateRecovering:
		if how == putOut {
			s.write(disconnectFrame(ns.name))
		}
		s.giveUp()
		return true, false
	}
	s.state.Store(stateGone)
	ns.server.counters.disconnect(reason)
	s.reason, s.err = reason, err
	if o := ns.server.observed.by(); o != nil {
		o.Disconnected(s, reason)
	}
	if how == lost && s.session() != nil && !s.recovery.begun {
		s.discard()
	}
	if waits = how == lost && s.session() != nil && !s.recovery.over; waits {
		s.rooms = ns.rooms.Of(s)
		ns.users.Add(1) // until away
	} else {
		s.rooms, _ = ns.rooms.Remove(s)
	}
	s.acks.close()
	if how == putOut {
		s.write(disconnectFrame(ns.name))
	}
	s.conn.unfinished.Add(1)
	s.grace = time.AfterFunc(ns.server.config.HandlerGrace, s.cancel)
	s.jobs.Finish(&ns.server.running, s.farewells)
	return true, waits
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

// giveUp ends a socket that is not in the namespace yet. The namespace's lock is held.
func (s *Socket) giveUp() {
	s.state.Store(stateGone)
	s.acks.close()
	s.cancel()
	s.jobs.Finish(&s.ns.server.running, s.ns.release)
}

// write hands a frame to the connection. Its error is the connection's end, which is told by other ways.
func (s *Socket) write(f *engineio.Frame) { _ = s.conn.engine.Send(f) }

// send hands over a frame if the socket is connected.
func (s *Socket) send(f *engineio.Frame) {
	s.ns.mu.RLock()
	defer s.ns.mu.RUnlock()
	if s.state.Load() == stateConnected {
		s.write(f)
	}
}

// sendEvent hands over an event if the socket is connected.
func (s *Socket) sendEvent(p domain.Packet, f *engineio.Frame, volatile bool) {
	s.ns.mu.RLock()
	defer s.ns.mu.RUnlock()
	if s.state.Load() != stateConnected {
		return
	}
	if volatile {
		s.conn.engine.SendVolatile(f)
	} else {
		s.write(f)
	}
	s.ns.rooms.sent(p, s)
}
