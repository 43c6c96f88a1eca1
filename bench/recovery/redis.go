package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/bench/lab"
)

const (
	stream  = "socket.io"
	askEach = 10 * time.Millisecond
	// together is how many entries are written at once.
	together = 500
	// emptyRooms is how many rooms the entries are for.
	emptyRooms = 100
)

// log is the Redis with what the servers and this program write to it.
type log struct{ *lab.Redis }

// sessions is how many sessions are stored.
func (l log) sessions(ctx context.Context) (int, error) {
	keys, err := l.Client.Keys(ctx, "sio:session:*").Result()
	if err != nil {
		return 0, fmt.Errorf("count the sessions: %w", err)
	}
	return len(keys), nil
}

// emit writes a broadcast to the log; no rooms are everybody.
func (l log) emit(ctx context.Context, event string, rooms ...string) error {
	if err := l.write(ctx, []broadcast{{rooms: rooms, args: []string{event}}}); err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	return nil
}

// fill writes entries for rooms in which nobody is.
func (l log) fill(ctx context.Context, entries, size int) error {
	text := strings.Repeat("x", size)
	for written := 0; written < entries; written += together {
		batch := make([]broadcast, min(together, entries-written))
		for i := range batch {
			batch[i] = broadcast{rooms: []string{fmt.Sprint("nobody ", i%emptyRooms)}, args: []string{"message", text}}
		}
		if err := l.write(ctx, batch); err != nil {
			return fmt.Errorf("fill the log: %w", err)
		}
	}
	return nil
}

// broadcast is an event with its arguments, for rooms.
type broadcast struct{ rooms, args []string }

// write appends broadcasts as the adapter of Node.js does.
func (l log) write(ctx context.Context, broadcasts []broadcast) error {
	pipe := l.Client.Pipeline()
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
