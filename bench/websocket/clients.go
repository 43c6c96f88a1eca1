package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"
)

// connect is the clients' process: it answers "connect" when n connections are
// open, and "received k" when k frames have come in.
func connect(addr string, n int) error {
	var received atomic.Int64
	var conns []net.Conn
	in := bufio.NewScanner(os.Stdin)
	changed := make(chan struct{}, 1)
	for in.Scan() {
		var want int64
		switch {
		case in.Text() == "connect":
			var err error
			if conns, err = dialAll(addr, n, &received, changed); err != nil {
				return err
			}
		case scans(in.Text(), "received %d", &want):
			for received.Load() < want {
				<-changed
			}
		default:
			return fmt.Errorf("unknown question %q", in.Text())
		}
		fmt.Println("ok")
	}
	for _, c := range conns {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return in.Err()
}

func scans(line, format string, value *int64) bool {
	_, err := fmt.Sscanf(line, format, value)
	return err == nil
}

// dialAll opens n connections, 50 at a time, and reads what comes.
func dialAll(addr string, n int, received *atomic.Int64, changed chan<- struct{}) ([]net.Conn, error) {
	conns := make([]net.Conn, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 50)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			conns[i], errs[i] = dial(addr, received, changed)
		})
	}
	wg.Wait()
	return conns, first(errs...)
}

func dial(addr string, received *atomic.Int64, changed chan<- struct{}) (net.Conn, error) {
	url := "ws://" + addr + "/?EIO=4&transport=websocket"
	conn, ahead, _, err := ws.Dial(context.Background(), url)
	if err != nil {
		return nil, err
	}
	if ahead == nil {
		ahead = bufio.NewReaderSize(conn, 4096)
	}
	go count(ahead, received, changed) // ends with the process
	return conn, nil
}

// count counts the frames of the size that is delivered; others, such as a
// handshake, are read over.
func count(r *bufio.Reader, received *atomic.Int64, changed chan<- struct{}) {
	for {
		h, err := ws.ReadHeader(r)
		if err != nil {
			return
		}
		if _, err := r.Discard(int(h.Length)); err != nil {
			return
		}
		if h.Length < int64(len(frameText)) || h.Length > int64(len(frameText)+1) {
			continue
		}
		if received.Add(1)%1000 == 0 {
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}
}
