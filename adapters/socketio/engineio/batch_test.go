package engineio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
)

// batchOf makes a batch of frames with payloads of the given sizes, and the
// bytes that it has to become.
func batchOf(sizes ...int) (*batch, []byte) {
	b := new(batch)
	var want []byte
	for i, size := range sizes {
		f := NewFrame(bytes.Repeat([]byte{'a' + byte(i%26)}, size))
		b.add(f)
		want = append(want, f.wire...)
	}
	return b, want
}

func repeat(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

func TestWriteBatch(t *testing.T) {
	tests := []struct {
		name  string
		sizes []int
	}{
		{"one", []int{5}},
		{"few small", []int{1, 2, 3}},
		{"many small", repeat(2_000, 100)},
		{"small ones that fill the buffer to the byte", repeat(copyBufferSize/128, 128-3)},
		{"small ones and one above the buffer", append(repeat(400, 1), 70_000)},
		{"large", repeat(10, 9_000)},
		{"more than a vector", repeat(vectorLength*2+1, 600)},
		{"empty ones", repeat(3, 0)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, want := batchOf(test.sizes...)
			near, far := net.Pipe()
			written := make(chan error, 1)
			go func() {
				written <- writeBatch(near, b, wireForm{})
				_ = near.Close()
			}()
			got, err := io.ReadAll(far)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes arrived (%v), want the frames' %d in order", len(got), err, len(want))
			}
			if err := <-written; err != nil {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// failingConn fails every write.
type failingConn struct{ net.Conn }

var errNoNetwork = errors.New("no network")

func (failingConn) Write([]byte) (int, error) { return 0, errNoNetwork }

func TestWriteBatchReportsErrors(t *testing.T) {
	for _, sizes := range [][]int{{1}, {1, 2}, {9_000, 9_000}, append(repeat(400, 1), 70_000)} {
		b, _ := batchOf(sizes...)
		if err := writeBatch(failingConn{}, b, wireForm{}); !errors.Is(err, errNoNetwork) {
			t.Errorf("%d frames: error is %v, want %v", len(sizes), err, errNoNetwork)
		}
	}
}

func TestFreedBatchIsEmpty(t *testing.T) {
	b, _ := batchOf(1, 2, 3)
	all := b.frames
	b.free()
	for i, f := range all {
		if f != nil {
			t.Errorf("frame %d is still held", i)
		}
	}
	if b.bytes != 0 || len(b.frames) != 0 {
		t.Errorf("%d bytes and %d frames are left", b.bytes, len(b.frames))
	}
}
