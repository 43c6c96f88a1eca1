// Package engineio is a server of the Engine.IO protocol, version 4
// (https://github.com/socketio/engine.io-protocol): HTTP long-polling and
// WebSocket connections, the upgrade from the first to the second, heartbeats,
// and limits. It behaves as engine.io 6.6 of Node.js does where clients can
// see it; where it does otherwise on purpose, the comment there says why.
//
// # Delivery
//
// A [Frame] is encoded once and shared by every connection that it is sent
// to. Send puts it into the connection's bounded queue and never waits for the
// network. What is queued goes out in as few writes as possible. A connection
// whose queue is full is closed with [ErrOverflow]; nothing else is dropped,
// except what SendVolatile refuses. Frames that are queued when the
// connection breaks are lost: recovery is the business of the layers above.
//
// # Ordering
//
// Frames arrive in the order in which Send was called, also across an upgrade
// of the transport: none lost, none twice. The messages of one frame stay
// together. Messages from the client reach the Receiver in the order in which
// the client sent them, one at a time.
//
// # Resume
//
// A connection that is gone is gone; its id is never accepted again. Connection
// state recovery belongs to Socket.IO, one layer above.
//
// # Concurrency
//
// Server and Conn may be used by any number of goroutines. A WebSocket
// connection costs one goroutine, which reads. What is queued is written by a
// few goroutines that all connections share, and that are there only while
// there is something to write; where writing has to wait, by one of the
// connection's own. A polling connection costs no goroutine beyond those
// of net/http for its requests. A Receiver may block as long as it wants: that
// holds up its own connection's input and nothing else, and heartbeats don't
// count the time (case 7 of docs/guarantees.md).
//
// # Close
//
// Conn.Close sends what is queued within Config.CloseTimeout and then closes.
// Server.Close closes all connections, refuses new ones, and returns when every
// goroutine of the package has ended.
package engineio
