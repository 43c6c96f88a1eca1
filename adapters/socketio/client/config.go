package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// Config is what a client can be told. The zero Config works.
type Config struct {
	// Path is the server's, as its own setting of that name. Default: "/socket.io/".
	Path string
	// Query is added to the URL of the request, to what the URL itself has.
	Query url.Values
	// Header is sent with the request.
	Header http.Header
	// TLS is the configuration for https and wss. Default: that of crypto/tls.
	TLS *tls.Config
	// Dial makes the network connection, through a proxy for example. Default: net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Auth is sent to every namespace when a socket connects: what encoding/json makes a JSON object of, without binary.
	// Default: nothing.
	Auth any
	// AuthFunc takes the place of Auth where what is sent differs from namespace to namespace, or with time: it is called
	// before each attempt to connect. Its error is that attempt's error. It may be called at the same time for different
	// namespaces.
	AuthFunc func(ctx context.Context, namespace string) (any, error)

	// ConnectTimeout bounds an attempt to connect, up to the server's first packet. Default: 20 s.
	ConnectTimeout time.Duration
	// AckTimeout is how long EmitWithAck waits where its context has no deadline. Default: 5 s.
	AckTimeout time.Duration
	// CloseTimeout bounds the sending of what was emitted before Disconnect or Close, together with the wait for the
	// server's goodbye. Default: 2 s.
	CloseTimeout time.Duration
	// Reconnection says what happens when the server is not reached, or lost.
	Reconnection Reconnection

	// NoBuffer makes emits fail with ErrNotConnected while their socket is not connected, instead of keeping the packets
	// for the connection.
	NoBuffer bool
	// SendQueue is how many packets may wait. While a socket is not connected, an emit beyond that fails with
	// ErrBufferFull; that bound is for each socket. While it is connected, an emit waits until there is room; that bound is
	// for the connection, and as much again may be on its way into the network. Default: 1,024.
	SendQueue int
	// SendQueueBytes is how many bytes those packets may have together. One packet alone always has room. Default: 1 MiB.
	SendQueueBytes int
	// HandlerQueue is how many packets of one namespace may wait for its handlers before the connection is not read any
	// more; an answer behind a full queue waits too, so that a handler which asks the server may get ErrAckTimeout.
	// Default: 1,024.
	HandlerQueue int
	// HandlerQueueBytes is how many bytes of arguments those packets may have together. One packet alone always has room.
	// Default: 1 MiB.
	HandlerQueueBytes int
	// MaxMessage is the largest WebSocket message that is accepted, in bytes; the server's next one ends the connection.
	// Default: 16 MiB.
	MaxMessage int
	// Parser limits what a packet may be.
	Parser parser.Config

	// OnError is told what goes wrong in handlers; see [Failure]. It may be called at the same time from many goroutines.
	// Default: the default logger of log/slog gets it.
	OnError func(ctx context.Context, f Failure)
}

func (c Config) withDefaults() (Config, error) {
	if c.Path == "" {
		c.Path = "/socket.io/"
	}
	if !strings.HasPrefix(c.Path, "/") {
		return c, fmt.Errorf("client.Config: Path is %q; it must begin with a slash", c.Path)
	}
	if !strings.HasSuffix(c.Path, "/") {
		c.Path += "/"
	}
	if c.Auth != nil && c.AuthFunc != nil {
		return c, errors.New("client.Config: both Auth and AuthFunc are set; set one of them")
	}
	for _, d := range []struct {
		name      string
		value     *time.Duration
		byDefault time.Duration
	}{
		{"ConnectTimeout", &c.ConnectTimeout, 20 * time.Second},
		{"AckTimeout", &c.AckTimeout, 5 * time.Second},
		{"CloseTimeout", &c.CloseTimeout, 2 * time.Second},
	} {
		if *d.value < 0 {
			return c, fmt.Errorf("client.Config: %s is %s; it must not be negative", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.byDefault
		}
	}
	for _, n := range []struct {
		name      string
		value     *int
		byDefault int
	}{
		{"SendQueue", &c.SendQueue, 1024},
		{"SendQueueBytes", &c.SendQueueBytes, 1 << 20},
		{"HandlerQueue", &c.HandlerQueue, 1024},
		{"HandlerQueueBytes", &c.HandlerQueueBytes, 1 << 20},
		{"MaxMessage", &c.MaxMessage, 16 << 20},
	} {
		if *n.value < 0 {
			return c, fmt.Errorf("client.Config: %s is %d; it must not be negative", n.name, *n.value)
		}
		if *n.value == 0 {
			*n.value = n.byDefault
		}
	}
	if _, err := parser.NewDecoder(c.Parser); err != nil {
		return c, fmt.Errorf("client.Config: Parser: %w", err)
	}
	var err error
	if c.Reconnection, err = c.Reconnection.withDefaults(); err != nil {
		return c, err
	}
	if c.OnError == nil {
		c.OnError = logFailure
	}
	return c, nil
}

// logFailure is the default of Config.OnError.
func logFailure(ctx context.Context, f Failure) {
	slog.Default().Log(ctx, slog.LevelError, "client: a handler failed",
		"namespace", f.Namespace, "event", f.Event, "error", f.Err)
}

// endpoint is the URL of the WebSocket.
func endpoint(server string, c Config) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", fmt.Errorf("client: the server's URL: %w", err)
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return "", fmt.Errorf("client: the server's URL is %q; it must begin with http://, https://, ws:// or wss://", server)
	}
	switch {
	case u.Host == "":
		return "", fmt.Errorf("client: the server's URL is %q; it has no host", server)
	case u.Path != "" && u.Path != "/":
		return "", fmt.Errorf("client: the server's URL has the path %q; say what it means: a namespace is chosen by Of, the server's path by Config.Path", u.Path)
	case u.User != nil:
		return "", errors.New("client: the server's URL has a user; send credentials by Config.Auth or Config.Header")
	}
	query := u.Query()
	for key, values := range c.Query {
		query[key] = append(query[key], values...)
	}
	query.Set("EIO", "4")
	query.Set("transport", "websocket")
	u.Path, u.RawQuery, u.Fragment = c.Path, query.Encode(), ""
	return u.String(), nil
}

// authPayload is what a CONNECT packet can carry: an object, or nothing.
func authPayload(auth any) (domain.Value, error) {
	if auth == nil {
		return domain.Value{}, nil
	}
	v, err := payload.Marshal(auth)
	switch {
	case err != nil:
		return v, fmt.Errorf("client: auth: %w", err)
	case v.IsZero() || string(v.JSON()) == "null":
		return domain.Value{}, nil
	case v.JSON()[0] != '{':
		return v, fmt.Errorf("client: auth is a %T, which is no JSON object; use a struct or a map", auth)
	case len(v.Attachments()) > 0:
		return v, errors.New("client: auth has binary in it, which Socket.IO cannot send there; encode it as text")
	}
	return v, nil
}
