package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/bench/lab"
)

// window is for how long sessions are kept, by all contenders.
const window = 10 * time.Minute

// serve is the process of this repository's server: it prints its address, then answers "cpu" by the µs that it has used,
// "begin" and "end" by the same (between them it writes a profile, if it is to), "sockets" by how many are connected, and
// "resident" by its memory at its highest in MB.
func serve(ctx context.Context, redisURL, profile string) (err error) {
	transport, err := redisstream.Connect(ctx, redisURL, redisstream.Config{MaxLength: 100_000})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, transport.Close()) }()
	node, err := app.NewNode(transport.Log(), transport.Channel(), transport.Sessions(), app.Config{
		Recovery: app.Recovery{Window: window},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	io, err := socketio.NewServer(node, socketio.Config{Engine: engineio.Config{PingInterval: window}})
	if err != nil {
		return err
	}
	var sockets atomic.Int64
	io.OnConnect(func(context.Context, *socketio.Socket) error {
		sockets.Add(1)
		return nil
	})
	io.OnDisconnect(func(context.Context, *socketio.Socket, socketio.Reason) { sockets.Add(-1) })
	if err := node.Run(ctx); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: io, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with the process
	return lab.Obey(listener.Addr().String(), func(question string) (string, error) { return answer(question, &sockets, profile) })
}

func answer(question string, sockets *atomic.Int64, profile string) (string, error) {
	switch question {
	case "begin", "end", "cpu":
		used := lab.ProcessorTime().Microseconds()
		return strconv.FormatInt(used, 10), record(profile, question)
	case "sockets":
		return strconv.FormatInt(sockets.Load(), 10), nil
	case "resident":
		return resident(), nil
	default:
		return "", fmt.Errorf("unknown question %q", question)
	}
}

// record begins or ends a profile.
func record(path, question string) error {
	switch {
	case path == "":
	case question == "begin":
		file, err := os.Create(path) //nolint:gosec // the path that the user asked for
		if err != nil {
			return err
		}
		return pprof.StartCPUProfile(file) // the file is closed with the process
	case question == "end":
		pprof.StopCPUProfile()
	}
	return nil
}

// resident is the resident memory at its highest, in MB.
func resident() string {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return err.Error()
	}
	return strconv.FormatInt(u.Maxrss/1024, 10)
}
