package socketio

import (
	"crypto/sha256"
	"encoding/base64"
	"sync/atomic"

	"github.com/roombus/roombus/domain"
)

// Observer is told of all that happens to the sockets of this node, in all namespaces, as it happens: what a tool needs
// that shows a server at work. What an application does is better served by the functions of [Handlers] and by OnJoin and
// its like.
//
// Its methods are called on the goroutines that do the work, most of them under locks of the server, at the same time
// from many: they must not block, and of a socket they may call ID, ClientID, Namespace, Transport and Handshake, and
// nothing else of the server. They must not panic. What they are given must not be changed, and may be kept.
type Observer interface {
	// Connected: the socket is in its namespace and in these rooms, of each of which Joined has told before.
	Connected(s *Socket, rooms []string)
	// Disconnected: the socket is gone. Left tells of its rooms afterwards.
	Disconnected(s *Socket, reason Reason)
	// Joined and Left tell of rooms, the one of the socket's own id among them.
	Joined(s *Socket, room string)
	Left(s *Socket, room string)
	// Received is called for every event that the client sends and that RateLimit lets pass, before it is handled.
	Received(s *Socket, p domain.Packet)
	// Sent is called for every event that the client is sent, in a broadcast or alone; a volatile one may be dropped. What
	// a client gets again that has come back (recovery) is not told.
	Sent(s *Socket, p domain.Packet)
	// Upgraded: the client's connection goes on over a WebSocket.
	Upgraded(s *Socket)
	// DataChanged: SetData was called for a connected socket.
	DataChanged(s *Socket, data domain.Value)
}

// Observe has an observer told of all that happens from now on, until the function that is returned is called; calls
// under way may still come then. There can be one at a time: the next takes its place. Without one nothing is paid.
func (io *Server) Observe(o Observer) (stop func()) {
	io.observed.observer.Store(&o)
	return func() { io.observed.observer.CompareAndSwap(&o, nil) }
}

// observed is who observes the server.
type observed struct{ observer atomic.Pointer[Observer] }

// by is nil for nobody.
func (o *observed) by() Observer {
	if observer := o.observer.Load(); observer != nil {
		return *observer
	}
	return nil
}

// Annotator adds to what this node tells others of the data of its sockets, in answers to FetchSockets, and takes out
// again what its like has added elsewhere: so tools tell each other of sockets what the protocol of the cluster has no
// room for.
type Annotator interface {
	// Annotate returns what other nodes are told in place of the data, which is the zero Value where there is none. It is
	// called from many goroutines, and must not block.
	Annotate(s *Socket, data domain.Value) domain.Value
	// Strip returns what the application gets for data that FetchSockets has brought.
	Strip(data domain.Value) domain.Value
}

// Annotate sets the annotator; nil for none.
func (io *Server) Annotate(a Annotator) {
	if a == nil {
		io.annotator.Store(nil)
		return
	}
	io.annotator.Store(&a)
}

// ClientID is the same for all sockets of a client, in whatever namespaces, and for no other: 12 characters of URL-safe
// base64. The id of the connection, with which it could be taken over, cannot be learned from it.
func (s *Socket) ClientID() string {
	sum := sha256.Sum256([]byte(s.conn.engine.ID()))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}
