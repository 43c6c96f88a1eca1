// Package admin serves what the official Admin UI of Socket.IO (https://admin.socket.io, the npm package
// @socket.io/admin-ui 0.5) expects of a server: its servers, sockets, rooms, clients and events, and making sockets join,
// leave and go. It is off until New is called.
//
//	ui, err := admin.New(io, admin.Config{Auth: admin.Auth{Username: "admin", PasswordHash: hash}})
//	defer ui.Close()
//
// The UI connects to a namespace of its own, "/admin". Everything that it is told goes through the cluster, so that one
// UI on one node sees all nodes, and those of Node.js too, with their instrument(). Where the behaviour is not described
// here it is that of instrument().
//
// # What it costs
//
// While no UI is connected to any node, nothing is sent and nothing is watched. While one is, each node says every two
// seconds how it is (server_stats). In [Development] mode each node tells besides of every socket, room and event, which
// is as much as the load itself: for debugging, not for production. What is told waits in a bounded queue; what comes
// faster is dropped and counted, and the server is never slowed down.
//
// A node learns that a UI is somewhere from what the nodes say of themselves: the server_stats of the node with the UI
// count its sockets in the admin namespace. The UI's node says so before it asks for the sockets, and nodes of this
// package have heard it before they answer, so that nothing is missed in between.
//
// # Delivery
//
// server_stats and events are volatile: what cannot be sent is not sent later. Changes of sockets and rooms are not. The
// namespace keeps no sessions (recovery): a UI that comes back asks for everything anew.
//
// # Concurrency
//
// Everything may be used from many goroutines.
//
// # Close
//
// Close ends all goroutines of the package; close it before the server. From then on the namespace refuses clients.
package admin
