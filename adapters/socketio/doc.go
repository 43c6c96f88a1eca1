// Package socketio is a Socket.IO server, revision 5 of the protocol (https://github.com/socketio/socket.io-protocol),
// for the official clients, unmodified. It is the edge of a node: what is emitted to a room reaches the sockets of that
// room on all nodes of the cluster.
//
//	io, err := socketio.NewServer(node, socketio.Config{})
//	socketio.On(io, "join", func(ctx context.Context, s *socketio.Socket, room string) error {
//		return s.Join(ctx, room)
//	})
//	socketio.OnAck(io, "message", func(ctx context.Context, s *socketio.Socket, m Message) (Receipt, error) {
//		offset, err := s.To(m.Room).Emit(ctx, "message", m)
//		return Receipt{Offset: offset}, err
//	})
//	err = node.Run(ctx)
//	http.Handle("/socket.io/", io)
//
// Handlers belong to a namespace and are registered once, with the types of their arguments ([On], [OnAck]); a socket
// costs nothing for them. Where the behaviour is not described here it is that of socket.io 4.8 of Node.js.
//
// # Delivery
//
// A broadcast goes through the node and comes back from the log, for this node's sockets as for all others; it is
// framed once a node, whatever the number of its sockets. An emit to one socket is delivered by this node. A socket
// that is told more than its client reads is closed (engineio.ErrOverflow); volatile packets are dropped before that.
//
// # Ordering
//
// The packets of one client are handled one at a time, in the order in which it sent them; those of different clients
// at the same time. Every socket sees the broadcasts of its namespace in the order of the log. What this node does by
// itself (an emit to a socket, Join, Leave, Disconnect) takes its place behind everything that the node has published
// before, so a farewell that was sent to a room before Leave still arrives (case 10 of docs/guarantees.md).
//
// # Resume
//
// A connection that is lost ends its sockets. When the node keeps sessions, a client that comes back to any node of the
// cluster within the node's recovery window has its id, its rooms and its data again and gets every packet that it has
// missed, in order and once, before its connect handlers are called ([Socket.Recovered]); else it comes back as a new
// socket, in no room but its own. Volatile, local and acked packets are not replayed. A client that was put out of the
// namespace, or left it, does not get its session again.
//
// # Concurrency
//
// Everything may be used from many goroutines, also in handlers. A socket costs no goroutine while nothing is to be
// handled. A handler may block: its client's next packets wait, first in a bounded queue, then in the network, and
// nobody else's do (case 7). The context of a handler ends when its socket is gone and what the client had sent is
// handled, [Config.HandlerGrace] later at the latest; it has the values of engineio.Config.ConnContext.
//
// # Close
//
// [Server.Close] lets what was emitted before reach the clients, within a bound, ends all connections with
// [ReasonServerShuttingDown] and returns when every handler has. Close the server before its node.
package socketio
