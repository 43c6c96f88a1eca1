package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/redisstream"
)

// openRedis connects to Redis, checks that it can serve, and logs what it warns of.
func openRedis(ctx context.Context, s *settings, log *slog.Logger) (*transport, error) {
	redis.SetLogger(redisLog{log})
	client, err := redisstream.ParseURL(s.redis)
	if err != nil {
		return nil, &usageError{fmt.Sprintf("--redis: %v", err)}
	}
	slow := func(w redisstream.Slowdown) {
		log.WarnContext(ctx, "publishing waits for a node that reads slowly", "stream", w.Stream, "behind", w.Behind,
			"allowed", w.Window, "waited", w.Waited)
	}
	t, err := redisstream.New(client, redisstream.Config{
		Stream:     s.stream,
		Streams:    s.streamCount,
		MaxLength:  s.maxLength,
		ReadCount:  min(redisstream.DefaultReadCount, max(s.maxLength/20, min(100, s.maxLength-1))), // also of very short streams
		PubSub:     redisstream.PubSubMode(s.pubSub),
		OnSlowdown: slow,
	})
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	closeBoth := func() error { return errors.Join(t.Close(), client.Close()) }
	warnings, err := t.Check(ctx)
	if err != nil {
		// What closing has to say does not matter to who reads why it is not open.
		_ = closeBoth()
		return nil, err
	}
	for _, warning := range warnings {
		log.WarnContext(ctx, warning)
	}
	logins, err := redisstream.NewMarks(client, redisstream.MarksConfig{})
	if err != nil {
		return nil, errors.Join(err, closeBoth())
	}
	return &transport{
		log:      t.Log(),
		channel:  t.Channel(),
		sessions: t.Sessions(),
		logins:   logins,
		name:     "Redis at " + hostOf(s.redis) + ", stream " + s.stream,
		close:    closeBoth,
	}, nil
}

// hostOf is a URL's host or path, without user and password.
func hostOf(raw string) string {
	_, rest, _ := strings.Cut(raw, "://")
	rest = rest[strings.LastIndex(rest, "@")+1:]
	if host, _, ok := strings.Cut(rest, "?"); ok {
		rest = host
	}
	if plain, err := url.PathUnescape(rest); err == nil {
		rest = plain
	}
	return rest
}

// redisLog is the log of the Redis client, which says on its own what its callers are told as errors.
type redisLog struct{ log *slog.Logger }

// Printf logs a line.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis client: "+fmt.Sprintf(format, args...))
}
