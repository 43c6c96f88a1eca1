package engineio

import (
	"fmt"
	"io"
	"net"

	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

// tcpPair returns the two ends of a TCP connection, the far one read empty.
func tcpPair(b testing.TB) net.Conn {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(io.Discard, far) })
	b.Cleanup(func() {
		_ = near.Close()
		reading.Wait()
		_ = far.Close()
	})
	return near
}

// BenchmarkWrite compares the two ways to write a batch: copied together and as
// a vector.
func BenchmarkWrite(b *testing.B) {
	ways := []struct {
		name  string
		write func(net.Conn, []*Frame, wireForm) error
	}{{"copied", writeCopied}, {"vector", writeVector}}
	for _, size := range []int{100, 500, 1_000, 10_000} {
		for _, n := range []int{2, 10, 100} {
			frames := make([]*Frame, n)
			for i := range frames {
				frames[i] = NewFrame(make([]byte, size))
			}
			for _, way := range ways {
				b.Run(fmt.Sprintf("%dx%dB/%s", n, size, way.name), func(b *testing.B) {
					conn := tcpPair(b)
					b.ReportAllocs()
					for b.Loop() {
						if err := way.write(conn, frames, wireForm{}); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// silent is a Handler that hears nothing.
type silent struct{ conns chan *Conn }

func (s silent) Open(c *Conn) Receiver {
	s.conns <- c
	return deaf{}
}

type deaf struct{}

func (deaf) Message([]byte, bool) {}
func (deaf) Close(Reason, error)  {}

// BenchmarkSend sends one frame to a thousand WebSockets. Nothing may be
// allocated a recipient.
func BenchmarkSend(b *testing.B) {
	const n = 1000
	h := silent{make(chan *Conn, n)}
	server, err := NewServer(h, Config{})
	if err != nil {
		b.Fatal(err)
	}
	httpServer := httptest.NewServer(server)
	var reading sync.WaitGroup
	for range n {
		conn, _, _, err := ws.Dial(b.Context(), "ws"+httpServer.URL[len("http"):]+"/?EIO=4&transport=websocket")
		if err != nil {
			b.Fatal(err)
		}
		reading.Go(func() {
			defer conn.Close()
			buffer := make([]byte, 4096)
			for {
				if _, err := conn.Read(buffer); err != nil {
					return
				}
			}
		})
	}
	conns := make([]*Conn, n)
	for i := range conns {
		conns[i] = <-h.conns
	}
	frame := NewFrame(make([]byte, 115))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		for _, c := range conns {
			if err := c.Send(frame); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/recipient")
	for _, c := range conns {
		c.fail(ReasonForcedClose, nil)
	}
	if err := server.Close(); err != nil {
		b.Fatal(err)
	}
	httpServer.Close()
	reading.Wait()
}
