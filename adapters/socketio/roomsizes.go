package socketio

import "github.com/roombus/roombus/domain"

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
