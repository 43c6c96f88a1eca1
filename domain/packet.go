package domain

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
)

// MaxAttachments is how many binaries an event to clients may have: the official clients end the connection, with the
// reason "parse error", on a packet that has more (socket.io-parser 4.2.7).
const MaxAttachments = 10

// Packet is a Socket.IO event: the JSON array `[event, ...args]` that Socket.IO itself sends, checked when it is made
// and never changed. It is a few words long, to be passed by value. The zero Packet is none.
type Packet struct{ value Value }

// NewPacket makes the packet of an event between a server and its clients, out of the array `[event, ...args]`. It
// takes ownership of the bytes. Besides what [NewValue] refuses, it refuses, with a [*PayloadError], an event name
// that is neither a string nor a number, one that Socket.IO reserves for itself, and more than [MaxAttachments]
// attachments.
func NewPacket(args []byte, attachments ...[]byte) (Packet, error) {
	v, err := NewValue(args, attachments...)
	if err != nil {
		return Packet{}, err
	}
	return v.Packet()
}

// NewServerPacket makes the packet of a server-side emit, between the applications of two nodes, out of the array
// `[event, ...args]`. It takes ownership of the bytes. It differs from [NewPacket] in the reserved event names, and in
// that it knows no limit of attachments.
func NewServerPacket(args []byte, attachments ...[]byte) (Packet, error) {
	v, err := NewValue(args, attachments...)
	if err != nil {
		return Packet{}, err
	}
	return v.ServerPacket()
}

// Packet is v as an event between a server and its clients, under the rules of [NewPacket]. The text is not checked
// again.
func (v Value) Packet() (Packet, error) {
	if n := len(v.attachments); n > MaxAttachments {
		return Packet{}, &PayloadError{
			Reason: fmt.Sprintf("%d attachments, but clients take at most %d in one event", n, MaxAttachments),
		}
	}
	return v.packet(isReserved)
}

// ServerPacket is v as a server-side emit, under the rules of [NewServerPacket]. The text is not checked again.
func (v Value) ServerPacket() (Packet, error) { return v.packet(isReservedForServers) }

func (v Value) packet(reserved func(event []byte) bool) (Packet, error) {
	if v.IsZero() || v.json[0] != '[' {
		return Packet{}, &PayloadError{Reason: "expected an array of an event name and arguments"}
	}
	switch c := v.json[skipSpace(v.json, 1)]; {
	case c == '"', c == '-', isDigit(c):
	default:
		return Packet{}, &PayloadError{
			At: skipSpace(v.json, 1), Reason: "expected an event name: a string or a number",
		}
	}
	p := Packet{v}
	if event := p.eventName(); reserved(event) {
		return Packet{}, &PayloadError{
			At:     skipSpace(v.json, 1),
			Reason: fmt.Sprintf("%q is an event name that Socket.IO reserves for itself", event),
		}
	}
	return p, nil
}

// eventName is the text of the first element, a part of the packet's where it can be. Socket.IO's parser takes a
// number as well, and its event emitter calls that by its text.
func (p Packet) eventName() []byte {
	json := p.value.json
	start := skipSpace(json, 1)
	if json[start] == '"' {
		inside := json[start+1 : skipString(json, start)-1]
		if bytes.IndexByte(inside, '\\') < 0 {
			return inside
		}
		return AppendUnquoted(nil, inside)
	}
	// A number that is too large for a float64 comes back as an infinity, which is what JavaScript makes of it.
	f, _ := strconv.ParseFloat(string(json[start:skipValue(json, start)]), 64)
	return AppendNumber(nil, f)
}

// isReserved holds the names that mean something else to Socket.IO's clients and sockets (RESERVED_EVENTS of
// socket.io-parser 4.2.7 and of socket.io 4.8, lib/socket-types).
func isReserved(event []byte) bool {
	switch string(event) {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

// isReservedForServers holds the names that a namespace emits itself (RESERVED_EVENTS of socket.io 4.8,
// lib/namespace).
func isReservedForServers(event []byte) bool {
	switch string(event) {
	case "connect", "connection", "new_namespace":
		return true
	}
	return false
}

// IsZero reports whether p is no packet.
func (p Packet) IsZero() bool { return p.value.IsZero() }

// Event is the event's name, empty of the zero Packet. A number is named by its text in JavaScript. It is read out of the
// packet with each call: most packets only pass through, and nobody asks.
func (p Packet) Event() string {
	if p.IsZero() {
		return ""
	}
	return string(p.eventName())
}

// Value is the whole array, the event's name first.
func (p Packet) Value() Value { return p.value }

// JSON is the text of the whole array. It must not be changed.
func (p Packet) JSON() []byte { return p.value.json }

// Attachments are the binaries, in the order of their numbers. They must not be changed.
func (p Packet) Attachments() [][]byte { return p.value.attachments }

// Size is the length of the text and of all attachments, in bytes.
func (p Packet) Size() int { return p.value.Size() }

// String describes the packet by its event and size. It does not show the arguments, which belong in no log.
func (p Packet) String() string { return fmt.Sprintf("event %q, %s", p.Event(), p.value) }

// Args are the arguments without the event's name, each with its own attachments, renumbered from 0. They share memory
// with p. The zero Packet has none.
func (p Packet) Args() ([]Value, error) {
	if p.IsZero() {
		return nil, nil
	}
	elements, err := p.value.Elements()
	if err != nil {
		return nil, err
	}
	return elements[1:], nil
}

// Append is p with one more argument at the end; the zero Value becomes null. Of a packet to clients the attachments
// of both together must stay within [MaxAttachments], which is for the caller to see to. The zero Packet stays zero.
func (p Packet) Append(arg Value) Packet {
	if p.IsZero() {
		return p
	}
	attachments := p.value.attachments
	json := make([]byte, 0, len(p.value.json)+len(arg.json)+len(`,null`))
	json = append(json, p.value.json[:len(p.value.json)-1]...)
	json = append(json, ',')
	json, attachments = arg.AppendTo(json, attachments)
	json = append(json, ']')
	return Packet{Value{json: slices.Clip(json), attachments: slices.Clip(attachments)}}
}
