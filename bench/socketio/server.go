package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/admin"
	"github.com/roombus/roombus/adapters/socketio/engineio"
	"github.com/roombus/roombus/app"
)

// room is what each client is joined to.
const room = "lobby"

// event is what is broadcast.
type event struct {
	At   int64  `json:"at"`
	Room string `json:"room"`
	Body string `json:"body"`
}

// serve is the process of this repository's server: it prints its address, then
// answers "memory" by resident kB, "begin" at once, "broadcast n p" when n events
// are handed over, with pauses of p ms, and "cost" by the µs of CPU and of time since begin. The node
// is alone, on the transport in memory, as the one of Node.js is.
func serve(withAdmin bool) error {
	cluster := inmemory.New(inmemory.Config{})
	transport := cluster.Member()
	node, err := app.NewNode(transport.Log(), transport.Channel(), nil, app.Config{})
	if err != nil {
		return err
	}
	io, err := socketio.NewServer(node, socketio.Config{Engine: engineio.Config{PingInterval: 10 * time.Minute}})
	if err != nil {
		return err
	}
	socketio.OnAck(io, "echo", func(_ context.Context, _ *socketio.Socket, text string) (string, error) { return text, nil })
	io.OnConnect(func(ctx context.Context, s *socketio.Socket) error { return s.Join(ctx, room) })
	if withAdmin {
		if _, err := admin.New(io, admin.Config{NoAuth: true}); err != nil {
			return err
		}
	}
	if err := node.Run(context.Background()); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: io, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with the process
	fmt.Println(listener.Addr())
	return answer(io)
}

func answer(io *socketio.Server) error {
	in := bufio.NewScanner(os.Stdin)
	var cpu time.Duration
	var began time.Time
	for in.Scan() {
		var n, pause int
		switch {
		case in.Text() == "memory":
			rss, err := resident()
			if err != nil {
				return err
			}
			fmt.Println(rss)
		case in.Text() == "begin":
			cpu, began = processTime(), time.Now()
			fmt.Println("ok")
		case scans(in.Text(), "broadcast %d %d", &n, &pause):
			if err := broadcast(io, n, time.Duration(pause)*time.Millisecond); err != nil {
				return err
			}
			fmt.Println("ok")
		case in.Text() == "cost":
			fmt.Println((processTime() - cpu).Microseconds(), time.Since(began).Microseconds())
		default:
			return fmt.Errorf("unknown question %q", in.Text())
		}
	}
	return in.Err()
}

func broadcast(io *socketio.Server, n int, pause time.Duration) error {
	body := strings.Repeat("x", bodyLength)
	for range n {
		e := event{At: time.Now().UnixMicro(), Room: room, Body: body}
		if _, err := io.To(room).Emit(context.Background(), "message", e); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return nil
}

// processTime is the CPU time of the process, user and system.
func processTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // only a wrong argument makes it fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the resident memory in kB after garbage is gone.
func resident() (int, error) {
	runtime.GC()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte("VmRSS:")); ok {
			return strconv.Atoi(string(bytes.Fields(value)[0]))
		}
	}
	return 0, errors.New("/proc/self/status has no VmRSS")
}
