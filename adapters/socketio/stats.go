package socketio

import (
	"errors"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/adapters/socketio/parser"
)

// Stats are counts since the server began, except for Namespaces and Sockets. They are consistent each, not with one
// another.
type Stats struct {
	// Engine counts the connections below, and what they were closed for.
	Engine engineio.Stats
	// Namespaces and Sockets are how many there are on this node now; a client has a socket in each namespace that it
	// is connected to.
	Namespaces, Sockets int
	// Rooms is how many rooms have a socket of this node, all namespaces together; the rooms that sockets have for
	// themselves are not among them.
	Rooms int
	// Connected counts sockets that were connected, Refused those that were told that they are not.
	Connected, Refused uint64
	// Disconnected counts sockets that were connected, by the reason of their end.
	Disconnected map[Reason]uint64
	// RateLimited counts the events that were dropped because of Config.RateLimit.
	RateLimited uint64
	// Causes counts the connections that the server has closed because the client broke a rule or a limit of Socket.IO,
	// by what errors.Is says of Socket.Err; those of Engine.IO are in Engine.Causes.
	Causes map[error]uint64
	// Forward counts what Config.Forward does.
	Forward ForwardStats
}

// Stats returns the counts. Everything that can be counted has its key in the maps, which are the caller's.
func (io *Server) Stats() Stats {
	c := &io.counters
	stats := Stats{
		Engine:       io.engine.Stats(),
		Sockets:      int(c.sockets.Load()),
		Connected:    c.connected.Load(),
		Refused:      c.refused.Load(),
		Disconnected: make(map[Reason]uint64, len(countedReasons)),
		RateLimited:  c.rateLimited.Load(),
		Causes:       make(map[error]uint64, len(countedCauses)),
		Forward:      io.forward.stats(),
	}
	io.mu.RLock()
	namespaces := slices.Collect(maps.Values(io.namespaces))
	io.mu.RUnlock()
	stats.Namespaces = len(namespaces)
	for _, ns := range namespaces {
		ns.mu.RLock()
		stats.Rooms += max(0, ns.rooms.Count()-ns.rooms.Len())
		ns.mu.RUnlock()
	}
	for i, reason := range countedReasons {
		stats.Disconnected[reason] = c.disconnected[i].Load()
	}
	for i, cause := range countedCauses {
		stats.Causes[cause] = c.causes[i].Load()
	}
	return stats
}

var countedReasons = [...]Reason{
	ReasonClientDisconnect, ReasonServerDisconnect, ReasonSuperseded, ReasonServerShuttingDown, ReasonPingTimeout,
	ReasonTransportClose, ReasonTransportError, ReasonParseError, ReasonForcedClose, ReasonForcedServerClose,
}

// countedCauses has what is more special before what is less.
var countedCauses = [...]error{
	ErrConnectTimeout, ErrNotJoined, ErrJoinedTwice, ErrTooManySockets, ErrUnfinished, ErrRateLimited,
	parser.ErrNamespaceLength, parser.ErrEventLength, parser.ErrAttachments, parser.ErrAttachmentBytes, parser.ErrMalformed,
}

// counters are the server's. Nothing is counted that happens for every event.
type counters struct {
	sockets                         atomic.Int64
	connected, refused, rateLimited atomic.Uint64
	disconnected                    [len(countedReasons)]atomic.Uint64
	causes                          [len(countedCauses)]atomic.Uint64
}

func (c *counters) connect() {
	c.sockets.Add(1)
	c.connected.Add(1)
}

func (c *counters) disconnect(reason Reason) {
	c.sockets.Add(-1)
	for i, counted := range countedReasons {
		if counted == reason {
			c.disconnected[i].Add(1)
		}
	}
}

// cause counts a connection that is closed for something that its client did.
func (c *counters) cause(err error) {
	for i, counted := range countedCauses {
		if errors.Is(err, counted) {
			c.causes[i].Add(1)
			return
		}
	}
}
