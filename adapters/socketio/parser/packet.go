// Package parser turns Socket.IO packets into the frames that Engine.IO carries, and back: one text, followed by one
// binary frame for each attachment.
//
// It speaks revision 5 of the Socket.IO protocol (https://github.com/socketio/socket.io-protocol) and behaves as the
// npm package socket.io-parser 4.2.7, which the official clients use; where it is stricter, [Decoder] says so. It does
// no I/O, starts no goroutine and keeps no clock.
package parser

import (
	"strconv"

	"github.com/roombus/roombus/domain"
)

// Type is what a packet is for. The numbers are those of the protocol.
type Type uint8

// The seven types. BinaryEvent and BinaryAck are on the wire only: in a [Packet] they are Event and Ack, whose payload
// has attachments.
const (
	Connect      Type = 0
	Disconnect   Type = 1
	Event        Type = 2
	Ack          Type = 3
	ConnectError Type = 4
	BinaryEvent  Type = 5
	BinaryAck    Type = 6
)

var typeNames = [...]string{
	Connect:      "CONNECT",
	Disconnect:   "DISCONNECT",
	Event:        "EVENT",
	Ack:          "ACK",
	ConnectError: "CONNECT_ERROR",
	BinaryEvent:  "BINARY_EVENT",
	BinaryAck:    "BINARY_ACK",
}

// String is the type's name in the protocol's text.
func (t Type) String() string {
	if int(t) >= len(typeNames) {
		return "unknown type " + strconv.Itoa(int(t))
	}
	return typeNames[t]
}

// Packet is a Socket.IO packet.
type Packet struct {
	Type Type
	// Namespace is the namespace with its leading slash and everything after it, a query too. Empty means "/" where a
	// packet is encoded; it is never empty in one that was decoded.
	Namespace string
	// ID is the number under which an event asks for an answer, and that of the answer; only with HasID.
	ID    uint64
	HasID bool
	// Payload is the array of an event or an answer, the object of CONNECT, the object or string of CONNECT_ERROR.
	// The zero Value is no payload.
	Payload domain.Value

	event domain.Packet
}

// Event is the payload of a decoded packet of type [Event], checked by the rules of domain.NewPacket; the zero Packet
// for all others.
func (p Packet) Event() domain.Packet { return p.event }

// AppendText appends the text of a packet. The attachments of its payload follow as binary frames of their own, in
// their order; whether there are any decides between the plain and the binary type of an event or answer.
func AppendText(dst []byte, p Packet) []byte {
	t, attachments := p.Type, len(p.Payload.Attachments())
	switch {
	case t == Event && attachments > 0:
		t = BinaryEvent
	case t == Ack && attachments > 0:
		t = BinaryAck
	}
	dst = append(dst, '0'+byte(t))
	if t == BinaryEvent || t == BinaryAck {
		dst = strconv.AppendInt(dst, int64(attachments), 10)
		dst = append(dst, '-')
	}
	if p.Namespace != "" && p.Namespace != "/" {
		dst = append(dst, p.Namespace...)
		dst = append(dst, ',')
	}
	if p.HasID {
		dst = strconv.AppendUint(dst, p.ID, 10)
	}
	return append(dst, p.Payload.JSON()...)
}
