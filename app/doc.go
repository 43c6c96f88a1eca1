// Package app is the core that users hold: a [Node] is a member of the cluster, an [Emitter] only publishes.
//
// A node ties the ports together: it appends to the log, reads it in order, hands what is meant for local sockets to
// its edges, answers what other nodes ask, and collects what they answer. It knows no broker and no protocol of
// clients; see docs/architecture.md for both paths.
package app
