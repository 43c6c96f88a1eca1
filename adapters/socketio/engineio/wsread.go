package engineio

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// readBufferSize is what an idle WebSocket keeps for reading. It holds several
// heartbeats or small messages; what is larger is read straight into the
// message's own memory.
const readBufferSize = 512

// firstChunk is how much memory a message gets because its header announces
// it; more comes as its bytes arrive.
const firstChunk = 16 << 10

// frameError is a breach of RFC 6455, with the code for the close frame.
type frameError struct {
	code ws.StatusCode
	text string
}

// Error returns the text with the code.
func (e *frameError) Error() string {
	return fmt.Sprintf("engineio: WebSocket: %s (close code %d)", e.text, e.code)
}

// frameReader reads the frames of a client and joins fragments to messages.
type frameReader struct {
	src io.Reader
	// limit is the largest message, in bytes.
	limit int
	// buf[from:to] was read ahead.
	buf      []byte
	from, to int
	// header is where headers are decoded.
	header [ws.MaxHeaderSize]byte
	// op and partial are the message of which not all fragments have come; op
	// is zero when there is none.
	op      ws.OpCode
	partial []byte
}

// newFrameReader reads src, after the bytes in ahead that were read from it
// already. ahead is copied.
func newFrameReader(src io.Reader, ahead []byte, limit int) *frameReader {
	r := &frameReader{src: src, limit: limit, buf: make([]byte, max(readBufferSize, len(ahead)))}
	r.to = copy(r.buf, ahead)
	return r
}

// Read reads what is buffered, or else from the source: through the buffer if
// little is asked for. It is how the header and small payloads are read.
func (r *frameReader) Read(p []byte) (int, error) {
	if r.from == r.to {
		if len(p) >= len(r.buf) {
			return r.src.Read(p)
		}
		n, err := r.src.Read(r.buf)
		r.from, r.to = 0, n
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
			return 0, nil, &frameError{ws.StatusProtocolError, err.Error()}
		}
		if err != nil {
			return 0, nil, err
		}
		if err := ws.CheckHeader(h, r.state()); err != nil {
			return 0, nil, &frameError{ws.StatusProtocolError, err.Error()}
		}
		if h.OpCode.IsControl() {
			payload, err := r.payload(nil, h)
			return h.OpCode, payload, err
		}
		if h.Length > int64(r.limit-len(r.partial)) {
			return 0, nil, &frameError{ws.StatusMessageTooBig, fmt.Sprintf("a message of more than %d bytes", r.limit)}
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
		r.op, r.partial = 0, nil
		if op == ws.OpText && !utf8.Valid(message) {
			return 0, nil, &frameError{ws.StatusInvalidFramePayloadData, "text that is not UTF-8"}
		}
		return op, message, nil
	}
}

// state is what ws.CheckHeader needs to know.
func (r *frameReader) state() ws.State {
	if r.op != 0 {
		return ws.StateServerSide | ws.StateFragmented
	}
	return ws.StateServerSide
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
		return nil, &frameError{ws.StatusProtocolError, "a close frame of one byte"}
	}
	code, text := ws.ParseCloseFrameData(payload)
	if err := ws.CheckCloseFrameData(code, text); err != nil {
		return nil, &frameError{ws.StatusProtocolError, err.Error()}
	}
	return payload[:2], nil
}
