package redisstream

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// defaultPage is how many entries a replay looks at when it is not told.
const defaultPage = 1000

// Replay reads again what the stream holds after one position, up to and including another; see watermill.Replayer. A
// range is whole when the stream still begins at or before its beginning, or was never trimmed; else the error is
// domain.ErrGap. A position that is no entry id, or that the stream has not reached, is domain.ErrBadOffset.
func (s *Subscriber) Replay(
	ctx context.Context, stream string, after, through domain.Offset, limit int,
) (watermill.Range, error) {
	beginning, err := s.config.positionIn(after, stream)
	if err != nil {
		return watermill.Range{}, err
	}
	ending, err := s.config.positionIn(through, stream)
	if err != nil {
		return watermill.Range{}, err
	}
	from, to := beginning.id, ending.id
	if limit <= 0 {
		limit = defaultPage
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.config.PublishTimeout)
		defer cancel()
	}
	start, end := "-", "+"
	if after != "" {
		start = "(" + from.String()
	}
	if through != "" {
		end = to.String()
	}
	// In one transaction, so that nothing is trimmed between the look and the reading.
	reading := redis.NewRawCmd(ctx, "xrange", stream, start, end, "count", limit)
	var looking *redis.XInfoStreamCmd
	_, err = s.servers.shared.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		looking = pipe.XInfoStream(ctx, stream)
		return pipe.Process(ctx, reading)
	})
	if err != nil && !isReply(err) {
		return watermill.Range{}, err
	}
	info, err := readInfo(looking)
	if err != nil {
		return watermill.Range{}, err
	}
	if err := holds(info, from, beginning.foreign); err != nil {
		return watermill.Range{}, err
	}
	var read batch
	err = reading.Err()
	if err == nil {
		err = read.readRange(reading.Val())
	}
	if err != nil {
		return watermill.Range{}, fmt.Errorf("read a range: %w", err)
	}
	part := watermill.Range{Entries: read.received, Next: after, Done: len(read.ids) < limit}
	if n := len(read.ids); n > 0 {
		part.Next = read.received[n-1].Offset
		part.Done = part.Done || through != "" && read.ids[n-1].compare(to) >= 0
	}
	return part, nil
}

// holds decides whether a stream holds everything after a position. One that was never trimmed holds everything after
// its beginning; a position before its first entry is one of another stream that had its name before, unless it may be
// of another name (foreign).
func holds(info streamInfo, after entryID, foreign bool) error {
	switch {
	case after.compare(info.last) > 0:
		return fmt.Errorf("%w: the stream has not come that far", domain.ErrBadOffset)
	case after == info.last, info.added == info.length && (after == entryID{} || foreign):
		return nil
	case info.length == 0, after.compare(info.first) < 0:
		return domain.ErrGap
	default:
		return nil
	}
}

// Held says how much a stream holds, and how old that is; see watermill.Holder. Both times are the server's: that of
// the oldest entry and that of the newest, which is seconds old at the most where nodes send heartbeats.
func (s *Subscriber) Held(ctx context.Context, stream string) (domain.Held, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.config.PublishTimeout)
		defer cancel()
	}
	info, err := readInfo(s.servers.shared.XInfoStream(ctx, stream))
	if err != nil {
		return domain.Held{}, explain(err, "look how much a stream holds")
	}
	held := domain.Held{Entries: int(info.length), Trimmed: info.added > info.length}
	if info.length > 0 {
		held.Age = max(0, info.last.time().Sub(info.first.time()))
	}
	return held, nil
}
