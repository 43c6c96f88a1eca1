package engineio

import (
	"bytes"
	"encoding/base64"
	"slices"
	"unicode/utf8"
)

// receivePayload handles the packets of a POST body. It stops at the first one
// that closes the connection. The body's bytes become the receiver's.
func (c *Conn) receivePayload(body []byte) {
	if !utf8.Valid(body) {
		c.fail(ReasonParseError, ErrBadUTF8)
		return
	}
	controls := 0
	for more := true; more; {
		var packet []byte
		packet, body, more = bytes.Cut(body, []byte{separator})
		if c.closed.Load() {
			if len(packet) == 1 && packet[0] == packetClose {
				c.clientLeft()
			}
			continue
		}
		if len(packet) > 0 && packet[0] != packetMessage && packet[0] != packetBinary {
			controls++
			if controls > maxControls {
				c.fail(ReasonTransportError, ErrFlood)
				continue
			}
		}
		// What the receiver appends to one message must not run into the next.
		if work := c.receivePacket(slices.Clip(packet), true); work != nil {
			c.server.running.Go(work) // the request is counted as running
		}
	}
}

// clientLeft ends the wait for a client that closes what is closed already: it
// will not come for its last words.
func (c *Conn) clientLeft() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastWords()
}

// receivePacket handles one packet that came as text, from a payload or from a
// WebSocket message. What it returns is deliver's.
func (c *Conn) receivePacket(packet []byte, fromPayload bool) (work func()) {
	c.heard.Store(true)
	kind, data := byte(0), packet
	if len(packet) > 0 {
		kind, data = packet[0], packet[1:]
	}
	switch kind {
	case packetMessage:
		return c.deliver(data, false)
	case packetPong:
		c.pong()
	case packetPing:
		c.fail(ReasonTransportError, ErrHeartbeatDirection)
	case packetClose:
		// A poll that the client sent at the same time still gets its answer.
		c.Close(ReasonTransportClose)
	case packetOpen, packetUpgrade, packetNoop:
		// Without meaning here; engine.io ignores them too.
	case packetBinary:
		if !fromPayload {
			c.fail(ReasonParseError, ErrUnknownPacket)
			return nil
		}
		binary, err := decodeBase64(data)
		if err != nil {
			c.fail(ReasonParseError, err)
			return nil
		}
		return c.deliver(binary, true)
	default:
		c.fail(ReasonParseError, ErrUnknownPacket)
	}
	return nil
}

// decodeBase64 decodes in place, with padding or without.
func decodeBase64(text []byte) ([]byte, error) {
	n, err := base64.RawStdEncoding.Decode(text, bytes.TrimRight(text, "="))
	if err != nil {
		return nil, ErrBadBase64
	}
	return text[:n:n], nil
}
