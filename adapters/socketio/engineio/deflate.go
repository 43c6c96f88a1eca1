package engineio

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// The compression of WebSocket messages, permessage-deflate (RFC 7692), without
// context takeover in either direction: each message stands for itself, so that
// one deflated form serves all connections, and none keeps a window.

// deflateOffer is what a server agrees to.
func deflateOffer() wsflate.Extension {
	return wsflate.Extension{Parameters: wsflate.Parameters{
		ServerNoContextTakeover: true, ClientNoContextTakeover: true,
		// A client that asks for a smaller window than 32 kB is not compressed
		// for: compress/flate has no other.
	}}
}

// rsv1 is the bit of a frame's header that marks a deflated message.
const rsv1 = 0x40

var (
	// flushed is what a flush ends with, and what a message on the wire goes
	// without (RFC 7692, 7.2.1).
	flushed = []byte{0x00, 0x00, 0xff, 0xff}
	// inflateTail is that and an empty last block, so that a reader sees an end.
	inflateTail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}
)

// wireForm is how frames go out on a WebSocket: with messages from so many bytes
// on deflated, if the client agreed to that.
type wireForm struct {
	deflate bool
	from    int
}

// of returns the frame's bytes. Servers that differ in what is deflated get what
// the first of them that needed the frame wanted.
func (w wireForm) of(f *Frame) []byte {
	if !w.deflate || f.plain || len(f.wire) < w.from || len(f.parts) == 0 {
		return f.wire
	}
	f.deflating.Do(func() {
		for _, p := range f.parts {
			f.small = appendDeflated(f.small, p, w.from)
		}
	})
	return f.small
}

// appendDeflated appends a message with its header, deflated if that pays.
func appendDeflated(wire []byte, p part, from int) []byte {
	op := ws.OpText
	if p.binary {
		op = ws.OpBinary
	}
	if len(p.data) >= from {
		small := bytes.TrimSuffix(flateWriters.compress(p.data, compressor.Flush), flushed)
		if len(small) < len(p.data) {
			start := len(wire)
			wire = appendHeader(wire, op, len(small))
			wire[start] |= rsv1
			return append(wire, small...)
		}
	}
	return append(appendHeader(wire, op, len(p.data)), p.data...)
}

// inflater is a reader of deflated text that can be used again.
type inflater struct{ reader io.Reader }

var inflaters pool[inflater]

// open makes the inflater read a source.
func (i *inflater) open(src io.Reader) error {
	if used, ok := i.reader.(flate.Resetter); ok {
		return used.Reset(src, nil)
	}
	i.reader = flate.NewReader(src)
	return nil
}

// inflate returns a deflated message of at most limit bytes. What is allocated
// grows with what comes out of it.
func inflate(message []byte, limit int) ([]byte, error) {
	i := inflaters.get()
	defer inflaters.put(i)
	err := i.open(io.MultiReader(bytes.NewReader(message), bytes.NewReader(inflateTail)))
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(i.reader, int64(limit)+1))
	}
	switch {
	case err != nil:
		return nil, &frameError{ws.StatusInvalidFramePayloadData, fmt.Sprintf("a message that cannot be inflated: %v", err), ErrWebSocket}
	case len(text) > limit:
		return nil, tooBig(limit)
	}
	return text, nil
}
