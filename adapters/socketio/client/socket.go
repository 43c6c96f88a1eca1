package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
	"github.com/roombus/roombus/internal/payload"
)

// Socket is the client in one namespace. It keeps its handlers, and what waits to be sent, through all connections.
type Socket struct {
	client    *Client
	namespace string
	reg       registry
	jobs      handlers.Executor

	// The rest is guarded by Client.mu.

	// wanted is set from Connect until something ends the wish: Disconnect, the server's disconnect or refusal.
	wanted bool
	// joining is the connection on which the server's answer to a CONNECT packet is outstanding.
	joining   *link
	connected bool
	// session counts the connections, so that an answer does not go to another than its question came from.
	session uint64
	id      domain.SocketID
	// pid and offset are what a recovery needs: the session's private id, and the last offset that was seen.
	pid       string
	offset    string
	hasOffset bool
	recovered bool
	// auth is what the next CONNECT packet carries, if it is known already.
	auth      domain.Value
	authKnown bool
	// waiting are the calls of Connect.
	waiting []chan error
	// failure is why the socket could not be connected the last time.
	failure error
	// early are events that came before the answer to CONNECT: those that a recovery brings.
	early      []parser.Packet
	earlyBytes int
	// buffer is what was emitted while the socket was not connected.
	buffer      []outgoing
	bufferBytes int
	// acks are the answers that the server owes.
	acks   map[uint64]*pendingAck
	nextID uint64
}

// Namespace is the namespace's name, with its leading slash.
func (s *Socket) Namespace() string { return s.namespace }

// ID is the id under which the server knows the socket; empty while it is not connected.
func (s *Socket) ID() domain.SocketID {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.id
}

// Connected reports whether the socket is connected now.
func (s *Socket) Connected() bool {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.connected
}

// Recovered reports whether the server has taken up the session of the connection before, when the socket was connected
// the last time: it has the same id and rooms, and gets what it has missed.
func (s *Socket) Recovered() bool {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.recovered
}

// OnConnect has a function called each time that the socket was connected, the first time and again. What a recovery has
// brought is handled before. Its error goes to Config.OnError.
func (s *Socket) OnConnect(handle func(ctx context.Context) error) {
	s.reg.connect.Add(handle)
}

// OnDisconnect has a function called each time that the socket is no longer connected, when all that had come before was
// handled. The error says more than the reason where there is more to say; else it is nil. The context does not end with
// Client.Close, which waits for the function.
func (s *Socket) OnDisconnect(handle func(ctx context.Context, reason Reason, err error)) {
	s.reg.disconnect.Add(handle)
}

// OnConnectError has a function called each time that the socket could not be connected: a *ConnectError is the server's
// refusal, after which the client does not try again by itself, as after ErrGaveUp. After all others it does, unless
// Reconnection.Off is set.
func (s *Socket) OnConnectError(handle func(ctx context.Context, err error)) {
	s.reg.connectError.Add(handle)
}

// OnAny has a function called for every event that the server sends, before the handlers of the event, whether it has any
// or not.
func (s *Socket) OnAny(handle func(ctx context.Context, p domain.Packet)) {
	s.reg.anyEvent.Add(handle)
}

// Connect connects the socket and waits until it is connected. A socket that is connected stays so. The error is a
// *ConnectError when the server refuses the namespace; ErrGaveUp, or the first error with Reconnection.Off, when it was
// not reached; ErrNotConnected when Disconnect was called meanwhile; ErrClosed; or what Config.AuthFunc has returned.
//
// When ctx ends first, the error has its cause and the reason of the last attempt, and the client goes on trying, as it
// does after a lost connection; Disconnect and Close end that. A client that is to come up whatever its server does can
// thus be started with a context that ends soon.
func (s *Socket) Connect(ctx context.Context) error {
	if s.Connected() {
		return nil
	}
	if strings.Contains(s.namespace, ",") {
		return fmt.Errorf("client: the namespace %q has a comma, which Socket.IO cannot send", s.namespace)
	}
	auth, err := s.client.authFor(ctx, s.namespace)
	if err != nil {
		return err
	}
	answer, err := s.want(auth)
	if answer == nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		s.client.mu.Lock()
		defer s.client.mu.Unlock()
		s.waiting = slices.DeleteFunc(s.waiting, func(other chan error) bool { return other == answer })
		if s.failure != nil {
			return fmt.Errorf("client: not connected to %s yet: %w; the last attempt: %w",
				s.namespace, context.Cause(ctx), s.failure)
		}
		return fmt.Errorf("client: not connected to %s yet: %w", s.namespace, context.Cause(ctx))
	}
}

