package engineio

import (
	"errors"
	"slices"
	"sync/atomic"
)

// Stats are counts since the server began, except for Open. They are consistent
// each, not with one another.
type Stats struct {
	// Open is the number of connections that are open now, Polling how many of
	// them have not got a WebSocket.
	Open, Polling int
	// OpenedPolling and OpenedWebSocket count connections by the transport that
	// they began with.
	OpenedPolling, OpenedWebSocket uint64
	// Upgraded counts the WebSockets that replaced polling, UpgradesFailed those
	// that were made for it and did not.
	Upgraded, UpgradesFailed uint64
	// Unavailable counts handshakes, and all requests after Close, that were
	// answered 503: after StopAccepting, and beyond MaxConnections.
	Unavailable uint64
	// Refused counts requests that Config.OnRefused was told of.
	Refused map[RefusalCode]uint64
	// Closed counts connections by the reason of their end. What Conn.Close was
	// given beyond the reasons of this package is under "other".
	Closed map[Reason]uint64
	// Causes counts the connections that were closed because the client broke a
	// rule or a limit, by what errors.Is says of the Receiver's error: ErrOverflow
	// is the slow reader, ErrTooLarge the message beyond MaxPayload, ErrFlood the
	// flood of pings; half-open connections are in Closed, under
	// ReasonPingTimeout.
	Causes map[error]uint64
	// VolatileDropped counts what SendVolatile did not send.
	VolatileDropped uint64
	// Traffic is zero until Server.CountTraffic is called.
	Traffic Traffic
}

// Stats returns the counts. Everything that can be counted has its key in the
// maps, which are the caller's.
func (s *Server) Stats() Stats {
	c := &s.counters
	stats := Stats{
		Open:            s.Len(),
		OpenedPolling:   c.openedPolling.Load(),
		OpenedWebSocket: c.openedWebSocket.Load(),
		Upgraded:        c.upgraded.Load(),
		UpgradesFailed:  c.upgradesFailed.Load(),
		Unavailable:     c.unavailable.Load(),
		Refused:         make(map[RefusalCode]uint64, len(c.refused)),
		Closed:          make(map[Reason]uint64, len(countedReasons)),
		Causes:          make(map[error]uint64, len(countedCauses)),
		VolatileDropped: c.dropped.Load(),
		Traffic:         s.traffic.Load().sum(),
	}
	stats.Polling = max(0, stats.Open-int(c.webSockets.Load()))
	for code := range c.refused {
		stats.Refused[RefusalCode(code)] = c.refused[code].Load()
	}
	for i, reason := range countedReasons {
		stats.Closed[reason] = c.closed[i].Load()
	}
	for i, cause := range countedCauses {
		stats.Causes[cause] = c.causes[i].Load()
	}
	return stats
}

// otherReason stands for all reasons that this package does not know.
const otherReason Reason = "other"

var countedReasons = [...]Reason{
	otherReason, ReasonTransportClose, ReasonTransportError, ReasonPingTimeout, ReasonParseError,
	ReasonForcedClose, ReasonForcedServerClose, ReasonServerShuttingDown,
}

var countedCauses = [...]error{
	ErrOverflow, ErrTooLarge, ErrFlood, ErrWebSocket, ErrHeartbeatDirection, ErrPollOverlap, ErrPostOverlap,
	ErrPollLeft, ErrBinaryPost, ErrUnknownPacket, ErrBadBase64, ErrBadUTF8,
}

// counters are the server's, counted where it happens. Nothing is counted that
// happens for every message: the memory that all cores would write to costs more
// than a send.
type counters struct {
	openedPolling, openedWebSocket atomic.Uint64
	upgraded, upgradesFailed       atomic.Uint64
	unavailable, dropped           atomic.Uint64
	// webSockets is how many of the open connections have one.
	webSockets atomic.Int64
	refused    [UnsupportedProtocolVersion + 1]atomic.Uint64
	closed     [len(countedReasons)]atomic.Uint64
	causes     [len(countedCauses)]atomic.Uint64
}

// refuse counts a refusal. AllowRequest may have made up the code.
func (c *counters) refuse(code RefusalCode) {
	if code < 0 || int(code) >= len(c.refused) {
		code = Forbidden
	}
	c.refused[code].Add(1)
}

// close counts the end of a connection.
func (c *counters) close(reason Reason, err error) {
	c.closed[max(0, slices.Index(countedReasons[:], reason))].Add(1)
	if err == nil {
		return
	}
	for i, cause := range countedCauses {
		if errors.Is(err, cause) {
			c.causes[i].Add(1)
			return
		}
	}
}
