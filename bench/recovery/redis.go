package main

import (
	"bytes"
	"context"
	"encoding/json"
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
	stream    = "socket.io"
	startTime = 10 * time.Second
	askEach   = 10 * time.Millisecond
	// together is how many entries are written at once.
	together = 500
	// emptyRooms is how many rooms the entries are for.
	emptyRooms = 100
)

// redisServer is a redis-server of this program's own, which keeps nothing on disk.
type redisServer struct {
	cmd     *exec.Cmd
	out     bytes.Buffer
	exited  chan struct{}
	client  *redis.Client
	url     string
	version string
}

// startRedis starts a server and returns when it answers. It dies with ctx.
func startRedis(ctx context.Context, dir string) (*redisServer, error) {
	var failed error
	for range port.Tries {
		s, err := tryRedis(ctx, dir, port.Candidate())
		if err == nil {
			return s, nil
		}
		failed = err
		if ctx.Err() != nil || !strings.Contains(err.Error(), "in use") {
			break
		}
	}
	return nil, fmt.Errorf("start redis-server: %w", failed)
}

func tryRedis(ctx context.Context, dir string, number int) (*redisServer, error) {
	path := "redis-server"
	if chosen := os.Getenv("ROOMBUS_TEST_REDIS_SERVER"); chosen != "" {
		path = chosen
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(number))
	s := &redisServer{exited: make(chan struct{}), url: "redis://" + addr + "/0"}
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

func (s *redisServer) await(ctx context.Context) error {
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
func (s *redisServer) processorTime(ctx context.Context) (float64, error) {
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

// sessions is how many sessions are stored.
func (s *redisServer) sessions(ctx context.Context) (int, error) {
	keys, err := s.client.Keys(ctx, "sio:session:*").Result()
	if err != nil {
		return 0, fmt.Errorf("count the sessions: %w", err)
	}
	return len(keys), nil
}

func (s *redisServer) empty(ctx context.Context) error {
	if err := s.client.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("empty Redis: %w", err)
	}
	return nil
}

// emit writes a broadcast to the log; no rooms are everybody.
func (s *redisServer) emit(ctx context.Context, event string, rooms ...string) error {
	if err := s.write(ctx, []broadcast{{rooms: rooms, args: []string{event}}}); err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	return nil
}

// fill writes entries for rooms in which nobody is.
func (s *redisServer) fill(ctx context.Context, entries, size int) error {
	text := strings.Repeat("x", size)
	for written := 0; written < entries; written += together {
		batch := make([]broadcast, min(together, entries-written))
		for i := range batch {
			batch[i] = broadcast{rooms: []string{fmt.Sprint("nobody ", i%emptyRooms)}, args: []string{"message", text}}
		}
		if err := s.write(ctx, batch); err != nil {
			return fmt.Errorf("fill the log: %w", err)
		}
	}
	return nil
}

// broadcast is an event with its arguments, for rooms.
type broadcast struct{ rooms, args []string }

// write appends broadcasts as the adapter of Node.js does.
func (s *redisServer) write(ctx context.Context, broadcasts []broadcast) error {
	pipe := s.client.Pipeline()
	for _, b := range broadcasts {
		data, err := json.Marshal(map[string]any{
			"opts":   map[string]any{"rooms": append([]string{}, b.rooms...), "except": []string{}, "flags": map[string]any{}},
			"packet": map[string]any{"type": 2, "data": b.args, "nsp": "/"},
		})
		if err != nil {
			return err
		}
		pipe.XAdd(ctx, &redis.XAddArgs{
			Stream: stream, Values: []string{"uid", "emitter", "nsp", "/", "type", "3", "data", string(data)},
		})
	}
	_, err := pipe.Exec(ctx)
	return err
}

// stop ends the server and waits for its end.
func (s *redisServer) stop() error {
	err := s.client.Close()
	_ = s.cmd.Process.Kill() // it keeps nothing
	<-s.exited
	return err
}
