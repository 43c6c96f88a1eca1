// Package metrics measures a node with OpenTelemetry: messages and bytes, latencies, how far the node is behind the log,
// what was lost, repeated or dropped, and how many sockets, rooms and nodes there are.
//
// It decorates the ports, as package tracing does, and reads counters that the node and the server keep anyway:
//
//	meters, err := metrics.New(metrics.Config{MeterProvider: provider})
//	node, err := app.NewNode(meters.Log(log), meters.Channel(channel), sessions, app.Config{Observer: meters.Observer(nil)})
//	server, err := socketio.NewServer(node, socketio.Config{})
//	meters.Read(func(n *metrics.Numbers) { … }) // app/di/measure has this for a node and its server
//
// Every metric is this node's own: nothing is asked of other nodes or of the log when they are collected. Counters stand
// at zero from the start, so that a rate has something to begin with. Labels are few words; namespaces, which clients may
// be able to make up, are one only with [Config].Namespaces. docs/metrics.md lists all.
//
// # Clocks
//
// How long a message was under way is its handling's time by this node's clock, less the time at which the log has stored
// it by the log's. Where this node's clock is behind, that would be negative: the largest such lead of the log's clock in
// the last minutes is added to all. A node's clock that is ahead makes everything look as much slower; only a clock that is
// kept (NTP) helps against that.
package metrics
