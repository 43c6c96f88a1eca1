package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/roombus/roombus/bench/lab"
)

// connect is the clients' process: it answers "connect" when n connections are
// open, and "received k" when k frames have come in.
func connect(addr string, n int) error {
	var received atomic.Int64
	changed := make(chan struct{}, 1)
	return lab.Obey("ready", func(question string) (string, error) {
		var want int64
		switch {
		case question == "connect":
			return "ok", dialAll(addr, n, &received, changed) // they end with the process
		case lab.Matches(question, "received %d", &want):
			for received.Load() < want {
				<-changed
			}
			return "ok", nil
		default:
			return "", fmt.Errorf("unknown question %q", question)
		}
	})
}

// dialAll opens n connections, 50 at a time, and reads what comes.
func dialAll(addr string, n int, received *atomic.Int64, changed chan<- struct{}) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 50)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = dial(addr, received, changed)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func dial(addr string, received *atomic.Int64, changed chan<- struct{}) error {
	url := "ws://" + addr + "/?EIO=4&transport=websocket"
	conn, ahead, _, err := ws.Dial(context.Background(), url)
	if err != nil {
		return err
	}
	if ahead == nil {
		ahead = bufio.NewReaderSize(conn, 4096)
	}
	go count(ahead, received, changed) // ends with the process
	return nil
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
