package faultproxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// chunkSize is how much is read at once.
	chunkSize = 32 << 10
	// queueLength is how many chunks may be under way in a direction.
	queueLength = 256
)

// link is a forwarded connection.
type link struct {
	proxy          *Proxy
	client, server *net.TCPConn
	once           sync.Once
	ended          chan struct{} // closed by cut
}

// chunk is bytes under way.
type chunk struct {
	data []byte
	due  time.Time // when it may go on; zero for at once
}

func newLink(p *Proxy, client, server *net.TCPConn) *link {
	return &link{proxy: p, client: client, server: server, ended: make(chan struct{})}
}

// run forwards both ways and returns when both have ended.
func (l *link) run() {
	var wg sync.WaitGroup
	for _, way := range []struct {
		d        Direction
		from, to *net.TCPConn
	}{
		{Requests, l.client, l.server},
		{Answers, l.server, l.client},
	} {
		queue := make(chan chunk, queueLength)
		wg.Go(func() {
			defer close(queue)
			l.read(way.from, queue)
		})
		wg.Go(func() { l.write(way.d, way.to, queue) })
	}
	wg.Wait()
	// Both have said goodbye, or it was cut already.
	_, _ = l.client.Close(), l.server.Close()
}

// read puts what comes into the queue. A connection that breaks is cut on the other
// side as well; one that ends in order is ended there in order.
func (l *link) read(from *net.TCPConn, queue chan<- chunk) {
	for {
		buffer := make([]byte, chunkSize)
		n, err := from.Read(buffer)
		if n > 0 {
			select {
			case queue <- chunk{buffer[:n], l.proxy.due()}:
			case <-l.ended:
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				l.cut()
			}
			return
		}
	}
}

// write takes chunks out of the queue and forwards them as the proxy has ordered.
func (l *link) write(d Direction, to *net.TCPConn, queue <-chan chunk) {
	for c := range queue {
		if !l.delay(c.due) || !l.wait(d) || !l.forward(d, to, c.data) {
			break
		}
	}
	select {
	case <-l.ended:
		for range queue { // let the reader end
		}
	default:
		// The one side has ended, so the other is told; a side that is gone
		// already cannot be.
		_ = to.CloseWrite()
	}
}

// delay waits until something is due, and returns false if the link ended.
func (l *link) delay(due time.Time) bool {
	if due.IsZero() {
		return true
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ended:
		return false
	}
}

// wait waits while the direction is held, and returns false if the link ended.
func (l *link) wait(d Direction) bool {
	for {
		released, held := l.proxy.hold(d)
		if !held {
			return true
		}
		select {
		case <-released:
		case <-l.ended:
			return false
		}
	}
}

// forward writes what may pass, and returns false if the link ended.
func (l *link) forward(d Direction, to *net.TCPConn, data []byte) bool {
	n, cut := l.proxy.pass(d, len(data))
	_, err := to.Write(data[:n])
	if cut == nil && err == nil {
		return true
	}
	l.cut()
	if cut != nil {
		close(cut)
	}
	return false
}

// cut resets both sides. It may be called more than once.
func (l *link) cut() {
	l.once.Do(func() {
		close(l.ended)
		reset(l.client)
		reset(l.server)
	})
}

// reset ends a connection with a reset instead of a farewell.
func reset(conn *net.TCPConn) {
	// Both fail only for a connection that has ended, which is what is wanted.
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
