package socketio

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
	"github.com/roombus/roombus/ports"
)

// RecoveryConfig is how clients that come back after a lost connection are treated. Recovery is on when the node keeps
// sessions (app.Config.Recovery); how long a client may be away is the node's to say.
type RecoveryConfig struct {
	// Middleware has the functions of Namespace.Use called for sockets that were recovered, too. Default: they are
	// skipped, as in Node.js: the client was admitted when its session began.
	Middleware bool
	// Authorize is asked at every recovery, whatever Middleware says, whether the client may still have its session:
	// its token may have expired. The socket has its id, its handshake and its data, but not its rooms yet. An error
	// refuses it as one of middleware does; its session stays for as long as it is kept, so that a client with a new
	// token can have it again. Default: all may.
	Authorize func(ctx context.Context, s *Socket) error
}

// recovery is what a socket has when recovery is on.
type recovery struct {
	// asked says that the client wants the session of this id, and what comes after the offset.
	asked bool
	id    domain.SessionID
	seen  domain.Offset
	// outcome is written before the socket is connected.
	outcome domain.Recovery
	// restored is the data that came with the session.
	restored *storedData

	// The rest is guarded by the namespace's lock.

	// session is nil before the socket is in the namespace's index.
	session ports.Session
	// begun says that the connect handlers have returned, in this life of the session or in an earlier one. A client
	// that is lost before that begins anew: they would not do for a recovered socket what they could not do any more.
	begun bool
	// entered says that a recovered socket was still there when it came to that.
	entered bool
	// over says that the client must not come back; deleted is then closed when its session is gone.
	over    bool
	deleted <-chan struct{}
	// discarded says that the session is over because there was nothing to come back to.
	discarded bool
}

// Recovery says whether the client has asked for the session that it had before its connection was lost, and what came
// of it; the zero Recovery when it has not asked. It is known from the middleware on.
func (s *Socket) Recovery() domain.Recovery {
	if s.recovery != nil {
		return s.recovery.outcome
	}
	if r, _ := newRecovery(s.auth); r.asked {
		return domain.Recovery{Outcome: domain.RecoveryDisabled, Reason: "recovery is off"}
	}
	return domain.Recovery{}
}

// Recovered reports whether the client has its session again: the socket has the id, the data and the rooms that it had
// before, and the client gets every packet that it has missed.
func (s *Socket) Recovered() bool { return s.Recovery().Outcome == domain.Recovered }

// SaveSession waits until the session that the client would recover is stored as it is now, with the rooms and the data
// of the socket. Without it they are stored within about 50 ms: what a node that is killed had not stored by then is
// lost. It does nothing when recovery is off. ErrNotConnected says that the socket is not connected yet,
// domain.ErrSessionLost that another node has the session; else the error is ctx's.
func (s *Socket) SaveSession(ctx context.Context) error {
	if !s.ns.recovers() {
		return nil
	}
	s.ns.mu.RLock()
	session := s.session()
	s.ns.mu.RUnlock()
	if session == nil {
		return ErrNotConnected
	}
	return session.Saved(ctx)
}

// session is the socket's session, nil for none. The namespace's lock is held.
func (s *Socket) session() ports.Session {
	if s.recovery == nil {
		return nil
	}
	return s.recovery.session
}

const (
	// maxSessionID is more than a session id has characters, maxOffset more than an offset has.
	maxSessionID = 64
	maxOffset    = 128
)

// newRecovery reads what a client that comes back says in the auth of its CONNECT packet: the private id of its session,
// and the last offset that it has got, none if it has got nothing. Whatever looks otherwise asks for no recovery. The
// rest of the auth is what the application is shown: who knows the private id could take the session.
func newRecovery(auth domain.Value) (r *recovery, rest domain.Value) {
	r = &recovery{}
	var fields map[string]domain.Value
	if auth.IsZero() || payload.Unmarshal(auth, &fields) != nil {
		return r, auth
	}
	private, isText := fields["pid"].Text()
	if !isText || !isSessionID(private) {
		return r, auth
	}
	offset := ""
	if given, ok := fields["offset"]; ok {
		if offset, isText = given.Text(); !isText || len(offset) > maxOffset {
			return r, auth
		}
	}
	r.asked, r.id, r.seen = true, domain.SessionID(private), domain.Offset(offset)
	delete(fields, "pid")
	delete(fields, "offset")
	if len(fields) == 0 {
		return r, domain.Value{}
	}
	rest, _ = payload.Marshal(fields) // what was decoded can be encoded
	return r, rest
}

