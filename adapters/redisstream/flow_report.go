package redisstream

import (
	"context"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/watermill"
)

// How readers tell publishers where they stand (case 5 of docs/guarantees.md): a hash beside the stream, with a field
// a reader. Its value is how many entries were ever added up to the reader's cursor, and a number that changes with
// each report, so that publishers see who lives without comparing clocks. Node.js knows nothing of it.
const (
	// reportEvery is the longest pause between two reports of a reader.
	reportEvery = 500 * time.Millisecond
	// reportTimeout bounds one of them.
	reportTimeout = time.Second
	// farewellTimeout bounds the last one, which removes the field.
	farewellTimeout = 250 * time.Millisecond
	// refusedPause is how long a process without the rights waits before it tries again.
	refusedPause = time.Minute
	// reportsExpire is when the hash of a stream without readers goes.
	reportsExpire = time.Minute
	// quantumPart of the maximum length is what a reader may have read and not reported, and what a publisher may
	// have appended without looking.
	quantumPart = 16
)

// readersKey is the key of the readers' hash, in the slot of the stream.
func readersKey(stream string) string { return hashTag(stream) + ":readers" }

// hashTag begins the keys that are in the slot of a stream.
func hashTag(stream string) string {
	if open := strings.IndexByte(stream, '{'); open >= 0 && strings.IndexByte(stream[open:], '}') > 1 {
		return stream // it has a tag already
	}
	return "{" + stream + "}"
}

// quantum is a sixteenth of the maximum length.
func (c Config) quantum() int64 { return max(1, c.MaxLength/quantumPart) }

// paced reports whether publishers wait for readers at all.
func (c Config) paced() bool { return !c.NoFlowControl && !c.Spectator && c.Retention == 0 }

// standing is where a reader of this process stands.
type standing struct {
	stream, id string
	// count is how many entries were added up to the reader's cursor; negative while that is not known.
	count atomic.Int64
	// away says that the reader has no connection: others are not told then, for Redis may be away as well.
	away atomic.Bool
	// moved has something in it when the next report should not wait.
	moved chan struct{}
	// reported is the count of the last move that was announced; of the reader's goroutine.
	reported int64
}

// update notes where the reader stands.
func (s *standing) update(at *place, quantum int64) {
	count := int64(-1)
	if at.known {
		count = at.count
	}
	s.count.Store(count)
	s.away.Store(false)
	if moved := count - s.reported; at.known && (moved < 0 || moved >= quantum) {
		s.reported = count
		select {
		case s.moved <- struct{}{}:
		default:
		}
	}
}

// standings are the readers of a process. Its publishers know of them without asking Redis.
type standings struct {
	mu      sync.Mutex
	readers map[string]*standing // by id
}

func newStandings() *standings { return &standings{readers: make(map[string]*standing)} }

func (s *standings) enter(stream string) *standing {
	one := &standing{stream: stream, id: string(watermill.NewPublisherID()), moved: make(chan struct{}, 1)}
	one.reported = math.MinInt64 / 2 // so that the first place is told at once
	one.count.Store(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers[one.id] = one
	return one
}

func (s *standings) leave(one *standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.readers, one.id)
}

// of returns the readers of a stream by their ids.
func (s *standings) of(stream string) map[string]*standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	readers := make(map[string]*standing)
	for id, one := range s.readers {
		if one.stream == stream {
			readers[id] = one
		}
	}
	return readers
}

// report tells publishers where a reader stands until ctx is done: whenever it has moved on by a quantum, and often
// enough that it is not taken for dead. It does not depend on the reader's handler, which may take its time.
func (s *standings) report(ctx context.Context, client redis.Cmdable, one *standing) {
	defer s.leave(one)
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	key, beat, told := readersKey(one.stream), 0, false
	for ctx.Err() == nil {
		if count := one.count.Load(); count >= 0 && !one.away.Load() {
			beat++
			err := tell(ctx, client, key, one.id, strconv.FormatInt(count, 10)+" "+strconv.Itoa(beat))
			told = err == nil
			if isRefusal(err) { // Check has warned of it
				pause(ctx, refusedPause)
				continue
			}
		}
		select {
		case <-one.moved:
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	if told {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTimeout)
		defer cancel()
		client.HDel(ctx, key, one.id) // if that fails, its silence says the same
	}
}

func tell(ctx context.Context, client redis.Cmdable, key, id, text string) error {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	pipe := client.Pipeline()
	pipe.HSet(ctx, key, id, text)
	pipe.PExpire(ctx, key, reportsExpire)
	_, err := pipe.Exec(ctx)
	return err
}

// pause waits, until ctx is done at the longest.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
