package redisstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/domain"
)

// sendAll appends the live messages in a transaction. The error is a server's answer when none was stored.
func (f *flush) sendAll(ctx context.Context) error {
	commands := make([]*redis.StringCmd, len(f.live))
	_, err := f.conn.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, e := range f.live {
			commands[i] = redis.NewStringCmd(ctx, e.args...)
			if err := pipe.Process(ctx, commands[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !isReply(err) {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var refusal error
	stored := false
	for i, command := range commands {
		if command.Err() == nil {
			stored = true
			f.last = domain.Offset(command.Val())
			f.live[i].decide(f.last, nil)
		} else if refusal == nil || strings.HasPrefix(refusal.Error(), "EXECABORT") {
			refusal = command.Err()
		}
	}
	if !stored {
		return refusal
	}
	// Inside a transaction that ran, Redis can still refuse single commands.
	for i, command := range commands {
		if command.Err() != nil {
			f.live[i].decide("", fmt.Errorf("%w: %w", domain.ErrNotPublished, command.Err()))
		}
	}
	return nil
}

// sendMissing appends those of the live messages that no earlier attempt has stored.
func (f *flush) sendMissing(ctx context.Context) error {
	from := "-"
	if f.base != "" {
		from = "(" + string(f.base)
	}
	args := []any{"eval", retryScript, 1, f.stream, from, string(f.publisher.id), len(f.publisher.trim)}
	args = append(args, f.live[0].args[trimAt:trimAt+len(f.publisher.trim)]...)
	for _, e := range f.live {
		args = append(args, strconv.FormatUint(e.sequence, 10), len(e.args)-e.fields)
		args = append(args, e.args[e.fields:]...)
	}
	ids, err := f.conn.client.Do(ctx, args...).StringSlice()
	if err != nil {
		return err
	}
	if len(ids) != len(f.live) {
		return errors.New("the server answered a retry with the wrong number of ids")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, e := range f.live {
		f.last = domain.Offset(ids[i])
		e.decide(f.last, nil)
	}
	return nil
}
