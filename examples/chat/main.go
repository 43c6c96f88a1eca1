// Command chat is a chat over rooms, as an application would write it: typed handlers, composed with google/wire. Run
// it alone, or several times with --redis: the rooms are the same on all of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/app/di/core"
	"github.com/roombus/roombus/domain"
)

// said is what a client says to a room, heard is what everybody in the room gets, on whatever node.
type said struct {
	Room string `json:"room"`
	Body string `json:"body"`
}

type heard struct {
	said
	From domain.SocketID `json:"from"`
	Node string          `json:"node"`
}

// receipt says where in the log a message is.
type receipt struct {
	Offset domain.Offset `json:"offset"`
}

// chat is the application.
type chat struct {
	*core.Application
}

// newChat registers the handlers.
func newChat(application *core.Application) *chat {
	c := &chat{application}
	socketio.On(c.Server, "join", func(ctx context.Context, s *socketio.Socket, room string) error {
		return s.Join(ctx, room)
	})
	socketio.On(c.Server, "leave", func(ctx context.Context, s *socketio.Socket, room string) error {
		return s.Leave(ctx, room)
	})
	socketio.OnAck(c.Server, "message", c.message)
	return c
}

// message is acknowledged when the log has the message. An error from here is told to the client as "internal error";
// one that it may read is a ClientError.
func (c *chat) message(ctx context.Context, s *socketio.Socket, m said) (receipt, error) {
	if m.Room == "" {
		return receipt{}, &socketio.ClientError{Message: "a message needs a room"}
	}
	offset, err := c.Server.To(m.Room).Emit(ctx, "message", heard{m, s.ID(), c.Node.Name()})
	return receipt{offset}, err
}

// serve joins the cluster and serves clients until ctx ends.
func (c *chat) serve(ctx context.Context, addr string) error {
	if err := c.Node.Run(ctx); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", c.Server)
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	unwatch := context.AfterFunc(ctx, func() {
		// The clients are sent to other nodes, then this one leaves the cluster.
		closing, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		stopped <- errors.Join(c.Server.Drain(closing), server.Shutdown(closing), c.Node.Drain(closing))
	})
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		unwatch()
		return err
	}
	return <-stopped
}

func run(ctx context.Context, addr, redis, name string) (err error) {
	inject := inMemory
	if redis != "" {
		inject = onRedis
	}
	c, _, err := inject(ctx, core.Config{Broker: core.Broker{URL: redis}, Node: app.Config{Name: name}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.serve(ctx, addr)
}

func main() {
	addr := flag.String("addr", ":3000", "the address to listen on")
	redis := flag.String("redis", "", "the URL of a Redis; without it the chat is alone")
	name := flag.String("name", "", "the node's name")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *addr, *redis, *name)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}
