package engineio

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/gobwas/ws"
)

// BenchmarkIdle says what an idle WebSocket costs: the heap and the stacks that
// 2,000 of them add to the process, less those of their clients' ends. The
// kernel's buffers are not in it. A handshake has the headers of a browser's.
func BenchmarkIdle(b *testing.B) {
	const n = 2000
	h := listening{make(chan *Conn), make(chan string)}
	server, err := NewServer(h, Config{})
	if err != nil {
		b.Fatal(err)
	}
	httpServer := httptest.NewServer(server)
	address := httpServer.Listener.Addr().String()
	clients := make([]net.Conn, 0, n)
	for b.Loop() {
		heap, stack := memory()
		for range n {
			client, err := net.Dial("tcp", address)
			if err != nil {
				b.Fatal(err)
			}
			clients = append(clients, client)
		}
		for _, client := range clients {
			shake(b, client, address)
			<-h.conns
		}
		memory() // the collector sees what goroutines need, and sizes new ones by that
		for _, client := range clients {
			if _, err := client.Write(clientFrame(ws.OpText, true, "4hello")); err != nil {
				b.Fatal(err)
			}
			<-h.messages
		}
		heapAfter, stackAfter := memory()
		b.ReportMetric(float64(heapAfter-heap)/n, "heap-B/conn")
		b.ReportMetric(float64(stackAfter-stack)/n, "stack-B/conn")
		for _, client := range clients {
			if err := client.Close(); err != nil {
				b.Fatal(err)
			}
		}
		clients = clients[:0]
	}
	if err := server.Close(); err != nil {
		b.Fatal(err)
	}
	httpServer.Close()
}

// BenchmarkEcho is a round trip of a message of 100 bytes, one at a time.
func BenchmarkEcho(b *testing.B) {
	server, err := NewServer(echoing{}, Config{})
	if err != nil {
		b.Fatal(err)
	}
	httpServer := httptest.NewServer(server)
	address := httpServer.Listener.Addr().String()
	client, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	shake(b, client, address)
	question := clientFrame(ws.OpText, true, "4"+string(make([]byte, 100)))
	answer := make([]byte, 2+1+100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(question); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, answer); err != nil {
			b.Fatal(err)
		}
	}
	if err := client.Close(); err != nil {
		b.Fatal(err)
	}
	if err := server.Close(); err != nil {
		b.Fatal(err)
	}
	httpServer.Close()
}

// echoing is a Handler that sends back what comes.
type echoing struct{ conn *Conn }

func (echoing) Open(c *Conn) Receiver              { return echoing{c} }
func (e echoing) Message(data []byte, binary bool) { echo(e.conn, data, binary) }
func (echoing) Close(Reason, error)                {}

// listening is a Handler that tells of connections and messages.
type listening struct {
	conns    chan *Conn
	messages chan string
}

func (l listening) Open(c *Conn) Receiver {
	l.conns <- c
	return l
}

func (l listening) Message(data []byte, _ bool) { l.messages <- string(data) }
func (listening) Close(Reason, error)           {}

// memory is what the process has on its heap and in stacks after a collection.
func memory() (heap, stack uint64) {
	for range 3 { // what finalizers and pools hold goes with the second or third
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.StackInuse
}

// shake makes a WebSocket of a network connection, with the headers that a
// browser sends.
func shake(tb testing.TB, conn net.Conn, address string) {
	tb.Helper()
	_, err := fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %[1]s\r\nConnection: Upgrade\r\n"+
		"Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "+
		"Chrome/140.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: http://%[1]s\r\nSec-WebSocket-Version: 13\r\n"+
		"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"+
		"Cookie: session=0123456789abcdef0123456789abcdef\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n", address)
	if err != nil {
		tb.Fatal(err)
	}
	r := bufio.NewReaderSize(conn, 1024)
	res, err := http.ReadResponse(r, nil) //nolint:bodyclose // status 101 has no body
	if err != nil {
		tb.Fatal(err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		tb.Fatalf("status %d", res.StatusCode)
	}
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header[:2]); err != nil {
		tb.Fatal(err)
	}
	if _, err := r.Discard(int(header[1] & 0x7f)); err != nil {
		tb.Fatal(err)
	}
}
