package client

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/roombus/roombus/adapters/socketio/parser"
)

// The types of Engine.IO packets, as they stand first in a packet's text.
const (
	packetOpen    = '0'
	packetClose   = '1'
	packetPing    = '2'
	packetPong    = '3'
	packetMessage = '4'
	packetNoop    = '6'
)

// message is a packet as it goes out: one WebSocket frame for its text and one for each attachment.
type message struct {
	wire []byte
	// largest is the length of the largest frame's payload, which the server limits.
	largest int
}

// encode makes the message of a Socket.IO packet.
func encode(p parser.Packet) message {
	text := append(make([]byte, 0, 1+len(p.Namespace)+len(p.Payload.JSON())+32), packetMessage)
	text = parser.AppendText(text, p)
	m := message{largest: len(text)}
	attachments := p.Payload.Attachments()
	size := ws.MaxHeaderSize + len(text)
	for _, a := range attachments {
		size += ws.MaxHeaderSize + len(a)
		m.largest = max(m.largest, len(a))
	}
	m.wire = appendFrame(make([]byte, 0, size), ws.OpText, text)
	for _, a := range attachments {
		m.wire = appendFrame(m.wire, ws.OpBinary, a)
	}
	return m
}

// appendFrame appends a final frame with a mask, as clients have to send it (RFC 6455, 5.2 and 5.3).
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	const fin, masked = 0x80, 0x80
	dst = append(dst, fin|byte(op))
	switch length := len(payload); {
	case length < 126:
		dst = append(dst, masked|byte(length))
	case length < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, masked|126), uint16(length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, masked|127), uint64(length))
	}
	mask := ws.NewMask()
	dst = append(dst, mask[:]...)
	from := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[from:], mask, 0)
	return dst
}

const (
	// readBufferSize is what an idle connection keeps for reading; what is larger is read into the message's own memory.
	readBufferSize = 512
	// firstChunk is how much memory a message gets because its header announces it; more comes as its bytes arrive.
	firstChunk = 16 << 10
)

var errNotUTF8 = errors.New("a text message that is not UTF-8")

// frameReader reads the messages of a server.
type frameReader struct {
	source *bufio.Reader
	frames wsutil.Reader
	// control is called for each control frame, also for one in the middle of a message.
	control func(op ws.OpCode, payload []byte) error
}

// newFrameReader reads src, after the bytes in ahead that were read from it already.
func newFrameReader(src io.Reader, ahead []byte, limit int, control func(ws.OpCode, []byte) error) *frameReader {
	if len(ahead) > 0 {
		src = io.MultiReader(bytes.NewReader(ahead), src)
	}
	r := &frameReader{source: bufio.NewReaderSize(src, readBufferSize), control: control}
	r.frames = wsutil.Reader{
		Source: r.source, State: ws.StateClientSide, MaxMessageSize: int64(limit),
		OnIntermediate: func(h ws.Header, body io.Reader) error {
			payload, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			return r.control(h.OpCode, payload)
		},
	}
	return r
}

// next returns the next whole message, which is the caller's. Errors are those of the source, of the protocol, and of
// control.
func (r *frameReader) next() (binary bool, data []byte, err error) {
	for {
		// Here an idle client waits. Few functions are under way, so that the runtime can halve the stack: BenchmarkIdleClients.
		if _, err := r.source.Peek(1); err != nil {
			return false, nil, err
		}
		h, err := r.frames.NextFrame()
		if err != nil {
			return false, nil, err
		}
		data, err := r.read(h.Length)
		switch {
		case err != nil:
			return false, nil, err
		case h.OpCode.IsControl():
			if err := r.control(h.OpCode, data); err != nil {
				return false, nil, err
			}
		case h.OpCode == ws.OpText && !utf8.Valid(data):
			return false, nil, errNotUTF8
		default:
			return h.OpCode == ws.OpBinary, data, nil
		}
	}
}

// read reads a message whose first frame has that length.
func (r *frameReader) read(length int64) ([]byte, error) {
	data := make([]byte, 0, min(length, firstChunk))
	for {
		n, err := r.frames.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, err
		case len(data) == cap(data):
			grown := make([]byte, len(data), max(2*cap(data), firstChunk))
			copy(grown, data)
			data = grown
		}
	}
}
