package redisstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Slowdown says that a publisher waits because a reader is so far behind that trimming would soon take from it what it
// has not read.
type Slowdown struct {
	Stream string
	// Behind is how many entries the slowest reader has to read, Window how many it may be before publishers wait:
	// half of the maximum length.
	Behind, Window int64
	// Waited is how long the publisher has waited so far, all slowdowns together.
	Waited time.Duration
}

// How publishers wait for readers.
const (
	// silentReader is how long a reader may be silent until it counts as dead and is not waited for.
	silentReader = 5 * reportEvery
	// stuckReader is how long a reader may stand still, behind, until it is not waited for.
	stuckReader = 10 * time.Second
	// forgottenReader is when the field of a silent reader is removed.
	forgottenReader = time.Minute
	// Publishers that append little each look as well, now and then, for they may be many.
	lookEvery, lookAfter = 25 * time.Millisecond, 32
	// lookTimeout bounds a look. Without an answer nobody is waited for: the flush will meet the same trouble.
	lookTimeout = time.Second
	// Pauses between looks while waiting, before jitter.
	minHold, maxHold = 2 * time.Millisecond, 20 * time.Millisecond
	// slowdownEvery is how often a slowdown that lasts is told.
	slowdownEvery = time.Second
)

// window keeps one stream's end in the sight of its readers: at most half of the maximum length before the slowest of
// those that live. The other half is for what publishers append between two looks.
type window struct {
	stream, key   string
	size, quantum int64
	client        redis.Cmdable
	local         *standings

	// Of the writer's goroutine.
	added    int64 // entries that were ever added, when it last looked
	since    int64 // what the writer has appended since
	looked   time.Time
	retry    time.Time // when to ask for the readers again after a refusal
	readers  map[string]*seenReader
	lastTold time.Time
}

// seenReader is what is known of a reader.
type seenReader struct {
	local *standing // of this process; nil for others
	text  string
	count int64
	heard time.Time // when it last said something new
	moved time.Time // when it was last seen to get on, or not to be behind
}

func newWindow(p *Publisher, stream string) *window {
	return &window{
		stream: stream, key: readersKey(stream), size: p.config.MaxLength / 2, quantum: p.config.quantum(),
		client: p.servers.shared, local: p.local, readers: make(map[string]*seenReader),
	}
}

// appended notes what was stored, and looks at the readers when it is time to.
func (w *window) appended(n int64) {
	w.since += n
	if w.since >= w.quantum || w.since >= lookAfter && time.Since(w.looked) >= lookEvery {
		w.look()
	}
}

// overrun reports how far behind the slowest reader would be after n entries more, if that is too far.
func (w *window) overrun(n int64) (behind int64, over bool) {
	if behind = w.behind() + n; behind <= w.size {
		return behind, false
	}
	w.look()
	behind = w.behind() + n
	return behind, behind > w.size
}

// behind is how many entries the slowest reader that lives has to read.
func (w *window) behind() int64 {
	now, end, most := time.Now(), w.added+w.since, int64(0)
	for _, r := range w.readers {
		if r.local != nil {
			if count := r.local.count.Load(); count >= 0 {
				r.count = count
			}
		}
		if now.Sub(r.heard) <= silentReader && now.Sub(r.moved) <= stuckReader {
			most = max(most, end-r.count)
		}
	}
	return most
}

// look asks where the stream and its readers are.
func (w *window) look() {
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	pipe := w.client.Pipeline()
	looking := pipe.XInfoStream(ctx, w.stream)
	var asking *redis.MapStringStringCmd
	now := time.Now()
	if now.After(w.retry) {
		asking = pipe.HGetAll(ctx, w.key)
	}
	if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
		w.forgetAll()
		return
	}
	info, err := readInfo(looking)
	if err != nil {
		w.forgetAll() // without the right to ask nothing can be known
		return
	}
	w.added, w.since, w.looked = info.added, 0, now
	var reports map[string]string
	if asking != nil {
		reports, err = asking.Result()
		if isRefusal(err) { // only the readers of this process count
			w.retry = now.Add(refusedPause)
		}
	}
	w.take(ctx, reports, now)
}

// take notes what readers have said.
func (w *window) take(ctx context.Context, reports map[string]string, now time.Time) {
	local := w.local.of(w.stream)
	for id := range w.readers {
		if _, reported := reports[id]; !reported && local[id] == nil {
			delete(w.readers, id) // it has ended
		}
	}
	for id, text := range reports {
		if first, _, _ := strings.Cut(text, " "); local[id] == nil {
			if count, err := strconv.ParseInt(first, 10, 64); err == nil {
				w.hear(id, text, count, now)
			}
		}
	}
	for id, one := range local {
		if count := one.count.Load(); count >= 0 {
			r := w.hear(id, "", count, now)
			r.local, r.heard = one, now
		} else {
			delete(w.readers, id)
		}
	}
	for id, r := range w.readers {
		if now.Sub(r.heard) > forgottenReader {
			w.client.HDel(ctx, w.key, id) // if that fails, the next look tries again
			delete(w.readers, id)
		}
	}
}

func (w *window) hear(id, text string, count int64, now time.Time) *seenReader {
	r, known := w.readers[id]
	if !known {
		r = &seenReader{moved: now}
		w.readers[id] = r
	}
	if !known || r.text != text {
		r.text, r.heard = text, now
	}
	if count != r.count || w.added-count <= w.size/2 {
		r.moved = now
	}
	r.count = count
	return r
}

func (w *window) forgetAll() {
	w.looked, w.since = time.Now(), 0
	clear(w.readers)
}

// holdBack waits until no reader would be too far behind. It reports false when nobody waits for the flush any more.
func (f *flush) holdBack() bool {
	if f.window == nil {
		return true
	}
	began, told := time.Now(), false
	for pause := minHold; ; pause = min(2*pause, maxHold) {
		behind, over := f.window.overrun(int64(len(f.live)))
		if told {
			f.publisher.waited.Add(int64(time.Since(began)))
			began = time.Now()
		}
		if !over {
			return true
		}
		f.setErr(fmt.Errorf("a reader of %s is %d entries behind, and publishers wait at %d", f.stream,
			behind, f.window.size))
		f.window.tell(f.publisher, behind)
		told = true
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-f.gaveUp: // who gives up may be the last
		}
		timer.Stop()
		if !f.begin() {
			f.publisher.waited.Add(int64(time.Since(began)))
			return false
		}
	}
}

// tell tells the application of a slowdown, now and then.
func (w *window) tell(p *Publisher, behind int64) {
	now := time.Now()
	if p.config.OnSlowdown == nil || now.Sub(w.lastTold) < slowdownEvery {
		return
	}
	w.lastTold = now
	p.config.OnSlowdown(Slowdown{Stream: w.stream, Behind: behind, Window: w.size, Waited: p.Waited()})
}
