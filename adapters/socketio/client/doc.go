// Package client is a Socket.IO client, revision 5 of the protocol (https://github.com/socketio/socket.io-protocol) over
// Engine.IO 4 (https://github.com/socketio/engine.io-protocol), for tests, tools and services. It speaks WebSocket alone,
// and to a server it looks like the official JavaScript client 4.8 with that transport.
//
//	c, err := client.New("https://example.com", client.Config{Auth: map[string]string{"token": token}})
//	s := c.Of("/")
//	client.On(s, "news", func(ctx context.Context, n News) error { … })
//	err = s.Connect(ctx)
//	receipt, err := client.Decode[Receipt](s.EmitWithAck(ctx, "message", m))
//	c.Close()
//
// Handlers are registered with the types of their arguments ([On], [OnAck]), as with the server; register them before
// [Socket.Connect], so that they miss nothing. All namespaces of a [Client] share one connection. Where the behaviour is
// not described here it is that of the JavaScript client.
//
// # Delivery
//
// [Socket.Emit] hands a packet over and does not hear whether it has arrived; [Socket.EmitWithAck] does. While a socket
// is not connected, what is emitted waits in a bounded buffer for the connection; what was handed over before a
// connection broke is lost with it.
//
// # Ordering
//
// What one goroutine emits in a namespace arrives in that order. Handlers of a namespace are called one at a time, in
// the order in which the events came, those for connect and disconnect among them; different namespaces do not wait for
// each other. An answer that EmitWithAck waits for does not stand in line with events.
//
// # Resume
//
// A connection that is lost is made again, after pauses that grow ([Reconnection]), unless the server has put the socket
// out of its namespace or [Socket.Disconnect] was called. A server with connection state recovery is told what the
// client had received; when it takes the session up again, [Socket.Recovered] is true, and the packets that were missed
// are handled before the connect handlers. What is received counts as seen, also while it still waits for its handler.
//
// # Concurrency
//
// Everything may be used from many goroutines. A client has one goroutine, which connects and reads; handlers and writes
// have others while there is something to do. A handler may block: then up to [Config.HandlerQueue] packets of its
// namespace wait, and after that the connection is not read, with all its namespaces, until there is room; a server may
// then find that pings are not answered. An idle client, joined to one namespace without TLS, costs about 9 kB of memory
// (BenchmarkIdleClients has the figure of a machine), so that 10,000 fit into one process.
//
// # Close
//
// [Client.Close] leaves all namespaces, sends what was emitted before, within a bound, and returns when nothing of the
// client runs any more.
package client
