package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/internal/handlers"
)

// maxErrorBody is how much of a refusal's body a HandshakeError has.
const maxErrorBody = 1 << 10

// handshake is the payload of Engine.IO's open packet.
type handshake struct {
	SID          string `json:"sid"`
	PingInterval int    `json:"pingInterval"`
	PingTimeout  int    `json:"pingTimeout"`
	MaxPayload   int    `json:"maxPayload"`
}

// dial opens an Engine.IO connection.
func (c *Client) dial(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.ConnectTimeout)
	defer cancel()
	l, err := c.upgrade(ctx)
	if err == nil {
		if err = l.open(ctx); err != nil {
			l.end(false)
		}
	}
	switch {
	case err == nil:
		return l, nil
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return nil, fmt.Errorf("connect to %s: no answer within %s", c.server, c.config.ConnectTimeout)
	default:
		return nil, fmt.Errorf("connect to %s: %w", c.server, err)
	}
}

// upgrade opens the WebSocket.
func (c *Client) upgrade(ctx context.Context) (*link, error) {
	var refusal *HandshakeError
	dialer := ws.Dialer{
		NetDial: c.config.Dial, TLSConfig: c.config.TLS,
		OnStatusError: func(status int, _ []byte, response io.Reader) {
			refusal = &HandshakeError{Status: status, Body: bodyOf(response)}
		},
	}
	if len(c.config.Header) > 0 {
		header := c.config.Header.Clone()
		dialer.Host = header.Get("Host")
		header.Del("Host")
		dialer.Header = ws.HandshakeHeaderHTTP(header)
	}
	conn, early, _, err := dialer.Dial(ctx, c.endpoint)
	if refusal != nil {
		return nil, refusal
	}
	if err != nil {
		return nil, err
	}
	l := &link{
		conn: conn, limit: handlers.Bounds{Jobs: c.config.SendQueue, Bytes: c.config.SendQueueBytes}, closeTimeout: c.config.CloseTimeout,
	}
	var read []byte
	if early != nil {
		read = ahead(early)
		ws.PutReader(early)
	}
	l.reader = newFrameReader(conn, read, c.config.MaxMessage, l.control)
	l.decoder, _ = parser.NewDecoder(c.config.Parser) // New has checked the config
	return l, nil
}

// bodyOf is the beginning of the body of an HTTP response.
func bodyOf(response io.Reader) string {
	parsed, err := http.ReadResponse(bufio.NewReader(response), nil)
	if err != nil {
		return ""
	}
	body, _ := io.ReadAll(io.LimitReader(parsed.Body, maxErrorBody)) // what can be read is good enough
	_ = parsed.Body.Close()
	return strings.TrimSpace(string(body))
}

// milliseconds is a time that a server names, at most a day.
func milliseconds(n int) time.Duration {
	const day = 24 * time.Hour
	return time.Duration(min(n, int(day/time.Millisecond))) * time.Millisecond
}

// open waits for the server's first packet, which says how it means to talk.
func (l *link) open(ctx context.Context) error {
	// The read ends with ctx: its deadline is in the past then.
	stop := context.AfterFunc(ctx, func() { _ = l.conn.SetReadDeadline(time.Unix(1, 0)) })
	binary, data, err := l.reader.next()
	if !stop() {
		return context.Cause(ctx) // the deadline is, or will be, in the past
	}
	if err != nil {
		if _, err = l.failed(err); err == nil {
			err = errors.New("the server has closed the connection")
		}
		return fmt.Errorf("handshake: %w", err)
	}
	var h handshake
	if binary || len(data) == 0 || data[0] != packetOpen || json.Unmarshal(data[1:], &h) != nil || h.SID == "" {
		return errors.New("handshake: the server's first message is no Engine.IO 4 open packet; is it a Socket.IO server?")
	}
	if h.PingInterval <= 0 || h.PingTimeout <= 0 {
		return errors.New("handshake: the server names no ping interval and timeout; Engine.IO 4 has both")
	}
	l.silence = milliseconds(h.PingInterval) + milliseconds(h.PingTimeout)
	l.maxPayload = h.MaxPayload
	return nil
}
