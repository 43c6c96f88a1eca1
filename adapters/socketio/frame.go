package socketio

import (
	"fmt"

	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// newFrame encodes a packet once, for any number of connections.
func newFrame(p parser.Packet) *engineio.Frame {
	text := make([]byte, 0, len(p.Namespace)+len(p.Payload.JSON())+32)
	return engineio.NewFrame(parser.AppendText(text, p), p.Payload.Attachments()...)
}

// eventFrame is an event; with an id the client is to acknowledge it.
func eventFrame(namespace string, p domain.Packet, id *uint64) *engineio.Frame {
	packet := parser.Packet{Type: parser.Event, Namespace: namespace, Payload: p.Value()}
	if id != nil {
		packet.ID, packet.HasID = *id, true
	}
	return newFrame(packet)
}

// ackFrame acknowledges a client's event; the zero Value acknowledges it without an argument.
func ackFrame(namespace string, id uint64, v domain.Value) (*engineio.Frame, error) {
	var args []any
	if !v.IsZero() {
		args = []any{v}
	}
	array, err := payload.MarshalArgs(args...)
	if err != nil {
		return nil, err
	}
	if n := len(array.Attachments()); n > domain.MaxAttachments {
		return nil, fmt.Errorf("the ack has %d attachments, but clients take at most %d", n, domain.MaxAttachments)
	}
	return newFrame(parser.Packet{Type: parser.Ack, Namespace: namespace, ID: id, HasID: true, Payload: array}), nil
}

// connectFrame tells a client that it is connected, and under which id.
func connectFrame(namespace string, id domain.SocketID) *engineio.Frame {
	sid, _ := payload.Marshal(struct {
		SID domain.SocketID `json:"sid"`
	}{id}) // a string can always be marshalled
	return newFrame(parser.Packet{Type: parser.Connect, Namespace: namespace, Payload: sid})
}

// connectErrorFrame tells a client that it is refused.
func connectErrorFrame(namespace string, err error) *engineio.Frame {
	return newFrame(parser.Packet{Type: parser.ConnectError, Namespace: namespace, Payload: refusal(err)})
}

// disconnectFrame tells a client that it was put out of the namespace.
func disconnectFrame(namespace string) *engineio.Frame {
	return newFrame(parser.Packet{Type: parser.Disconnect, Namespace: namespace})
}
