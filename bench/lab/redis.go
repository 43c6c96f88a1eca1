package lab

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

// Redis is a redis-server of this program's own, which keeps nothing on disk.
type Redis struct {
	cmd     *exec.Cmd
	out     bytes.Buffer
	exited  chan struct{}
	Client  *redis.Client
	URL     string
	Version string
}

// StartRedis starts the server at a path, in a folder, and returns when it answers. It dies with ctx.
func StartRedis(ctx context.Context, path, dir string) (*Redis, error) {
	var errs error
	for range port.Tries {
		s, err := tryRedis(ctx, path, dir, port.Candidate())
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

func tryRedis(ctx context.Context, path, dir string, number int) (*Redis, error) {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(number))
	s := &Redis{exited: make(chan struct{}), URL: "redis://" + addr + "/0"}
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
	s.Client = redis.NewClient(&redis.Options{Addr: addr})
	if err := s.await(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Redis) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		info, err := s.Client.InfoMap(ctx, "server").Result()
		if err == nil {
			s.Version = info["Server"]["redis_version"]
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

// ProcessorTime is what the server has used so far, in microseconds.
func (s *Redis) ProcessorTime(ctx context.Context) (float64, error) {
	info, err := s.Client.InfoMap(ctx, "cpu").Result()
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

// Empty removes all keys.
func (s *Redis) Empty(ctx context.Context) error {
	if err := s.Client.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("empty Redis: %w", err)
	}
	return nil
}

// Stop ends the server and waits for its end.
func (s *Redis) Stop() error {
	err := s.Client.Close()
	_ = s.cmd.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-s.exited:
	case <-time.After(redisStops):
		_ = s.cmd.Process.Kill() // it may have ended
		<-s.exited
	}
	return err
}
