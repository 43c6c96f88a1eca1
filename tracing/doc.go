// Package tracing makes every message one distributed trace with OpenTelemetry: from the emit on one node, through the
// log, to the delivery on all others, and back with the answers.
//
// It decorates the ports, so nothing else in roombus knows of OpenTelemetry:
//
//	tracer, err := tracing.New(tracing.Config{TracerProvider: provider, Node: "chat-1"})
//	node, err := app.NewNode(tracer.Log(log), tracer.Channel(channel), sessions, app.Config{
//		Name:     "chat-1",
//		Observer: tracer.Observer(nil),
//	})
//	server, err := socketio.NewServer(node, socketio.Config{Interceptor: tracer.Interceptor()})
//
// # Spans
//
// Names and attributes follow OpenTelemetry's conventions for messaging, in the version that semconv.go pins.
//
//   - `process event`, `process connect` and `process disconnect`, CONSUMER, are what the application does for a client,
//     under the client's own span where it has sent one.
//   - `request <kind>`, CLIENT, is a request or a broadcast with acks: from the question to the last answer.
//   - `send <kind>`, PRODUCER, is a message on its way to the log or the channel; it ends with the outcome. Its context
//     travels in the message's headers.
//   - `process <kind>`, CONSUMER, is that message on one node, the sender's own included. How it is tied to the send
//     span is for [Config].Relation to say. A message that a Node.js server wrote has no context, and begins a trace
//     there. An answer is seen by all nodes but has such a span only on the node that asked.
//   - What the core reports besides (gaps, resets, bad entries, members, drops) is an event on the span in which it
//     happens, else a short span of its own.
//
// The conventions want a destination of low cardinality in the span's name. Namespaces can be made by clients, so the
// kind of the message stands there, of which there are thirteen; the namespace is an attribute. Rooms, sockets and event
// names are in neither unless [Config].Details asks for them, session ids and payloads never.
//
// What is not recorded is not built: nothing stands under a span that is not recorded, and a message that is not recorded,
// of a trace that nobody knows, goes into the log without a context. Heartbeats and goodbyes are not traced: they belong
// to no message of a user.
package tracing
