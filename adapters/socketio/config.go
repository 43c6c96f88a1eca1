package socketio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/adapters/socketio/parser"
)

// Config is what a server can be told. The zero Config works, with the settings of socket.io of Node.js.
type Config struct {
	// Path is how the path of a request must end to be answered, whatever the prefix; others get 404. The final
	// slash may be missing in a request. "/" answers all. Default: "/socket.io/", where the official clients look.
	Path string
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
	if c.HandlerQueue < 0 {
		return c, fmt.Errorf("socketio.Config: HandlerQueue is %d; it must not be negative", c.HandlerQueue)
	}
	if c.HandlerQueue == 0 {
		c.HandlerQueue = defaultHandlerQueue
	}
	if c.HandlerQueueBytes < 0 {
		return c, fmt.Errorf("socketio.Config: HandlerQueueBytes is %d; it must not be negative", c.HandlerQueueBytes)
	}
	if c.HandlerQueueBytes == 0 {
		c.HandlerQueueBytes = defaultHandlerQueueBytes
	}
	if _, err := parser.NewDecoder(c.Parser); err != nil {
		return c, fmt.Errorf("socketio.Config: Parser: %w", err)
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
	if _, shape := errors.AsType[*ArgumentError](f.Err); shape || errors.Is(f.Err, ErrUnknownEvent) {
		level, what = slog.LevelWarn, "socketio: a client sent something that nothing here handles"
	}
	slog.Default().Log(ctx, level, what, attributes...)
}
