package domain

// NodeID names a node of the cluster, the `uid` of the wire: 16 lower-case hexadecimal characters, chosen at random
// when the node is made. A Go node has one for all its namespaces; a Node.js server has one for each.
type NodeID string

// EmitterID is the NodeID of every process that publishes without being a node, as in Socket.IO's emitters. It is
// never a member of the cluster and never answers.
const EmitterID NodeID = "emitter"

// PublisherID names one instance of a publisher: 16 lower-case hexadecimal characters, chosen at random when the
// publisher is made. It says whose [Message.Sequence] is counted; a NodeID would not do, because all emitters share
// one, and because a node that restarts counts from 1 again.
type PublisherID string

// SocketID names a socket in its namespace: 20 characters of the URL-safe base64 alphabet. Every socket is in the
// room of the same name.
type SocketID string

// SessionID is the private id (`pid`) by which a client that lost its connection claims its session: 20 characters
// of the URL-safe base64 alphabet. Who knows it can take the session over, so it belongs in no log and no trace.
type SessionID string

// RequestID ties answers to their request: 16 lower-case hexadecimal characters.
type RequestID string
