package app

// Backlog is how much waits in a node: everything is zero when there is nothing to do.
type Backlog struct {
	// Questions are those of this node that wait for answers.
	Questions int
	// Requests are those of other nodes that wait until this one has read as far as who asks.
	Requests int
	// Changes are appends that have not come back from the log, and local changes; those wait for these.
	Changes int
	// Handlers are server-side emits that wait for the application, or are being handled.
	Handlers int
	// Answers are those to other nodes that wait for the log, or are on their way there.
	Answers int
}

// Backlog is how much waits in the node now. A part that only grows tells what the node, its log or its application is
// too slow for.
func (n *Node) Backlog() Backlog {
	var b Backlog
	n.requests.mu.Lock()
	b.Questions = len(n.requests.pending)
	n.requests.mu.Unlock()
	b.Handlers, b.Answers = n.handlers.backlog(), n.outbox.backlog()
	for _, ns := range n.open() {
		ns.mu.Lock()
		b.Requests += len(ns.parked)
		b.Changes += ns.fence.Len()
		ns.mu.Unlock()
	}
	return b
}

func (x *executor) backlog() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.queue) + x.running
}
