package socketio

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/handlers"
)

// edge is the server as its node sees it: a ports.Edge.
type edge struct{ server *Server }

// Deliver hands a packet to the sockets that are meant. It is framed once, for the first of them.
func (e edge) Deliver(_ context.Context, d *domain.Delivery) int {
	ns, ok := e.server.lookup(d.Namespace)
	if !ok {
		return 0
	}
	if tell := ns.broadcasts.Load(); tell != nil {
		(*tell)(d.Packet)
	}
	if d.Ack != nil {
		return ns.deliverForAcks(d)
	}
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	var frame *engineio.Frame
	var told []*Socket
	wants := ns.rooms.wantsOutgoing()
	sockets := 0
	for s := range ns.rooms.Select(&d.Target) {
		if !s.Connected() {
			continue
		}
		if frame == nil {
			frame = ns.frame(d)
		}
		sockets++
		if d.Target.Flags.Volatile {
			s.conn.engine.SendVolatile(frame)
		} else {
			s.write(frame)
		}
		if wants {
			told = append(told, s)
		}
	}
	ns.rooms.sent(d.Packet, told...)
	return sockets
}

// deliverForAcks hands over a packet that all its sockets are to acknowledge, under one id.
func (ns *Namespace) deliverForAcks(d *domain.Delivery) int {
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	sockets := slices.DeleteFunc(slices.Collect(ns.rooms.Select(&d.Target)), func(s *Socket) bool { return !s.Connected() })
	if len(sockets) == 0 {
		return 0
	}
	owed := newAck(ns.ackIDs.Add(1)-1, func(args []domain.Value, err error) {
		if err == nil {
			d.Ack(first(args))
		}
	})
	frame := eventFrame(ns.name, d.Packet, &owed.id, d.Target.Flags.Compress)
	for _, s := range sockets {
		s.acks.expect(owed) // they are connected, and stay so while the lock is held
		if d.Target.Flags.Volatile {
			s.conn.engine.SendVolatile(frame)
		} else {
			s.write(frame)
		}
	}
	timeout := d.Target.Flags.Timeout
	if timeout <= 0 {
		timeout = defaultBroadcastAckTimeout
	}
	owed.expireAfter(timeout, sockets)
	ns.rooms.sent(d.Packet, sockets...)
	return len(sockets)
}

// defaultBroadcastAckTimeout is how long sockets may answer a broadcast that says nothing about it: as long as its
// sender waits by default.
const defaultBroadcastAckTimeout = 5 * time.Second

// Apply performs a room operation on the sockets that are meant.
func (e edge) Apply(_ context.Context, namespace string, op domain.RoomOperation, at domain.Offset) int {
	ns, ok := e.server.lookup(namespace)
	if !ok {
		return 0
	}
	switch op := op.(type) {
	case *domain.Join:
		return ns.changeEach(&op.Target, func(s *Socket) { ns.join(s, op.Rooms, at) })
	case *domain.Leave:
		return ns.changeEach(&op.Target, func(s *Socket) { ns.leave(s, op.Rooms, at) })
	case *domain.Disconnect:
		return ns.disconnect(op)
	default:
		return 0 // there are no others
	}
}

// changeEach makes a change to each socket that is meant, those included whose connection is lost and that wait for
// their place: their sessions take part in it.
func (ns *Namespace) changeEach(t *domain.Target, change func(s *Socket)) (connected int) {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	for _, s := range slices.Collect(ns.rooms.Select(t)) {
		change(s)
		if s.Connected() {
			connected++
		}
	}
	return connected
}

// disconnect ends the sockets that an order to disconnect means.
func (ns *Namespace) disconnect(op *domain.Disconnect) (ended int) {
	ns.mu.RLock()
	sockets := slices.Collect(ns.rooms.Select(&op.Target))
	ns.mu.RUnlock()
	for _, s := range sockets {
		if s.Connected() {
			ended++
		}
		if op.Close {
			s.conn.disconnect()
		} else {
			s.end(ReasonServerDisconnect, nil, putOut)
		}
	}
	return ended
}

