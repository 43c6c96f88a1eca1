package app

// LeftBehind counts what a node keeps of questions: those that it has asked, those of others that it has not handled,
// and work that it has put off for them.
func LeftBehind(n *Node) int {
	n.requests.mu.Lock()
	left := len(n.requests.pending)
	n.requests.mu.Unlock()
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, ns := range n.namespaces {
		ns.mu.Lock()
		left += len(ns.parked)
		ns.mu.Unlock()
	}
	for _, x := range []*executor{n.handlers, n.outbox} {
		x.mu.Lock()
		left += len(x.queue) + x.running
		x.mu.Unlock()
	}
	return left
}
