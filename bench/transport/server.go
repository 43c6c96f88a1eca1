package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/internal/testkit/port"
)

const (
	startTime  = 10 * time.Second
	askEach    = 10 * time.Millisecond
	redisStops = 5 * time.Second
)

// server is a redis-server of this program's own, which keeps nothing on disk.
type server struct {
	cmd     *exec.Cmd
	out     bytes.Buffer
	exited  chan struct{}
	client  *redis.Client
	url     string
	version string
}

// startServer starts a server and returns when it answers. It dies with ctx.
func startServer(ctx context.Context, path, dir string) (*server, error) {
	var errs error
	for range port.Tries {
		s, err := tryServer(ctx, path, dir, port.Candidate())
		if err == nil {
			return s, nil
		}
		errs = err
		if ctx.Err() != nil || !strings.Contains(err.Error(), "in use") {
			break
		}
	}
	return nil, fmt.Errorf("start redis-server: %w", errs)
}

func tryServer(ctx context.Context, path, dir string, number int) (*server, error) {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(number))
	s := &server{exited: make(chan struct{}), url: "redis://" + addr + "/0"}
	s.cmd = exec.CommandContext(ctx, path, //nolint:gosec // the program that the user chose
		"--port", strconv.Itoa(number), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no")
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // however it ends, it has ended
		close(s.exited)
	}()
	s.client = redis.NewClient(&redis.Options{Addr: addr})
	if err := s.await(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		info, err := s.client.InfoMap(ctx, "server").Result()
		if err == nil {
			s.version = info["Server"]["redis_version"]
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("it ended: %s", strings.TrimSpace(s.out.String()))
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-time.After(askEach):
		}
	}
}

// processorTime is what the server has used so far, in microseconds.
func (s *server) processorTime(ctx context.Context) (float64, error) {
	info, err := s.client.InfoMap(ctx, "cpu").Result()
	if err != nil {
		return 0, fmt.Errorf("ask Redis what it has used: %w", err)
	}
	var sum float64
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		seconds, err := strconv.ParseFloat(info["CPU"][name], 64)
		if err != nil {
			return 0, fmt.Errorf("ask Redis what it has used: %w", err)
		}
		sum += seconds * 1e6
	}
	return sum, nil
}

func (s *server) empty(ctx context.Context) error {
	if err := s.client.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("empty Redis: %w", err)
	}
	return nil
}

// stop ends the server and waits for its end.
func (s *server) stop() error {
	err := s.client.Close()
	_ = s.cmd.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-s.exited:
	case <-time.After(redisStops):
		_ = s.cmd.Process.Kill() // it may have ended
		<-s.exited
	}
	return err
}