// isSessionID reports whether a text may be looked up in the store: URL-safe base64, as all session ids are.
func isSessionID(text string) bool {
	return text != "" && len(text) <= maxSessionID && !slices.ContainsFunc([]byte(text), func(c byte) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_'
	})
}

// comeBack gives a client its session again that asks for it and can have it; otherwise nil, and the client gets a new
// one. It runs before anybody else knows the socket.
func (s *Socket) comeBack(ctx context.Context) ports.Comeback {
	r := s.recovery
	if r == nil || !r.asked {
		return nil
	}
	var back ports.Comeback
	back, r.outcome = s.ns.server.node.Recover(ctx, s.ns.name, r.id, r.seen, s.supersede)
	if r.outcome.Outcome != domain.Recovered {
		return nil
	}
	s.id = back.Socket()
	if data := back.Data(); !data.IsZero() {
		r.restored = &storedData{encoded: data}
		s.data.Store(r.restored)
	}
	return back
}

const (
	// replayPart is about how many bytes of missed packets are sent in one go, and at most how many wait to be sent when
	// the next ones are fetched: a replay is pulled by the client that reads it (case 18 of docs/guarantees.md).
	replayPart = 32 << 10
	// smallestPacket is the length of the shortest packet there is, an event with a name of one letter.
	smallestPacket = len(`["x"]`)
	// endTimeout bounds how long the end of a session may be on its way.
	endTimeout = 5 * time.Second
)

// catchUp tells a client that it has its session again, sends what it has missed as fast as it reads, and makes the
// socket a member of its namespace. It reports false when the client is gone, or has to go.
func (s *Socket) catchUp(ctx context.Context, back ports.Comeback) bool {
	if !s.resume(back.Session()) {
		return false
	}
	config := &s.ns.server.config.Engine
	part := replayPart
	if config.QueueBytes > 0 {
		part = min(part, config.QueueBytes/2)
	}
	if config.QueuePackets > 0 {
		part = min(part, config.QueuePackets/2*smallestPacket)
	}
	done, err := s.replay(ctx, back, part)
	switch {
	case done:
		return s.recovery.entered
	case s.state.Load() == stateGone:
		s.leaveForGood(back)
	case errors.Is(err, domain.ErrDisconnected):
		s.end(ReasonServerDisconnect, err, putOut)
	default:
		// It was told that it was recovered, so it cannot get another session on this connection.
		s.conn.close(ReasonForcedServerClose, err)
	}
	return false
}

// resume tells the client that it is connected. From now on it may send packets, which wait until the replay is over.
func (s *Socket) resume(private domain.SessionID) bool {
	ns := s.ns
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if s.state.Load() != stateConnecting {
		return false
	}
	s.state.Store(stateRecovering)
	s.write(connectFrame(ns.name, s.id, private))
	s.conn.joined()
	return true
}

// replay sends part after part, until the rest fits into the connection's queue at once, at the socket's place in the
// namespace.
func (s *Socket) replay(ctx context.Context, back ports.Comeback, part int) (entered bool, err error) {
	for {
		if err := s.conn.engine.Drained(ctx, part); err != nil {
			return false, err
		}
		entered, err := back.Enter(ctx, part, s.reenter)
		if entered || err != nil {
			return entered, err
		}
		missed, err := back.Next(ctx, part)
		if err != nil {
			return false, err
		}
		for _, d := range missed {
			if err := s.conn.engine.Drained(ctx, part); err != nil {
				return false, err
			}
			s.write(s.ns.frame(d))
		}
	}
}

