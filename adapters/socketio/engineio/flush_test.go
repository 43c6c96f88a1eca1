package engineio

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// TestClientsThatReadLate sends to many clients on TCP far more than their
// network connections hold, before any of them reads: all frames must arrive
// whole and in order, also those of which only a part could be written.
func TestClientsThatReadLate(t *testing.T) {
	const clients, frames, largest = 20, 600, 10_000
	h := listening{make(chan *Conn), make(chan string)}
	server, err := NewServer(h, Config{QueueBytes: frames * largest})
	if err != nil {
		t.Fatal(err)
	}
	httpServer := httptest.NewServer(server)
	address := httpServer.Listener.Addr().String()
	sockets, conns := make([]net.Conn, clients), make([]*Conn, clients)
	for i := range clients {
		if sockets[i], err = new(net.Dialer).DialContext(t.Context(), "tcp", address); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sockets[i].Close() })
		shaken := make(chan struct{})
		go func() {
			defer close(shaken)
			conns[i] = <-h.conns
		}()
		shake(t, sockets[i], address)
		<-shaken
	}
	size := func(frame int) int { return 8 + frame*7919%largest }
	for frame := range frames {
		data := make([]byte, size(frame))
		binary.BigEndian.PutUint64(data, uint64(frame))
		f := NewBinaryFrame(data)
		for i, c := range conns {
			if err := c.Send(f); err != nil {
				t.Fatalf("frame %d to client %d: %v", frame, i, err)
			}
		}
	}
	var reading sync.WaitGroup
	for i, socket := range sockets {
		reading.Go(func() {
			r := bufio.NewReader(socket)
			for frame := range frames {
				header, err := ws.ReadHeader(r)
				if err != nil || header.OpCode != ws.OpBinary || header.Length != int64(size(frame)) {
					t.Errorf("client %d, frame %d: %+v, %v; want %d bytes", i, frame, header, err, size(frame))
					return
				}
				data := make([]byte, header.Length)
				if _, err := io.ReadFull(r, data); err != nil || binary.BigEndian.Uint64(data) != uint64(frame) {
					t.Errorf("client %d, frame %d: is frame %d, %v", i, frame, binary.BigEndian.Uint64(data), err)
					return
				}
			}
		})
	}
	reading.Wait()
	for _, socket := range sockets {
		if err := socket.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	httpServer.Close()
}
