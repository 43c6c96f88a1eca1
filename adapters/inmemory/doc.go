// Package inmemory is the transport of one process: the ports over a log, a lane and a session store that live in
// memory and are shared by as many nodes as there are members. It serves programs that run on one machine, tests, and
// simulations of a cluster; nothing survives the process.
//
// A [Cluster] is what the members share, a [Member] is one node's connection to it. Under testing/synctest everything
// follows the bubble's clock; make the cluster inside of the bubble.
//
// # Delivery
//
// An append is stored before it returns, so it ends with an offset or with domain.ErrNotPublished; domain.ErrUnknown
// comes from injected faults alone. Every tail gets every entry once. A stream keeps its newest entries, exactly
// [Config.MaxLength] of them; a tail that trimming has overtaken is told how many entries it lost (domain.Gap), and
// one whose log was emptied is told that (domain.Reset). The channel stores nothing; a listener whose queue is full
// holds up its senders, up to their deadline. Messages are shared between sender and receivers, not copied.
//
// # Ordering
//
// All readers see the entries of a stream in one order. Positions count through the whole cluster, so one position
// is a place in all streams. The channel keeps the order of each sender for each listener.
//
// # Resume
//
// A tail or a replay begins after any position that the cluster has given out; a position from before a
// [Cluster.Reset] is known as such. Offsets are the text `<epoch>:<number>`, both counted from 1.
//
// # Concurrency
//
// Everything may be called from many goroutines. A subscription has one goroutine, which calls its handler; a slow
// handler holds up nobody but itself, until trimming overtakes it. A handler that panics costs the entry
// (domain.BadEntry) or the message.
//
// # Close
//
// Closing a subscription, a member or the cluster returns when none of their handlers will be called again, so no
// handler may call it. Closing again does nothing. What was closed answers with domain.ErrClosed.
package inmemory