// reenter puts a recovered socket into its namespace, with what it has still missed. It runs in the namespace's order.
// The client may be gone meanwhile.
func (s *Socket) reenter(rest []*domain.Delivery, rooms []string, session ports.Session, at domain.Offset) {
	ns := s.ns
	ns.mu.Lock()
	defer ns.mu.Unlock()
	r := s.recovery
	r.session = session
	session.Arrivals(s.conn.engine.Arrived)
	if data := s.data.Load(); data != r.restored {
		session.SetData(data.encoded)
	}
	if s.state.Load() != stateRecovering {
		if r.over {
			r.deleted = session.End()
		} else {
			session.Away(at)
		}
		return
	}
	s.state.Store(stateConnected)
	s.ns.server.counters.connect()
	r.entered = true
	ns.rooms.Add(s)
	ns.rooms.Join(s, string(s.id))
	for _, room := range rooms {
		ns.rooms.Join(s, room)
	}
	ns.join(s, s.rooms, at) // what middleware has noted
	s.rooms = nil
	for _, d := range rest {
		s.write(ns.frame(d))
	}
	if o := ns.server.observed.by(); o != nil {
		o.Connected(s, ns.rooms.Of(s))
	}
}

// leaveForGood deletes the session of a client that has left the namespace while it was told what it had missed. One
// whose connection was lost may come back.
func (s *Socket) leaveForGood(back ports.Comeback) {
	s.ns.mu.RLock()
	over := s.recovery.over
	s.ns.mu.RUnlock()
	if !over {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	// Its error says that the session is gone, or somebody else's.
	_, _ = back.Enter(ctx, math.MaxInt, s.reenter)
}

// supersede ends a socket whose client is back on another connection. Nothing is said to the client there: it is the
// other one that counts.
func (s *Socket) supersede() {
	s.end(ReasonSuperseded, domain.ErrSessionLost, superseded)
	s.conn.engine.Close(ReasonSuperseded)
}

// away takes a socket out of the namespace whose connection was lost, at a place in the log: up to there its rooms were
// changed like those of every other. Then its session waits for the client.
func (s *Socket) away(at domain.Offset) {
	defer s.ns.release()
	s.ns.mu.Lock()
	defer s.ns.mu.Unlock()
	s.ns.rooms.Remove(s)
	if !s.recovery.over {
		s.recovery.session.Away(at)
	}
}

// begun notes that the connect handlers have returned, so that there is something to recover.
func (s *Socket) begun() {
	if s.recovery == nil {
		return
	}
	s.ns.mu.Lock()
	s.recovery.begun = true
	s.ns.mu.Unlock()
}

// discard lets the client begin anew when it comes back; whoever has claimed the session already may have it. The
// namespace's lock is held.
func (s *Socket) discard() {
	s.recovery.over, s.recovery.discarded = true, true
	s.recovery.session.Discard()
}

// forget ends the socket's session for good, if it has one. The namespace's lock is held.
func (s *Socket) forget() {
	r := s.recovery
	if r == nil || r.over && !r.discarded {
		return
	}
	r.over, r.discarded = true, false
	if r.session != nil {
		r.deleted = r.session.End()
	}
}

// forgotten waits until a session that was ended is deleted.
func (s *Socket) forgotten(ctx context.Context) error {
	s.ns.mu.RLock()
	var deleted <-chan struct{}
	if s.recovery != nil {
		deleted = s.recovery.deleted
	}
	s.ns.mu.RUnlock()
	if deleted == nil {
		return nil
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, endTimeout)
		defer cancel()
	}
	select {
	case <-deleted:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// reachable reports whether the client is connected, or may come back for what is sent to it.
func (s *Socket) reachable() bool {
	s.ns.mu.RLock()
	defer s.ns.mu.RUnlock()
	return s.state.Load() == stateConnected || s.session() != nil && !s.recovery.over
}
