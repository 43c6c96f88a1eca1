package engineio

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"sync"

	"github.com/gobwas/ws"
)

// separator stands between the packets of a polling payload.
const separator = 0x1e

// The types of Engine.IO packets, as they stand first in a packet's text.
const (
	packetOpen    = '0'
	packetClose   = '1'
	packetPing    = '2'
	packetPong    = '3'
	packetMessage = '4'
	packetUpgrade = '5'
	packetNoop    = '6'
	// packetBinary marks a message that is base64, in polling payloads only.
	packetBinary = 'b'
)

// Frame is one or more messages that stay together on the wire, such as a
// Socket.IO packet and its binary attachments. It is immutable: it may be sent
// on any number of connections, at any time, by any goroutine. Its WebSocket
// form is made once when it is created, its polling form once when the first
// polling connection needs it.
type Frame struct {
	// wire is the WebSocket form: whole unmasked frames with their headers.
	wire []byte
	// parts are the packets inside wire, for the polling form. Where there is one, it
	// is only.
	parts []part
	only  [1]part
	// packets is how many of them have data, and data how many bytes that is.
	packets, data int

	// plain says that the frame is never compressed.
	plain bool

	once    sync.Once
	payload []byte

	// small is the WebSocket form with deflated messages.
	deflating sync.Once
	small     []byte
}

// part is one packet inside Frame.wire.
type part struct {
	data   []byte
	binary bool
}

// NewFrame makes a frame of a text message and binary messages that follow it.
// All bytes are copied. text must be UTF-8 and must not contain U+001E, which
// separates packets in polling; JSON never does.
func NewFrame(text []byte, attachments ...[]byte) *Frame {
	size := maxServerHeader + 1 + len(text)
	for _, a := range attachments {
		size += maxServerHeader + len(a)
	}
	f := &Frame{wire: make([]byte, 0, size)}
	if f.parts = f.only[:0]; len(attachments) > 0 {
		f.parts = make([]part, 0, 1+len(attachments))
	}
	f.text(packetMessage, text)
	for _, a := range attachments {
		f.binary(a)
	}
	return f
}

// NewBinaryFrame makes a frame of one binary message. The bytes are copied.
func NewBinaryFrame(data []byte) *Frame {
	f := &Frame{wire: make([]byte, 0, maxServerHeader+len(data)), parts: make([]part, 0, 1)}
	f.binary(data)
	return f
}

// Plain returns the same messages as a frame that is never compressed. The two
// share their bytes.
func (f *Frame) Plain() *Frame {
	return &Frame{wire: f.wire, parts: f.parts, packets: f.packets, data: f.data, plain: true}
}

// newPacket makes a frame of one packet that is no message.
func newPacket(kind byte, data string) *Frame {
	f := &Frame{}
	f.text(kind, []byte(data))
	return f
}

// newControl makes a frame that has no polling form: a WebSocket control frame.
func newControl(op ws.OpCode, payload []byte) *Frame {
	return &Frame{wire: append(appendHeader(nil, op, len(payload)), payload...)}
}

// Len is the size of the frame in bytes, as it goes out on a WebSocket without
// compression.
func (f *Frame) Len() int { return len(f.wire) }

func (f *Frame) text(kind byte, data []byte) {
	f.wire = appendHeader(f.wire, ws.OpText, 1+len(data))
	from := len(f.wire)
	f.wire = append(append(f.wire, kind), data...)
	f.parts = append(f.parts, part{data: f.wire[from:]})
	f.count(len(data))
}

func (f *Frame) binary(data []byte) {
	f.wire = appendHeader(f.wire, ws.OpBinary, len(data))
	from := len(f.wire)
	f.wire = append(f.wire, data...)
	f.parts = append(f.parts, part{data: f.wire[from:], binary: true})
	f.count(len(data))
}

// count notes a packet with so much data.
func (f *Frame) count(data int) {
	if data > 0 {
		f.packets++
		f.data += data
	}
}

// polling returns the frame's packets as they stand in a polling payload.
func (f *Frame) polling() []byte {
	f.once.Do(func() {
		for i, p := range f.parts {
			if i > 0 {
				f.payload = append(f.payload, separator)
			}
			if !p.binary {
				f.payload = append(f.payload, p.data...)
				continue
			}
			f.payload = append(f.payload, packetBinary)
			f.payload = base64.StdEncoding.AppendEncode(f.payload, p.data)
		}
	})
	return f.payload
}

// joinPayload joins the polling forms of frames to one payload.
func joinPayload(frames []*Frame) []byte {
	forms := make([][]byte, 0, len(frames))
	for _, f := range frames {
		if form := f.polling(); len(form) > 0 {
			forms = append(forms, form)
		}
	}
	return bytes.Join(forms, []byte{separator})
}

// maxServerHeader is the length of the longest header of a frame from a server,
// which has no mask.
const maxServerHeader = ws.MaxHeaderSize - 4

// appendHeader appends the header of a final, unmasked frame (RFC 6455, 5.2).
func appendHeader(b []byte, op ws.OpCode, length int) []byte {
	const fin = 0x80
	b = append(b, fin|byte(op))
	switch {
	case length < 126:
		return append(b, byte(length))
	case length < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(b, 127), uint64(length))
	}
}
