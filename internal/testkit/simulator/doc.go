// Package simulator lets clusters of real nodes live through what a seed thinks of, and holds what has happened against
// a model of what was promised.
//
// # What happens
//
// A plan is made of the seed: one to four nodes ([app.Node]) on the transport in memory, clients with and without
// sessions, one or two namespaces, a log that is trimmed early or never, a fast or a slow network, and a hundred actions.
// Clients connect, join and leave rooms, lose their connections with and without their node's notice, and come back on any
// node. Nodes and an emitter broadcast, plainly, volatile, locally and with acks, perform room operations, fetch sockets,
// and emit to each other. Meanwhile appends are delayed, refused, repeated, or end without an answer; answers on the
// channel are lost; nodes are cut off, held, frozen as by SIGSTOP, killed, closed, drained and started; the log is trimmed and
// emptied. Then everything heals, is left alone, and must be as if nothing had happened. All this takes place in a
// testing/synctest bubble: half a minute of it takes milliseconds.
//
// Nodes have an edge of their own, which knows sockets and rooms and no protocol. What a node's reader was handed, what it
// appended, what came to its edge, and what its observer was told is all remembered; so is the log.
//
// # What must hold
//
//   - A publish that succeeded is in the log at its position, once; one that was not published is not; of the others it
//     is at most once there. No call takes longer than its time. What nothing hinders succeeds.
//   - A reader is handed every entry, in order, and is told exactly what it has lost; what it is told, it makes seen.
//   - What was handed to a reader reaches the edge once, in order, and each socket that is in the rooms at the message's
//     place gets it and no other (case 10 of docs/guarantees.md); a local change is made at the first moment at which all
//     that its node appended before is answered and has come back.
//   - Requests have the answers of all members, or name who is missing; they see what their sender had published before
//     (case 19). Nothing is left of them afterwards.
//   - A member is lost only for a silence that could be heard (case 8), there is none that never was, and in the end all
//     see each other (cases 21 and 22).
//   - Over all its connections a client receives every packet that was for its session, once and in order, and is in the
//     rooms in which it should be (cases 12 to 18). What was said of a session less than 60 ms before its node was killed
//     may be forgotten. Who could have his session does get it; who has ended it does not; all others are told why.
//
// What a seed shows as wrong is told with the story of what has happened, without the actions that have no part in it.
// TestTheModelNotices breaks the system in fifteen ways, by decorators, and the model must notice each.
//
// # How exact a replay is
//
//	go test ./internal/testkit/simulator -run TestCluster -v -cpu 1 -seed 17
//
// The seed decides the plan, and each delay and fault by what it happens to, not by when. The jitter of heartbeats is
// evened out, and what travels arrives at times that differ by nanoseconds. What remains to the scheduler is the order of
// what happens at the very same time: appends that were waiting for the same connection, answers of two nodes to one
// question; and the pauses of a recovery that waits are chance. Of ten seeds about nine go the same way twice to the last
// entry of the log and the last delivery, with one processor (-cpu 1) nineteen of twenty; a failure of the others may
// need a second try (-count 20).
//
// Not simulated: Redis (see internal/faulttest), the Socket.IO edge and how it drains, OrderLocalFirst, nodes without sessions in
// one cluster with nodes that have them, a session store that fails by itself.
package simulator
