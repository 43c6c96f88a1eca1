package engineio

import "time"

// heartbeat is the state of a connection's pings, guarded by Conn.mu. It is one
// timer a connection, which the runtime keeps; no goroutine waits.
type heartbeat struct {
	timer *time.Timer
	// awaiting is true from a ping to its pong.
	awaiting bool
	// extended is true when the timeout was granted a second time.
	extended bool
	// ping is the number of the ping among the connection's queued frames, sent
	// when it was queued, since the process began.
	ping uint64
	sent time.Duration
	// message is the one that the receiver was busy with when the timeout was
	// last suspended, suspended how often that was for this one.
	message   uint64
	suspended int
}

// maxSuspensions is how often a ping timeout may pass while the receiver is busy
// with one message. Then the connection is closed: behind a receiver that does
// not return, a client that is gone would otherwise never be noticed.
const maxSuspensions = 3

// suspend says whether the receiver, which is busy with a message, may have the
// ping timeout once more.
func (h *heartbeat) suspend(message uint64) bool {
	if h.message != message {
		h.message, h.suspended = message, 0
	}
	h.suspended++
	return h.suspended <= maxSuspensions
}

func (h *heartbeat) stop() {
	if h.timer != nil {
		h.timer.Stop()
	}
}

// startHeartbeat begins the pings: the first comes after PingInterval.
func (c *Conn) startHeartbeat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return
	}
	c.heartbeat.timer = time.AfterFunc(c.server.config.PingInterval, c.beat)
}

// began is when the process began, about.
var began = time.Now()

// Arrived returns a time up to which all that was sent has arrived at the
// client: that of the last ping that was answered, which was sent behind it.
// Before the first it is the zero Time. A client answers every PingInterval.
func (c *Conn) Arrived() time.Time {
	sent := c.arrived.Load()
	if sent == 0 {
		return time.Time{}
	}
	return began.Add(time.Duration(sent))
}

// pingPacket is every ping.
var pingPacket = newPacket(packetPing, "")

// beat runs when the timer fires: it sends a ping, or finds that the last one
// was not answered.
func (c *Conn) beat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return
	}
	h := &c.heartbeat
	switch busy := c.busy.Load(); {
	case !h.awaiting:
		h.awaiting, h.extended = true, false
		c.heard.Store(false)
		c.push(pingPacket)
		h.ping, h.sent = c.queued.Load(), time.Since(began)
	case busy != 0 && h.suspend(busy):
		// The pong may stand in the network behind messages that nobody reads
		// while the receiver is at work: that is not the client's fault.
		h.extended = false
	case !h.extended && c.heard.Load():
		// The client is alive, and its pong may be on the way: as engine.io
		// does, once.
		h.extended = true
	default:
		c.shut(ReasonPingTimeout, nil, false)
		return
	}
	h.timer.Reset(c.server.config.PingTimeout)
}

// pong takes the client's answer. One to a ping that has not left the queue is
// no sign of life: it comes from a client that does not read.
func (c *Conn) pong() {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.heartbeat
	if c.closed.Load() || !h.awaiting || c.taken < h.ping {
		return
	}
	h.awaiting = false
	c.arrived.Store(int64(h.sent))
	h.timer.Reset(c.server.config.PingInterval)
}
