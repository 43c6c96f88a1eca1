package socketio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/adapters/socketio/parser"
	"github.com/roombus/roombus/ports"
)

// Config is what a server can be told. The zero Config works, with the settings of socket.io of Node.js.
type Config struct {
	// Path is how the path of a request must end to be answered, whatever the prefix; others get 404. The final
	// slash may be missing in a request. "/" answers all. Default: "/socket.io/", where the official clients look.
	Path string
	// Client has the files of the official client, to be served beside Path as Node.js does, compressed with gzip for who
	// takes that: /socket.io/socket.io.js, socket.io.min.js, socket.io.esm.min.js, socket.io.msgpack.min.js (whose parser
	// the server does not have) and their source maps, those that are there. It is the
	// folder client-dist of the npm package socket.io, as os.DirFS or embed.FS. They are read once, by NewServer. Default:
	// none are served.
	Client fs.FS
	// ConnectTimeout is how long a client may stay connected without having joined a namespace. Default: 45 s.
	ConnectTimeout time.Duration
	// AckTimeout is how long Socket.EmitWithAck waits where neither its context nor Timeout says it. Default: 5 s.
	AckTimeout time.Duration
	// HandlerQueue is how many packets of one socket may wait for its handlers before the client is made to wait, in
	// the network, with all that it sends: an ack behind a full queue waits too, so that a handler which asks its own
	// client may get ErrAckTimeout, and a pong, for which such a client gets PingTimeout three times more (see
	// engineio.Receiver). Default: 1,024.
	HandlerQueue int
	// HandlerQueueBytes is how many bytes of arguments those packets may have together. One packet alone always has
	// room. Default: 1 MiB.
	HandlerQueueBytes int
	// HandlerGrace is how long handlers may go on when their socket is gone: those that run, and those of packets
	// that had arrived before. Then their context ends. Disconnect handlers get as much. Default: 5 s.
	HandlerGrace time.Duration
	// OnError is told what goes wrong in the application and in what clients send; see [Failure]. It may be called
	// at the same time from many goroutines. Default: the default logger of log/slog gets it,
	// as a warning where a client is to blame, else as an error.
	OnError func(ctx context.Context, f Failure)
	// Interceptor, if set, stands around what the application is called for because of a client: its connecting, its
	// events, its end where there are disconnect handlers. tracing has one. Default: nothing stands there, and costs
	// nothing.
	Interceptor ports.Interceptor
	// Recovery is how clients that come back after a lost connection are treated.
	Recovery RecoveryConfig
	// Forward has requests that reach the wrong node passed on to the right one, so that a balancer need not keep clients
	// on their nodes. Default: they are refused, as in Node.js.
	Forward *Forward
	// RateLimit bounds the events that clients send. Default: no bound.
	RateLimit RateLimit
	// RemoveEmptyNamespaces removes a child of a ParentNamespace when its last socket on this node is gone, unless Of has
	// made it; a client that asks for it again finds a new one. The node stays in the namespace. Default: children stay.
	RemoveEmptyNamespaces bool
	// MaxDynamicNamespaces is how many names clients may have children of ParentNamespaces made for, in the life of the
	// server, those that were removed included: the node announces each to the cluster. More are refused, and OnError
	// gets ErrTooManyNamespaces. Default: 10,000.
	MaxDynamicNamespaces int
	// MaxSockets is how many sockets, each in a namespace of its own, one client may have. One that asks for more is
	// closed, with ErrTooManySockets. Default: 100.
	MaxSockets int
	// Parser limits what a packet may be.
	Parser parser.Config
	// Engine has the settings of the connections below: transports, heartbeats, sizes, queues, CORS, cookies.
	Engine engineio.Config
}

const (
	defaultPath           = "/socket.io/"
	defaultConnectTimeout = 45 * time.Second
	defaultAckTimeout     = 5 * time.Second
	defaultHandlerGrace   = 5 * time.Second

	defaultHandlerQueue      = 1_024
	defaultHandlerQueueBytes = 1 << 20

	defaultMaxDynamicNamespaces = 10_000
	defaultMaxSockets           = 100
)

func (c Config) withDefaults() (Config, error) {
	if c.Path == "" {
		c.Path = defaultPath
	}
	if !strings.HasPrefix(c.Path, "/") || !strings.HasSuffix(c.Path, "/") {
		return c, fmt.Errorf("socketio.Config: Path is %q; it must begin and end with a slash", c.Path)
	}
	for _, d := range []struct {
		name      string
		value     *time.Duration
		byDefault time.Duration
	}{
		{"ConnectTimeout", &c.ConnectTimeout, defaultConnectTimeout},
		{"AckTimeout", &c.AckTimeout, defaultAckTimeout},
		{"HandlerGrace", &c.HandlerGrace, defaultHandlerGrace},
	} {
		if *d.value < 0 {
			return c, fmt.Errorf("socketio.Config: %s is %s; it must not be negative", d.name, *d.value)
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
		{"HandlerQueue", &c.HandlerQueue, defaultHandlerQueue},
		{"HandlerQueueBytes", &c.HandlerQueueBytes, defaultHandlerQueueBytes},
		{"MaxSockets", &c.MaxSockets, defaultMaxSockets},
		{"MaxDynamicNamespaces", &c.MaxDynamicNamespaces, defaultMaxDynamicNamespaces},
	} {
		if *n.value < 0 {
			return c, fmt.Errorf("socketio.Config: %s is %d; it must not be negative", n.name, *n.value)
		}
		if *n.value == 0 {
			*n.value = n.byDefault
		}
	}
	if _, err := parser.NewDecoder(c.Parser); err != nil {
		return c, fmt.Errorf("socketio.Config: Parser: %w", err)
	}
	if err := c.RateLimit.check(); err != nil {
		return c, err
	}
	if c.OnError == nil {
		c.OnError = logFailure
	}
	return c, nil
}

// logFailure is the default of Config.OnError.
func logFailure(ctx context.Context, f Failure) {
	attributes := []any{"namespace", f.Namespace, "error", f.Err}
	if f.Socket != nil {
		attributes = append(attributes, "socket", f.Socket.ID())
	}
	if f.Event != "" {
		attributes = append(attributes, "event", f.Event)
	}
	level, what := slog.LevelError, "socketio: a handler failed"
	switch _, shape := errors.AsType[*ArgumentError](f.Err); {
	case errors.Is(f.Err, ErrForwardSignature):
		level, what = slog.LevelWarn, "socketio: a request was refused"
	case errors.Is(f.Err, ErrForwardFailed):
		what = "socketio: a request could not be passed on"
	case shape || errors.Is(f.Err, ErrUnknownEvent) || errors.Is(f.Err, ErrRateLimited):
		level, what = slog.LevelWarn, "socketio: a client sent something that is not handled"
	}
	slog.Default().Log(ctx, level, what, attributes...)
}
