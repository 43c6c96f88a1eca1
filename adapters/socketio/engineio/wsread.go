package engineio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

const (
	// idleBuffer is what an idle WebSocket keeps for reading, in bytes. It holds
	// a small message.
	idleBuffer = 256
	// busyBuffer is the size of the buffers that the rest of larger messages is
	// read through. They are pooled. What is larger than that is read straight
	// into the message's own memory.
	busyBuffer = 4 << 10
)

var busyBuffers pool[[busyBuffer]byte]

// firstChunk is how much memory a message gets because its header announces
// it; more comes as its bytes arrive.
const firstChunk = 16 << 10

// maxEmpty is how many fragments of a message may be empty. They count for no
// limit of its size, so that it could otherwise be read for ever.
const maxEmpty = 100

// frameError is a breach of RFC 6455, or of a limit, with the code for the close
// frame.
type frameError struct {
	code ws.StatusCode
	text string
	// cause is one of the exported errors.
	cause error
}

// protocolError is a frameError for what RFC 6455 calls a protocol error.
func protocolError(text string) *frameError {
	return &frameError{ws.StatusProtocolError, text, ErrWebSocket}
}

// tooBig is the frameError for a message beyond the limit.
func tooBig(limit int) *frameError {
	return &frameError{ws.StatusMessageTooBig, fmt.Sprintf("a message of more than %d bytes", limit), ErrTooLarge}
}

// Unwrap returns the cause.
func (e *frameError) Unwrap() error { return e.cause }

// Error returns the text with the code.
func (e *frameError) Error() string {
	return fmt.Sprintf("engineio: WebSocket: %s (close code %d)", e.text, e.code)
}

// frameReader reads the frames of a client and joins fragments to messages.
type frameReader struct {
	src io.Reader
	// limit is the largest message, in bytes, as it comes and inflated.
	limit int
	// deflate says that messages may be deflated.
	deflate bool
	// buf[from:to] was read ahead. buf is idle or busy, or larger than both for
	// what net/http had read ahead.
	buf      []byte
	from, to int
	// full says that the last read filled the buffer: there is more, probably.
	full bool
	idle [idleBuffer]byte
	busy *[busyBuffer]byte
	// header is where headers are decoded.
	header [ws.MaxHeaderSize]byte
	// op and partial are the message of which not all fragments have come; op
	// is zero when there is none.
	op      ws.OpCode
	partial []byte
	// empty counts fragments without a payload, since a message was whole.
	empty int
	// small says that this message is deflated.
	small bool
}

// newFrameReader reads src, after the bytes in ahead that were read from it
// already. ahead is copied.
func newFrameReader(src io.Reader, ahead []byte, limit int) *frameReader {
	r := &frameReader{src: src, limit: limit}
	r.buf = r.idle[:]
	if len(ahead) > len(r.buf) {
		r.buf = make([]byte, len(ahead))
	}
	r.to = copy(r.buf, ahead)
	return r
}

// wait returns when there is something to read, or with the source's error. The
// buffer is the small one meanwhile.
func (r *frameReader) wait() error {
	if r.more() {
		return nil
	}
	n, err := r.src.Read(r.buf)
	r.from, r.to, r.full = 0, n, n == len(r.buf)
	if n > 0 {
		return nil // an error that came with bytes comes again at the next read
	}
	return err
}

// whole says whether what was read is whole messages and control frames, as far as
// a glance at their lengths tells: then next does not read the source for them.
func (r *frameReader) whole() bool {
	b := r.buf[r.from:r.to]
	for len(b) > 0 && r.op == 0 {
		const fin, masked = 0x80, 0x80
		if len(b) < ws.MinHeaderSize || b[0]&fin == 0 || b[1]&masked == 0 {
			return false
		}
		length, header := int(b[1]&^masked), ws.MinHeaderSize
		switch {
		case length == 127:
			return false
		case length == 126 && len(b) < header+2:
			return false
		case length == 126:
			length, header = int(binary.BigEndian.Uint16(b[2:])), header+2
		}
		const mask = 4
		if len(b) < header+mask+length {
			return false
		}
		b = b[header+mask+length:]
	}
	return r.op == 0
}

// more says whether something was read that next has not looked at. If not, the
// large buffer is given back.
func (r *frameReader) more() bool {
	if r.from < r.to {
		return true
	}
	r.buf = r.idle[:]
	if r.busy != nil {
		busyBuffers.put(r.busy)
		r.busy = nil
	}
	return false
}

