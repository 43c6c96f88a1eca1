// Package realredis starts redis-server processes for tests.
//
//	server := realredis.Start(t)
//	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
//
// Each server is alone: on a port of its own on 127.0.0.1, in a directory of its
// own, with an append-only file and no snapshots, so that it keeps its data when
// it is stopped, killed and started again. It ends with the test, and when the
// test process dies in any way. If the test failed, the end of its log is shown.
//
// The methods of a Server end the test when they fail, so call them from the
// test's own goroutine.
package realredis

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/internal/testkit/child"
	"github.com/roombus/roombus/internal/testkit/need"
	"github.com/roombus/roombus/internal/testkit/port"
)

const (
	// startTime is for starting, loading the append-only file included.
	startTime = 20 * time.Second
	// stopTime is for an orderly stop.
	stopTime = 10 * time.Second
	// adminUser is the user of Client. It is there next to the test's own
	// users, whatever those may do.
	adminUser = "testkit"
)

// errPortTaken is the answer of a start whose port another process has.
var errPortTaken = errors.New("the port is taken")

// Server is a redis-server process, or the place of one that is stopped.
type Server struct {
	t        testing.TB
	path     string
	dir      string
	port     int
	lines    []string
	password string
	secret   string // of the admin user
	process  *child.Process

	once   sync.Once
	client *redis.Client
}

// Start starts a server and returns when it answers.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	s := &Server{
		t: t, path: need.RedisServer(t), dir: t.TempDir(),
		lines: o.lines, password: o.password, secret: rand.Text(),
	}
	for range port.Tries {
		s.port = port.Candidate()
		err := s.start()
		if err == nil {
			return s
		}
		if !errors.Is(err, errPortTaken) {
			t.Fatalf("start redis-server: %v", err)
		}
	}
	t.Fatalf("start redis-server: %d ports from %d to %d were all taken", port.Tries, port.First, port.Last)
	return nil
}

// Addr is the host and port, such as 127.0.0.1:20123.
func (s *Server) Addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

// Port is the port. It stays the same over restarts.
func (s *Server) Port() int { return s.port }

// URL is the server's address for the default user, with the password of
// [WithPassword] if there is one, such as redis://127.0.0.1:20123/0.
func (s *Server) URL() string {
	if s.password == "" {
		return "redis://" + s.Addr() + "/0"
	}
	return s.URLFor("", s.password)
}

// URLFor is the server's address for a user of [WithUser].
func (s *Server) URLFor(user, password string) string {
	u := url.URL{Scheme: "redis", User: url.UserPassword(user, password), Host: s.Addr(), Path: "/0"}
	return u.String()
}

// Client is a client with all rights, for what the test itself wants to look at
// or to break. Its commands are not retried. It is closed with the test.
func (s *Server) Client() *redis.Client {
	s.once.Do(func() {
		s.client = s.newClient()
		s.t.Cleanup(func() {
			if err := s.client.Close(); err != nil {
				s.t.Errorf("close the client of the test's redis-server: %v", err)
			}
		})
	})
	return s.client
}

func (s *Server) newClient() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: s.Addr(), Username: adminUser, Password: s.secret,
		MaxRetries: -1, ContextTimeoutEnabled: true, DisableIdentity: true,
	})
}

// Pid is the number of the process that runs, or ran last.
func (s *Server) Pid() int { return s.process.Pid() }

// Log is the end of the server's log since it was last started.
func (s *Server) Log() string { return s.process.Log() }

// Stop ends the server with SIGTERM, which lets it write what it has.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.process.Terminate(stopTime); err != nil {
		s.t.Fatalf("stop redis-server: %v", err)
	}
}

// Kill ends the server with SIGKILL.
func (s *Server) Kill() {
	s.process.Kill()
}

// Pause stops the server with SIGSTOP: its connections stay open and silent, and
// the kernel still accepts new ones.
func (s *Server) Pause() {
	s.t.Helper()
	if err := s.process.Pause(); err != nil {
		s.t.Fatalf("pause redis-server: %v", err)
	}
}

// Resume lets a paused server go on.
func (s *Server) Resume() {
	s.t.Helper()
	if err := s.process.Resume(); err != nil {
		s.t.Fatalf("resume redis-server: %v", err)
	}
}

// Start starts a server that was stopped or killed, on the same port and with
// the data that it kept, and returns when it answers.
func (s *Server) Start() {
	s.t.Helper()
	select {
	case <-s.process.Exited():
	default:
		s.t.Fatalf("start redis-server: process %d still runs; Stop or Kill it first", s.Pid())
	}
	if err := s.start(); err != nil {
		s.t.Fatalf("start redis-server again: %v", err)
	}
}

// Restart is Stop and Start.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// start runs the process and waits until it answers.
func (s *Server) start() error {
	file := filepath.Join(s.dir, "redis.conf")
	if err := os.WriteFile(file, []byte(s.config()), 0o600); err != nil {
		return fmt.Errorf("write its configuration: %w", err)
	}
	ready, taken := make(chan struct{}), make(chan struct{})
	var onceReady, onceTaken sync.Once
	process, err := child.Start(s.t, child.Config{
		Name: fmt.Sprintf("redis-server on port %d", s.port), Path: s.path, Args: []string{file}, Dir: s.dir,
		// Redis writes nothing else to its standard output than its log.
		OnLine: func(line []byte) {
			switch {
			case bytes.Contains(line, []byte("Ready to accept connections")):
				onceReady.Do(func() { close(ready) })
			case bytes.Contains(line, []byte("Address already in use")):
				onceTaken.Do(func() { close(taken) })
			}
		},
		KeepLines: true,
	})
	if err != nil {
		return err
	}
	s.process = process
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	select {
	case <-ready:
		return s.ping()
	case <-process.Exited():
		select {
		case <-taken:
			return errPortTaken
		default:
			return fmt.Errorf("it ended at once (%w); its log:\n%s", process.Err(), process.Log())
		}
	case <-timer.C:
		return fmt.Errorf("it was not ready within %s; its log:\n%s", startTime, process.Log())
	}
}

// ping asks the server whether it is the one that was started.
func (s *Server) ping() error {
	client := s.newClient()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	info, err := client.InfoMap(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("it does not answer: %w", err)
	}
	if pid := info["Server"]["process_id"]; pid != strconv.Itoa(s.Pid()) {
		return fmt.Errorf("%s answers as process %s, but process %d was started", s.Addr(), pid, s.Pid())
	}
	return nil
}

func (s *Server) config() string {
	lines := append([]string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(s.port),
		"dir " + strconv.Quote(s.dir),
		"daemonize no",
		"logfile \"\"",
		"save \"\"",
		"appendonly yes",
		"appendfsync everysec",
		"user " + adminUser + " on >" + s.secret + " ~* &* +@all",
	}, s.lines...)
	return strings.Join(lines, "\n") + "\n"
}