// want begins to connect. It returns where the outcome will be told; nil when it is known.
func (s *Socket) want(auth domain.Value) (chan error, error) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed():
		return nil, ErrClosed
	case s.connected:
		return nil, nil //nolint:nilnil // there is nothing to wait for, and nothing wrong
	}
	answer := make(chan error, 1)
	s.waiting = append(s.waiting, answer)
	if s.wanted {
		return answer, nil
	}
	s.wanted, s.failure = true, nil
	s.auth, s.authKnown = auth, true
	c.start()
	if l := c.effort.link; l != nil && s.joining != l {
		s.join(l)
	}
	return answer, nil
}

// Disconnect leaves the namespace, behind what was emitted before; with the last socket of the client the connection is
// closed. It does not wait, and the client does not come back by itself: Connect does. What had come before is still
// handled.
func (s *Socket) Disconnect() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	s.leave(ErrNotConnected)
}

// The functions below are called with Client.mu held.

// leave ends the wish to be connected.
func (s *Socket) leave(err error) {
	if !s.wanted {
		return
	}
	s.wanted = false
	if s.connected {
		s.client.effort.link.push(s.farewell().wire)
		s.down(ReasonClientDisconnect, nil)
	}
	s.answer(err)
	s.client.rest()
}

func (s *Socket) farewell() message {
	return encode(parser.Packet{Type: parser.Disconnect, Namespace: s.namespace})
}

// join asks for the namespace.
func (s *Socket) join(l *link) {
	s.joining, s.early, s.earlyBytes = l, nil, 0
	l.push(encode(parser.Packet{
		Type: parser.Connect, Namespace: s.namespace, Payload: recoveryAuth(s.auth, s.pid, s.offset, s.hasOffset),
	}).wire)
	s.auth, s.authKnown = domain.Value{}, false
}

// recoveryAuth adds to an auth object what a server needs to take a session up again (socket.js of socket.io-client 4.8:
// `{ pid: this._pid, offset: this._lastOffset, ...data }`).
func recoveryAuth(auth domain.Value, pid, offset string, hasOffset bool) domain.Value {
	if pid == "" {
		return auth
	}
	text := domain.AppendQuoted([]byte(`{"pid":`), pid)
	if hasOffset {
		text = domain.AppendQuoted(append(text, `,"offset":`...), offset)
	}
	if object := auth.JSON(); len(object) > 0 {
		if fields := bytes.TrimSpace(object[1 : len(object)-1]); len(fields) > 0 {
			text = append(append(text, ','), fields...)
		}
	}
	v, err := domain.NewValue(append(text, '}'))
	if err != nil {
		return auth // which is nested as deep as may be; the server begins a new session
	}
	return v
}

// receive takes a packet of the server.
func (s *Socket) receive(e *effort, p parser.Packet) {
	switch p.Type {
	case parser.Connect:
		s.joined(e, p)
	case parser.ConnectError:
		s.refused(p.Payload)
	case parser.Disconnect:
		if s.connected {
			s.wanted = false
			s.down(ReasonServerDisconnect, nil)
			s.client.rest()
		}
	case parser.Event:
		switch {
		case s.connected:
			s.event(p)
		case s.wanted:
			s.keepEarly(e, p)
		}
	case parser.Ack:
		s.acknowledged(p)
	default:
		// The decoder makes plain types of the binary ones.
	}
}

