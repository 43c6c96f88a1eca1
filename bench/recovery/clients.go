package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// client is a client as the official one is on the wire, over WebSocket.
type client struct {
	conn      net.Conn
	frames    *bufio.Reader
	sid, pid  string
	offset    string
	recovered bool
}

// connect connects to the default namespace, with the session if there is one.
func (c *client) connect(ctx context.Context, address string) error {
	conn, r, _, err := ws.Dial(ctx, "ws://"+address+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return err
	}
	if r == nil {
		r = bufio.NewReaderSize(conn, 1024)
	}
	c.conn, c.frames = conn, r
	hello := "40"
	if c.pid != "" {
		auth, err := json.Marshal(map[string]string{"pid": c.pid, "offset": c.offset})
		if err != nil {
			return err
		}
		hello += string(auth)
	}
	if err := wsutil.WriteClientText(conn, []byte(hello)); err != nil {
		return err
	}
	answer, err := c.wait("40")
	if err != nil {
		return err
	}
	var session struct {
		SID string `json:"sid"`
		PID string `json:"pid"`
	}
	if err := json.Unmarshal([]byte(answer), &session); err != nil {
		return fmt.Errorf("the answer to CONNECT is %s: %w", answer, err)
	}
	if session.PID == "" {
		return errors.New("the server keeps no sessions")
	}
	c.recovered = c.pid == session.PID && c.sid == session.SID
	c.sid, c.pid = session.SID, session.PID
	return nil
}

// event waits for an event and remembers its offset.
func (c *client) event() error {
	text, err := c.wait("42")
	if err != nil {
		return err
	}
	var args []string
	if err := json.Unmarshal([]byte(text), &args); err != nil || len(args) != 2 {
		return fmt.Errorf("an event is %s: %w", text, err)
	}
	c.offset = args[1]
	return nil
}

// wait returns the next packet of a kind, without that.
func (c *client) wait(kind string) (string, error) {
	for {
		h, err := ws.ReadHeader(c.frames)
		if err != nil {
			return "", err
		}
		payload := make([]byte, h.Length)
		for read := 0; read < len(payload); {
			n, err := c.frames.Read(payload[read:])
			if err != nil {
				return "", err
			}
			read += n
		}
		if text, ok := strings.CutPrefix(string(payload), kind); ok && h.OpCode == ws.OpText {
			return text, nil
		}
		if h.OpCode == ws.OpClose {
			return "", fmt.Errorf("the server closed the connection: %q", payload)
		}
	}
}

// cut ends the connection without a word.
func (c *client) cut() {
	if c.conn != nil {
		_ = c.conn.Close() // it may have ended
		c.conn = nil
	}
}

// each does something with all clients, 50 at a time.
func each(clients []*client, do func(*client) error) error {
	errs := make([]error, len(clients))
	var running sync.WaitGroup
	slots := make(chan struct{}, 50)
	for i, c := range clients {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(c)
		})
	}
	running.Wait()
	return first(errs)
}

func first(errs []error) error {
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("client %d: %w", i, err)
		}
	}
	return nil
}

// comeBack has clients come back, evenly over a time. It returns how long each took, sorted, and how long all did.
func comeBack(ctx context.Context, clients []*client, address string, within time.Duration) ([]time.Duration, time.Duration, error) {
	errs := make([]error, len(clients))
	times := make([]time.Duration, len(clients))
	var running sync.WaitGroup
	began := time.Now()
	for i, c := range clients {
		time.Sleep(time.Until(began.Add(within * time.Duration(i) / time.Duration(len(clients)))))
		running.Go(func() {
			from := time.Now()
			errs[i] = c.connect(ctx, address)
			times[i] = time.Since(from)
		})
	}
	running.Wait()
	took := time.Since(began)
	slices.Sort(times)
	return times, took, first(errs)
}