// Sockets describes the sockets that are meant.
func (e edge) Sockets(_ context.Context, namespace string, t *domain.Target) []domain.SocketDetails {
	ns, ok := e.server.lookup(namespace)
	if !ok {
		return nil
	}
	details, sockets := ns.details(t)
	if annotator := e.server.annotator.Load(); annotator != nil {
		for i, s := range sockets {
			details[i].Data = (*annotator).Annotate(s, details[i].Data)
		}
	}
	return details
}

// details describes the sockets that are meant, and says which they are.
func (ns *Namespace) details(t *domain.Target) (details []domain.SocketDetails, sockets []*Socket) {
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	for s := range ns.rooms.Select(t) {
		if !s.Connected() {
			continue
		}
		details = append(details, domain.SocketDetails{
			ID: s.id, Handshake: s.Handshake(), Rooms: ns.rooms.Of(s), Data: s.storedData().encoded,
		})
		sockets = append(sockets, s)
	}
	return details, sockets
}

// ServerSideEmit calls the handlers of an event from another node and replies for them.
func (e edge) ServerSideEmit(ctx context.Context, namespace string, p domain.Packet, reply func(domain.Value)) {
	var o handlers.Outcome
	if ns, ok := e.server.lookup(namespace); ok {
		o = ns.handleServerSide(ctx, p)
	}
	if reply != nil {
		reply(serverAnswer(o.Answer(publicText)))
	}
}

// serverAnswer is the one value that a node answers with: of several the first counts, as in Node.js.
func serverAnswer(answer domain.Value) domain.Value {
	for first := range domain.Elements(answer.JSON()) {
		return answer.Part(first)
	}
	return domain.Value{}
}

func (ns *Namespace) handleServerSide(ctx context.Context, p domain.Packet) handlers.Outcome {
	var o handlers.Outcome
	for _, handle := range ns.reg.serverSide.Of(p.Event()) {
		var r handlers.Reply
		err := handlers.Guarded(func() (err error) { r, err = handle(ctx, p); return err })
		if errors.Is(err, errSpent) {
			continue
		}
		o.Add(r, err)
		if err != nil {
			ns.server.fail(ctx, Failure{Namespace: ns.name, Event: p.Event(), Err: err})
		}
	}
	return o
}

// Handshake is how the socket came to be: the first request of its connection, and the client's auth payload, without
// what a client adds to it that wants its session again. It is made anew by every call. Other nodes that ask for the
// socket (FetchSockets) get all of it, through the log.
func (s *Socket) Handshake() domain.Handshake {
	h := s.conn.engine.Handshake()
	headers := make(map[string][]string, len(h.Header)+1)
	for name, values := range h.Header {
		headers[strings.ToLower(name)] = values
	}
	if h.Host != "" {
		headers["host"] = []string{h.Host} // which net/http keeps apart
	}
	address, _, err := net.SplitHostPort(h.RemoteAddr)
	if err != nil {
		address = h.RemoteAddr
	}
	return domain.Handshake{
		Headers:     headers,
		Query:       maps.Clone(map[string][]string(h.URL.Query())),
		Time:        s.time,
		Address:     address,
		URL:         h.URL.RequestURI(),
		CrossDomain: h.Header.Get("Origin") != "",
		Secure:      h.TLS != nil,
		Auth:        s.auth,
	}
}

// ForgetAuth lets go of the client's auth payload, when middleware has looked at it: from then on neither Handshake nor
// another node that asks for the socket is told what it was. It is for passwords. Outside of middleware it does nothing.
func (s *Socket) ForgetAuth() {
	if s.state.Load() == stateConnecting {
		s.auth = domain.Value{} // nobody else looks at it yet
	}
}