// joined takes the server's answer to CONNECT.
func (s *Socket) joined(e *effort, p parser.Packet) {
	if s.joining != e.link {
		return
	}
	s.joining = nil
	if !s.wanted { // it has changed its mind meanwhile
		s.early, s.earlyBytes = nil, 0
		e.link.push(s.farewell().wire)
		return
	}
	var connected struct {
		SID domain.SocketID `json:"sid"`
		PID string          `json:"pid"`
	}
	if err := payload.Unmarshal(p.Payload, &connected); err != nil || connected.SID == "" {
		s.abort(&ConnectError{Message: "the server's answer has no socket id; is it a server of Socket.IO 2?"})
		return
	}
	s.recovered = connected.PID != "" && connected.PID == s.pid
	s.id, s.pid, s.connected, s.failure = connected.SID, connected.PID, true, nil
	s.session++
	e.attempts = 0
	early := s.early
	s.early, s.earlyBytes = nil, 0
	for _, p := range early {
		s.event(p)
	}
	s.flush(e.link)
	s.submit(s.greet)
	s.answer(nil)
}

// refused takes the server's refusal.
func (s *Socket) refused(v domain.Value) {
	s.joining = nil
	if !s.wanted || s.connected {
		return
	}
	var words struct {
		Message string       `json:"message"`
		Data    domain.Value `json:"data"`
	}
	if text, ok := v.Text(); ok {
		words.Message = text
	} else if err := payload.Unmarshal(v, &words); err != nil || words.Message == "" {
		words.Message = "the server gave no reason"
	}
	s.abort(&ConnectError{Message: words.Message, Data: words.Data})
}

// abort ends the wish to be connected, with an error.
func (s *Socket) abort(err error) {
	s.wanted, s.early, s.earlyBytes = false, nil, 0
	s.failed(err)
	s.answer(err)
	s.client.rest()
}

// abandon ends the wish to be connected when nothing more is tried.
func (s *Socket) abandon(r Reconnection) {
	s.wanted = false
	err := s.failure
	if err == nil {
		err = ErrNotConnected // it was connected before
	}
	if !r.Off {
		err = fmt.Errorf("%w after %d attempts: %w", ErrGaveUp, r.Attempts, err)
		s.failed(err)
	}
	s.answer(err)
}

// answer tells the calls of Connect.
func (s *Socket) answer(err error) {
	for _, answer := range s.waiting {
		answer <- err // has room for the one answer that it gets
	}
	s.waiting = nil
}

// failed tells the application of an attempt that has failed.
func (s *Socket) failed(err error) {
	s.failure = err
	s.submit(func() {
		for _, handle := range s.reg.connectError.All() {
			s.report("connect_error", handlers.Guarded(func() error { handle(s.client.ctx, err); return nil }))
		}
	})
}

// down ends a connection. What had come before is still handled.
func (s *Socket) down(reason Reason, err error) {
	s.connected, s.joining, s.id = false, nil, ""
	s.session++
	for id, ack := range s.acks {
		if !ack.buffered {
			delete(s.acks, id)
			ack.answer <- acknowledgement{err: ErrNotConnected}
		}
	}
	s.submit(func() {
		ctx := context.WithoutCancel(s.client.ctx)
		for _, handle := range s.reg.disconnect.All() {
			s.report("disconnect", handlers.Guarded(func() error { handle(ctx, reason, err); return nil }))
		}
	})
}

// maxEarlyBytes bounds what a server may send of a session before it has said that there is one.
const maxEarlyBytes = 32 << 20

var errTooEarly = errors.New("the server sends events without having connected the socket")

// keepEarly keeps an event until the server has said that the socket is connected.
func (s *Socket) keepEarly(e *effort, p parser.Packet) {
	s.earlyBytes += p.Payload.Size()
	if s.earlyBytes > maxEarlyBytes {
		e.link.fail(errTooEarly)
		return
	}
	s.early = append(s.early, p)
}

// event notes what a recovery needs to know, and has the handlers called.
func (s *Socket) event(p parser.Packet) {
	event := p.Event()
	if s.pid != "" && !p.HasID && payload.EndsInString(event) { // a callback would be the last argument
		if elements, err := p.Payload.Elements(); err == nil {
			s.offset, s.hasOffset = elements[len(elements)-1].Text()
		}
	}
	if !s.reg.wants(event.Event()) {
		return
	}
	session := s.session
	s.jobs.Push(&s.client.running, handlers.Job{Bytes: p.Payload.Size(), Do: func() { s.handle(p, session) }})
}

// submit queues what is not an event.
func (s *Socket) submit(do func()) { s.jobs.Push(&s.client.running, handlers.Job{Do: do}) }
