package engineio

import "net"

// batch is frames on their way out. Batches are pooled: a connection has one
// only while something waits, and a send allocates nothing.
type batch struct {
	frames []*Frame
	// bytes is the frames' length on a WebSocket.
	bytes int
	// packets and data are what Traffic counts of them.
	packets, data int
}

// keptFrames is the length above which a batch's slice is not worth keeping.
const keptFrames = 1024

var batches pool[batch]

func (b *batch) add(f *Frame) {
	b.frames = append(b.frames, f)
	b.bytes += f.Len()
	b.packets += f.packets
	b.data += f.data
}

// free gives the batch back. Its frames are forgotten.
func (b *batch) free() {
	if cap(b.frames) > keptFrames {
		return
	}
	clear(b.frames)
	*b = batch{frames: b.frames[:0]}
	batches.put(b)
}

// writeBatch writes a batch to a WebSocket in few writes. Frames that are small
// on average are copied together, which costs the kernel less than a vector of
// them, and makes few TLS records; BenchmarkWrite has the figures. Larger ones
// go out as a vector.
func writeBatch(conn net.Conn, b *batch, form wireForm) error {
	switch {
	case len(b.frames) == 1:
		_, err := conn.Write(form.of(b.frames[0]))
		return err
	case b.bytes < copiedAverage*len(b.frames):
		return writeCopied(conn, b.frames, form)
	default:
		return writeVector(conn, b.frames, form)
	}
}

const (
	// copiedAverage is the average length of frames, in bytes, from which on
	// they are not copied.
	copiedAverage = 512
	// copyBufferSize is the size of the buffers that are copied into. They are
	// pooled, and in use only during a write.
	copyBufferSize = 32 << 10
	// vectorLength bounds a vector: the runtime keeps the kernel's form of it,
	// 16 bytes an element, with the network connection for ever.
	vectorLength = 64
)

var copyBuffers pool[[copyBufferSize]byte]

// writeCopied copies frames together and writes each full buffer.
func writeCopied(conn net.Conn, frames []*Frame, form wireForm) error {
	buffer := copyBuffers.get()
	defer copyBuffers.put(buffer)
	pending := buffer[:0]
	for _, f := range frames {
		for rest := form.of(f); len(rest) > 0; {
			n := copy(buffer[len(pending):], rest)
			pending, rest = buffer[:len(pending)+n], rest[n:]
			if len(pending) < copyBufferSize {
				continue
			}
			if _, err := conn.Write(pending); err != nil {
				return err
			}
			pending = buffer[:0]
		}
	}
	if len(pending) == 0 {
		return nil
	}
	_, err := conn.Write(pending)
	return err
}

// vector is what net.Buffers.WriteTo needs to have on the heap.
type vector struct {
	all  [vectorLength][]byte
	rest net.Buffers
}

var vectors pool[vector]

// writeVector writes frames as they are, vectorLength of them at a time.
func writeVector(conn net.Conn, frames []*Frame, form wireForm) error {
	v := vectors.get()
	defer func() {
		clear(v.all[:])
		v.rest = nil
		vectors.put(v)
	}()
	for len(frames) > 0 {
		n := min(len(frames), vectorLength)
		for i, f := range frames[:n] {
			v.all[i] = form.of(f)
		}
		v.rest, frames = v.all[:n], frames[n:]
		if _, err := v.rest.WriteTo(conn); err != nil {
			return err
		}
	}
	return nil
}
