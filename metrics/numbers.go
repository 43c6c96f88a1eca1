package metrics

import "time"

// Numbers are what a node and its server count themselves. Maps are by the words that become labels.
type Numbers struct {
	// Of the node.

	// Pending are requests that wait for answers.
	Pending int
	// Queues is what waits, by where.
	Queues map[string]int
	// Nodes are the nodes by namespace.
	Nodes map[string]int
	// Window is for how long a client may be away.
	Window time.Duration
	// Held is how far back the log reaches; nil when that is unknown.
	Held *time.Duration

	// Of the server.

	Connections, Sockets, Rooms, Namespaces int
	// Handshakes are those of each transport that became connections.
	Handshakes map[string]uint64
	// Refused are those that were refused, by why.
	Refused map[string]uint64
	// Upgraded and NotUpgraded are WebSockets made to replace polling.
	Upgraded, NotUpgraded uint64
	// Closed are connections by the reason of their end, BrokenRules those closed for something that the client did.
	Closed, BrokenRules map[string]uint64
	// Connected and NotConnected are sockets.
	Connected, NotConnected uint64
	// Disconnected are sockets by the reason of their end.
	Disconnected map[string]uint64
	// VolatileDropped are packets, RateLimited events of clients.
	VolatileDropped, RateLimited uint64
	// Forwarded are requests that came to the wrong node, by what became of them. Tunnels are
	// WebSockets of other nodes' connections that run through this one.
	Forwarded map[string]uint64
	Tunnels   int
}
