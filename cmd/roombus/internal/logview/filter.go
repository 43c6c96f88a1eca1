package logview

import (
	"slices"
	"strings"

	"github.com/roombus/roombus/domain"
)

// Filter says which items are shown. Of several values of a field one must fit; all fields must. The zero Filter lets
// everything through but heartbeats, and what nodes say among themselves.
type Filter struct {
	Namespaces []string
	// Rooms are rooms that a message is sent to, or that sockets join or leave. A socket's id is the name of its room.
	Rooms  []string
	Kinds  []domain.Kind
	Nodes  []string // ids, or names
	Events []string
	// Trace is the id of a trace, or its beginning.
	Trace string
	// All lets heartbeats through, and the namespaces of the nodes alone. Who is asked for by kind or namespace is shown
	// without it.
	All bool
}

// Shows reports whether an item is shown. name is the name of the entry's node, if it is known. Notices are always
// shown: what they tell may be what is looked for.
func (f *Filter) Shows(it *Item, name string) bool {
	if it.Entry == nil {
		return true
	}
	m := &it.Entry.Message
	if !f.showsKind(m.Kind()) {
		return false
	}
	if len(f.Namespaces) == 0 && !f.All && domain.IsReservedNamespace(m.Namespace) {
		return false
	}
	if !oneOf(f.Namespaces, m.Namespace) || f.Trace != "" && !strings.HasPrefix(TraceID(m), f.Trace) {
		return false
	}
	if len(f.Nodes) > 0 && !slices.Contains(f.Nodes, string(m.Node)) && (name == "" || !slices.Contains(f.Nodes, name)) {
		return false
	}
	if p := packetOf(m.Body); len(f.Events) > 0 && (p.IsZero() || !slices.Contains(f.Events, p.Event())) {
		return false
	}
	return f.showsRooms(m.Body)
}

func (f *Filter) showsKind(k domain.Kind) bool {
	if len(f.Kinds) > 0 {
		return slices.Contains(f.Kinds, k)
	}
	return f.All || k != domain.KindHeartbeat && k != domain.KindInitialHeartbeat
}

func (f *Filter) showsRooms(b domain.Body) bool {
	if len(f.Rooms) == 0 {
		return true
	}
	target, rooms := targetOf(b)
	return slices.ContainsFunc(f.Rooms, func(room string) bool {
		return slices.Contains(rooms, room) || target != nil && slices.Contains(target.Rooms, room)
	})
}

func oneOf(wanted []string, s string) bool { return len(wanted) == 0 || slices.Contains(wanted, s) }
