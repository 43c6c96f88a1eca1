package redisstream

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/domain"
)

// epoch names one life of a stream, so that a session that one node saved can be judged by another: its positions mean
// something as long as the name is the same. Readers find out about a new life by themselves, each from what it has
// read (case 9 of docs/guarantees.md); the name is only what they call it, and stands in a key beside the stream, of
// which the greatest number wins. A key that is lost, or that fails over to an older one, is put right by the next
// reader that looks: it says nothing of the stream. Zero is unknown.
type epoch uint64

// name is the epoch as the core knows it.
func (e epoch) name() domain.Epoch {
	if e == 0 {
		return ""
	}
	return domain.Epoch(strconv.FormatUint(uint64(e), 10))
}

// next is the name of the life after this one: the time, so that who comes after a FLUSHALL and knows no other number
// finds a greater one as a rule. If it does not, because its clock is behind, those who know better name it again.
func (e epoch) next() epoch { return max(e+1, epoch(max(0, time.Now().UnixMilli()))) }

// epochKey is the key of the epoch's name, in the slot of the stream.
func epochKey(stream string) string { return hashTag(stream) + ":epoch" }

// agree sees to it that all readers of a stream have one name for its epoch; see lua/epoch.lua.
func agree(ctx context.Context, client redis.Scripter, stream string, known, fresh epoch) (epoch, error) {
	n, err := epochScript.Run(ctx, client, []string{epochKey(stream)}, uint64(known), uint64(fresh)).Uint64()
	return epoch(n), err
}

// storedEpoch reads the answer to a GET of the key; zero where nothing is stored that is a name. It reports false when the
// server did not say.
func storedEpoch(command *redis.StringCmd) (epoch, bool) {
	text, err := command.Result()
	if err != nil {
		return 0, err == redis.Nil //nolint:errorlint // go-redis returns it as it is
	}
	if n, ok := parseDigits(text); ok {
		return epoch(n), true
	}
	return 0, true
}

// rename gives a reset that this reader has found its names. If Redis does not answer, the others learn of the new one
// when this reader looks at the key again.
func (r *reader) rename(reset *domain.Reset) {
	if !r.named {
		return
	}
	was := r.place.epoch
	fresh := was.next()
	if agreed, err := agree(r.ctx, r.conn.client, r.place.stream, was, fresh); err == nil {
		fresh = agreed
	}
	r.place.epoch = fresh
	reset.Was, reset.Is = was.name(), fresh.name()
}

// compareEpoch compares the stored name with the reader's. A greater one is that of a reset which another reader has
// found; this one had read nothing of what is gone, and goes on where it stands. Only its count is that of the life
// before.
func (r *reader) compareEpoch(found epoch) error {
	was := r.place.epoch
	if found < was {
		agreed, err := agree(r.ctx, r.conn.client, r.place.stream, was, 0)
		if err != nil && !isReply(err) {
			return err
		}
		found = max(agreed, was) // a refusal will be the same next time
	}
	if found > was {
		r.place.epoch, r.place.known = found, false
		r.handler.HandleNotice(&domain.Reset{
			Stream: r.place.stream, Was: was.name(), Is: found.name(), Cursor: r.place.cursor.offset(),
			Reason: "another reader has found that the stream was emptied, replaced, or came back older",
		})
	}
	return nil
}
