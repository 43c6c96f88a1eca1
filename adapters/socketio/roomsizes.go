package socketio

import (
	"maps"
	"slices"

	"github.com/roombus/roombus/domain"
)

// RoomSizes counts the sockets of this node in each room of a namespace that it has, without the room that each socket
// has for itself. A namespace that it does not have has no rooms. What it costs grows with the number of rooms and
// sockets; deliveries go on meanwhile, changes of rooms wait.
func (io *Server) RoomSizes(namespace string) map[string]int {
	sizes := make(map[string]int)
	ns, ok := io.lookup(namespace)
	if !ok {
		return sizes
	}
	ns.mu.RLock()
	defer ns.mu.RUnlock()
	for name := range ns.rooms.Names() {
		if size := ns.rooms.Size(name); size != 1 || !ns.isOwnRoom(name) {
			sizes[name] = size
		}
	}
	return sizes
}

// isOwnRoom reports whether a room is the one of the socket in it. mu is held.
func (ns *Namespace) isOwnRoom(name string) bool {
	for s := range ns.rooms.Select(&domain.Target{Rooms: []string{name}}) {
		if s.id == domain.SocketID(name) {
			return true
		}
	}
	return false
}

// NamespaceNames are the namespaces that this node has now, in no order, those that clients have made included.
func (io *Server) NamespaceNames() []string {
	io.mu.RLock()
	defer io.mu.RUnlock()
	return slices.Collect(maps.Keys(io.namespaces))
}

// RoomCount is the number of rooms on this node, in all namespaces, without those that each socket has for itself. It is
// cheap.
func (io *Server) RoomCount() int {
	io.mu.RLock()
	all := slices.Collect(maps.Values(io.namespaces))
	io.mu.RUnlock()
	rooms := 0
	for _, ns := range all {
		ns.mu.RLock()
		rooms += max(ns.rooms.Count()-ns.rooms.Len(), 0)
		ns.mu.RUnlock()
	}
	return rooms
}
