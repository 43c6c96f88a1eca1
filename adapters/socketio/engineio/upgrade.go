package engineio

import (
	"net/http"
	"time"

	"github.com/gobwas/ws"
)

// serveUpgrade answers a WebSocket that asks to replace polling. It may: the
// client probes it, stops polling, and says so; until then, and if that never
// comes, polling goes on.
func (s *Server) serveUpgrade(w http.ResponseWriter, r *http.Request, c *Conn) {
	if refusal := c.beginUpgrade(); refusal != nil {
		s.turnAway(w, r, refusal)
		return
	}
	s.addHeaders(w, r, false)
	socket, err := s.hijack(w, r)
	if err != nil {
		c.endUpgrade()
		s.refused(r, badHandshake(err))
		return
	}
	c.mu.Lock()
	c.probe = socket
	if c.closed.Load() {
		socket.abort()
	}
	c.mu.Unlock()
	s.running.Go(func() {
		if c.negotiate(socket) {
			s.counters.upgraded.Add(1)
			c.startReader()
			c.upgraded()
			return
		}
		s.counters.upgradesFailed.Add(1)
		socket.abort()
		c.endUpgrade()
	})
}

// turnAway makes the WebSocket and closes it at once: what engine.io does to one
// that comes too late, and what clients take for a failed probe rather than for
// a failed connection.
func (s *Server) turnAway(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	s.refused(r, refusal)
	socket, err := s.hijack(w, r)
	if err != nil {
		return // it was told, and is closed
	}
	// Neither error changes anything: the network connection is closed next.
	_ = socket.conn.SetWriteDeadline(time.Now().Add(s.config.CloseTimeout))
	_, _ = socket.conn.Write(newControl(ws.OpClose, ws.NewCloseFrameBody(ws.StatusPolicyViolation, "")).wire)
	socket.abort()
}

// beginUpgrade reserves the connection for one upgrade.
func (c *Conn) beginUpgrade() *Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.server.config.NoUpgrades:
		return refuse(BadRequest, "upgrades are switched off")
	case c.socket != nil:
		return refuse(BadRequest, "the connection uses a WebSocket already")
	case c.upgrading:
		return refuse(BadRequest, "the connection is being upgraded already")
	}
	c.upgrading = true
	return nil
}

// endUpgrade forgets an upgrade that failed. Polling goes on.
func (c *Conn) endUpgrade() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probe, c.upgrading, c.probed = nil, false, false
}

var probePong = newPacket(packetPong, "probe")

// negotiate reads the new WebSocket until the client has decided. It returns
// true when the WebSocket is the connection's transport.
func (c *Conn) negotiate(socket *socket) bool {
	// Errors of deadlines show at the next read or write.
	deadline := time.Now().Add(c.server.config.UpgradeTimeout)
	_ = socket.conn.SetDeadline(deadline)
	for {
		op, payload, err := socket.reader.next()
		if err != nil {
			return false
		}
		switch {
		case op == ws.OpText && string(payload) == "2probe":
			waiting := c.noteProbe()
			if _, err := socket.conn.Write(probePong.wire); err != nil {
				return false
			}
			// The client upgrades as soon as no poll of its own is under way.
			if waiting != nil {
				waiting.wake()
			}
		case op == ws.OpText && len(payload) == 1 && payload[0] == packetUpgrade:
			_ = socket.conn.SetDeadline(time.Time{})
			return c.adopt(socket)
		case op == ws.OpPing:
			if _, err := socket.conn.Write(newControl(ws.OpPong, payload).wire); err != nil {
				return false
			}
		case op == ws.OpPong:
		default:
			return false
		}
	}
}

// noteProbe notes that the client is about to upgrade, and returns the poll that
// waits, if one does.
func (c *Conn) noteProbe() *poll {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probed = true
	return c.poll
}

// adopt makes the WebSocket the connection's transport. What is queued goes out
// there. It does so also while a closed connection still has something to send.
func (c *Conn) adopt(socket *socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() && c.linger == nil {
		return false
	}
	c.probe, c.upgrading, c.probed = nil, false, false
	c.attach(socket)
	if c.poll != nil {
		c.poll.wake()
	}
	return true
}
