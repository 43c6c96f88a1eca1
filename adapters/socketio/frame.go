package socketio

import (
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// newFrame encodes a packet once, for any number of connections.
func newFrame(p parser.Packet) *engineio.Frame {
	var room [256]byte // NewFrame copies the text, so that it need not be on the heap
	text := room[:0]
	if size := len(p.Namespace) + len(p.Payload.JSON()) + 32; size > len(room) {
		text = make([]byte, 0, size)
	}
	return engineio.NewFrame(parser.AppendText(text, p), p.Payload.Attachments()...)
}

// eventFrame is an event; with an id the client is to acknowledge it.
func eventFrame(namespace string, p domain.Packet, id *uint64, compress domain.Compression) *engineio.Frame {
	packet := parser.Packet{Type: parser.Event, Namespace: namespace, Payload: p.Value()}
	if id != nil {
		packet.ID, packet.HasID = *id, true
	}
	frame := newFrame(packet)
	if compress == domain.CompressOff {
		return frame.Plain()
	}
	return frame
}

// ackFrame acknowledges a client's event with the array of an answer.
func ackFrame(namespace string, id uint64, answer domain.Value) *engineio.Frame {
	return newFrame(parser.Packet{Type: parser.Ack, Namespace: namespace, ID: id, HasID: true, Payload: answer})
}

// connectFrame tells a client that it is connected, and under which ids; the private one is empty when it cannot be
// recovered.
func connectFrame(namespace string, id domain.SocketID, private domain.SessionID) *engineio.Frame {
	ids, _ := payload.Marshal(struct {
		SID domain.SocketID  `json:"sid"`
		PID domain.SessionID `json:"pid,omitempty"`
	}{id, private}) // strings can always be marshalled
	return newFrame(parser.Packet{Type: parser.Connect, Namespace: namespace, Payload: ids})
}

// frame is a delivery as the clients of the namespace get it.
func (ns *Namespace) frame(d *domain.Delivery) *engineio.Frame {
	return eventFrame(ns.name, ns.located(d.Packet, d.Offset, d.Cursor), nil, d.Target.Flags.Compress)
}

// located is a packet with its place in the log, which clients remember to recover from, as its last argument. Clients
// take any text at the end for one, so a packet without a place that ends in a text gets the position at which the
// namespace is (case 13 of docs/guarantees.md).
func (ns *Namespace) located(p domain.Packet, offset, cursor domain.Offset) domain.Packet {
	switch {
	case !ns.recovers():
		return p
	case offset != "":
		return payload.AppendOffset(p, offset)
	case payload.EndsInString(p):
		return payload.AppendOffset(p, cursor)
	default:
		return p
	}
}

// connectErrorFrame tells a client that it is refused.
func connectErrorFrame(namespace string, err error) *engineio.Frame {
	return newFrame(parser.Packet{Type: parser.ConnectError, Namespace: namespace, Payload: refusal(err)})
}

// disconnectFrame tells a client that it was put out of the namespace.
func disconnectFrame(namespace string) *engineio.Frame {
	return newFrame(parser.Packet{Type: parser.Disconnect, Namespace: namespace})
}
