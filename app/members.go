package app

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/roombus/roombus/domain"
)

// NodeCount is the number of nodes in a namespace, this one included. Nodes without a name, which listen on a channel
// that can count them (ports.Census) and send no heartbeats, are counted as often as this node sends its own.
func (n *Node) NodeCount(namespace string) int {
	n.mu.RLock()
	ns, ok := n.namespaces[namespace]
	n.mu.RUnlock()
	if !ok {
		return 1
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.members.Count() + ns.unnamed()
}

// Nodes are the nodes in a namespace that send heartbeats, this one included, in order of their ids. Those without a
// name are only counted, by NodeCount.
func (n *Node) Nodes(namespace string) []domain.Member {
	nodes := []domain.Member{n.self()}
	n.mu.RLock()
	ns, ok := n.namespaces[namespace]
	n.mu.RUnlock()
	if !ok {
		return nodes
	}
	ns.mu.Lock()
	nodes[0].Cursor = ns.fence.Cursor()
	nodes = append(nodes, ns.members.Members()...)
	ns.mu.Unlock()
	slices.SortFunc(nodes, func(a, b domain.Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return nodes
}

// Member is one of Nodes, looked up by its id.
func (n *Node) Member(namespace string, id domain.NodeID) (domain.Member, bool) {
	if id == n.id {
		return n.self(), true
	}
	n.mu.RLock()
	ns, ok := n.namespaces[namespace]
	n.mu.RUnlock()
	if !ok {
		return domain.Member{}, false
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.members.Member(id)
}

// Namespaces are the names of the namespaces that this node knows, in no order.
func (n *Node) Namespaces() []string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Collect(maps.Keys(n.namespaces))
}

// self is this node as others see it.
func (n *Node) self() domain.Member {
	n.mu.RLock()
	started := n.started
	n.mu.RUnlock()
	return domain.Member{
		ID: n.id,
		Info: domain.NodeInfo{
			Name: n.config.Name, Version: n.config.Version, Address: n.config.Address, StartedAt: started,
			Capabilities: n.capabilities(),
		},
		Draining: n.draining.Load(),
		Self:     true,
	}
}

// capabilities are those of the application, and what this node does that not all do.
func (n *Node) capabilities() []string {
	all := slices.Clone(n.config.Capabilities)
	if n.RecoveryWindow() > 0 {
		all = append(all, domain.CapabilityRecovery)
	}
	if n.config.Order == OrderLocalFirst {
		all = append(all, domain.CapabilityLocalFirst)
	}
	return all
}

// meet lets the membership hear a message that was said at the given reading of the log's clock. The caller holds the
// namespace's order.
func (n *Node) meet(ctx context.Context, ns *namespace, m *domain.Message, reading time.Duration) {
	if change, ok := ns.members.Observe(m, reading); ok {
		n.memberChanged(ctx, ns, change)
	}
}

// compare tells, once for each other node, that one of it and this one keeps sessions and the other does not (case 26 of
// docs/guarantees.md). Who has not told of itself is not judged.
func (n *Node) compare(ctx context.Context, ns *namespace, change domain.MemberChange) {
	member := &change.Member
	if change.Event == domain.MemberLeft || change.Event == domain.MemberLost {
		delete(ns.mixed, member.ID)
		return
	}
	here := n.RecoveryWindow() > 0
	there := slices.Contains(member.Info.Capabilities, domain.CapabilityRecovery)
	if _, told := ns.mixed[member.ID]; told || here == there || member.Info.StartedAt.IsZero() {
		return
	}
	if ns.mixed == nil {
		ns.mixed = make(map[domain.NodeID]struct{})
	}
	ns.mixed[member.ID] = struct{}{}
	n.observe(ctx, &domain.RecoveryMixed{Namespace: ns.name, Node: member.ID, Here: here})
}

// memberChanged does what follows from a change, and tells of it. The caller holds the namespace's order.
func (n *Node) memberChanged(ctx context.Context, ns *namespace, change domain.MemberChange) {
	if change.Event == domain.MemberLeft || change.Event == domain.MemberLost {
		n.requests.gone(ns.name, change)
	}
	if change.Event == domain.MemberJoined && n.census != nil { // it may have been counted as one without a name
		n.later(ctx, ns, domain.KindHeartbeat, func() { n.recount(ctx, ns) })
	}
	n.observe(ctx, &domain.MemberChanged{Namespace: ns.name, Change: change})
	n.compare(ctx, ns, change)
	if n.config.OnMember == nil {
		return
	}
	tell := func() {
		n.runHandler(ctx, ns, domain.KindHeartbeat, func(ctx context.Context) { n.config.OnMember(ctx, ns.name, change) })
	}
	if !n.told.submit(tell) && n.ctx.Err() == nil {
		n.observe(ctx, &domain.Dropped{Namespace: ns.name, Kind: domain.KindHeartbeat, Err: errTooBusy})
	}
}