// Read reads what is buffered, or else from the source: through the large buffer
// if little is asked for. It is how the header and small payloads are read.
func (r *frameReader) Read(p []byte) (int, error) {
	if r.from == r.to {
		if len(p) >= busyBuffer {
			return r.src.Read(p)
		}
		if r.busy == nil {
			r.busy = busyBuffers.get()
			r.buf = r.busy[:]
		}
		n, err := r.src.Read(r.buf)
		r.from, r.to, r.full = 0, n, n == len(r.buf)
		if n == 0 {
			return 0, err
		}
		// An error that came with bytes comes again at the next read.
	}
	n := copy(p, r.buf[r.from:r.to])
	r.from += n
	return n, nil
}

// next returns the next whole message or control frame. The payload is the
// caller's. Errors are *frameError or those of the source; after one, next must
// not be called again.
func (r *frameReader) next() (ws.OpCode, []byte, error) {
	for {
		h, err := ws.ReadHeaderBuffer(r, r.header[:])
		if errors.Is(err, ws.ErrHeaderLengthMSB) || errors.Is(err, ws.ErrHeaderLengthUnexpected) {
			return 0, nil, protocolError(err.Error())
		}
		if err != nil {
			return 0, nil, err
		}
		if err := r.check(h); err != nil {
			return 0, nil, protocolError(err.Error())
		}
		if h.OpCode.IsControl() {
			payload, err := r.payload(nil, h)
			return h.OpCode, payload, err
		}
		if err := r.bound(h); err != nil {
			return 0, nil, err
		}
		message, err := r.payload(r.partial, h)
		if err != nil {
			return 0, nil, err
		}
		op := h.OpCode
		if op == ws.OpContinuation {
			op = r.op
		}
		if !h.Fin {
			r.op, r.partial = op, message
			continue
		}
		r.op, r.partial, r.empty = 0, nil, 0
		if r.small {
			if message, err = inflate(message, r.limit); err != nil {
				return 0, nil, err
			}
		}
		if op == ws.OpText && !utf8.Valid(message) {
			return 0, nil, &frameError{ws.StatusInvalidFramePayloadData, "text that is not UTF-8", ErrBadUTF8}
		}
		return op, message, nil
	}
}

// bound says which limit the message breaks with another fragment.
func (r *frameReader) bound(h ws.Header) error {
	if h.Length > int64(r.limit-len(r.partial)) {
		return tooBig(r.limit)
	}
	if h.Length > 0 || h.Fin {
		return nil
	}
	r.empty++
	if r.empty > maxEmpty {
		return &frameError{ws.StatusPolicyViolation, fmt.Sprintf("more than %d empty fragments in a message", maxEmpty), ErrFlood}
	}
	return nil
}

// check says what is wrong with a header where it stands, and notes whether a
// message that begins with it is deflated.
func (r *frameReader) check(h ws.Header) error {
	state := ws.StateServerSide
	if r.op != 0 {
		state |= ws.StateFragmented
	}
	if r.deflate {
		var small bool
		var err error
		// Afterwards no reserved bit may be left.
		if h, small, err = wsflate.UnsetBit(h); err != nil {
			return err
		}
		if h.OpCode.IsData() && h.OpCode != ws.OpContinuation {
			r.small = small
		}
	}
	return ws.CheckHeader(h, state)
}

// payload appends the frame's payload to dst, unmasked.
func (r *frameReader) payload(dst []byte, h ws.Header) ([]byte, error) {
	length := int(h.Length)
	start := len(dst)
	if dst == nil {
		dst = make([]byte, 0, min(length, firstChunk))
	}
	for end := start + length; len(dst) < end; {
		if len(dst) == cap(dst) {
			grown := make([]byte, len(dst), min(end, max(2*cap(dst), firstChunk)))
			copy(grown, dst)
			dst = grown
		}
		n, err := io.ReadFull(r, dst[len(dst):min(cap(dst), end)])
		dst = dst[:len(dst)+n]
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	ws.Cipher(dst[start:], h.Mask, 0)
	return dst, nil
}

// closeAnswer returns the payload for the answer to a close frame, or the error
// in the frame (RFC 6455, 5.5.1 and 7.4).
func closeAnswer(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	if len(payload) == 1 {
		return nil, protocolError("a close frame of one byte")
	}
	code, text := ws.ParseCloseFrameData(payload)
	if err := ws.CheckCloseFrameData(code, text); err != nil {
		return nil, protocolError(err.Error())
	}
	return payload[:2], nil
}
