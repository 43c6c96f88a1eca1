// Package ports is what the core needs from outside, one small interface a file: a [Log] that keeps what must not be
// lost, a [Channel] for requests and answers, [Sessions] for recovery, [Edge] for the sockets of a node, [Observer]
// for what the core wants seen.
//
// Only who writes a transport, an edge or a decorator needs this package. The contracts stand on the methods and are
// tested by the conformance kits in internal/testkit. What only some implementations can do is an interface of its
// own with one method, found by [As], which looks through decorators.
package ports
