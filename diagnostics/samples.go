package diagnostics

import (
	"runtime/metrics"
	"slices"
	"time"
)

// Sources are what a node has besides what passes the recorder; each may be nil. They are called once a second and must
// be cheap, but for Rooms, which is called when somebody asks for rooms.
type Sources struct {
	// Version is the application's version.
	Version string
	// Tool says that this process is in the cluster only to ask: it answers with that and nothing else.
	Tool bool
	// Sockets and RoomCount are how many there are on this node.
	Sockets, RoomCount func() int
	// Backlog is how much waits in the node.
	Backlog func() int
	// Problem says why the node cannot serve clients, if it knows; an error of its own, whose text is shown.
	Problem func() error
	// Draining says that it has announced to leave.
	Draining func() bool
	// Rooms are the rooms of a namespace with the number of their sockets on this node.
	Rooms func(namespace string) map[string]int
}

func call(f func() int) float64 {
	if f == nil {
		return 0
	}
	return float64(f())
}

// sample takes the sample of the time since the last one.
func (r *Recorder) sample(now time.Time, from *Sources) {
	readers := r.traffic.readers(now)
	sample := Sample{
		Time: At(now), Sockets: call(from.Sockets), Rooms: call(from.RoomCount), Backlog: call(from.Backlog),
	}
	if behind, known := r.traffic.entriesBehind(); known {
		sample.Behind = float64(behind)
	}
	for _, reader := range readers {
		sample.Lag, sample.Silent = max(sample.Lag, reader.Lag), max(sample.Silent, reader.Silent)
	}
	r.usage.read(now, &sample)
	is := r.traffic.counts()

	r.mu.Lock()
	if seconds := now.Sub(r.lastAt).Seconds(); !r.lastAt.IsZero() && seconds > 0 {
		rate := func(now, before uint64) float64 { return float64(now-before) / seconds }
		sample.Published = rate(is.published, r.last.published)
		sample.Received = rate(is.received, r.last.received)
		sample.Delivered = rate(is.delivered, r.last.delivered)
		sample.BytesOut = rate(is.bytesOut, r.last.bytesOut)
		sample.BytesIn = rate(is.bytesIn, r.last.bytesIn)
	}
	r.last, r.lastAt = is, now
	if len(r.samples) < sampleCount {
		r.samples = append(r.samples, sample)
	} else {
		r.samples[r.oldest] = sample
		r.oldest = (r.oldest + 1) % sampleCount
	}
	r.mu.Unlock()
}

// samplesSince are the samples after a moment, the oldest first.
func (r *Recorder) samplesSince(after Instant) Samples {
	r.mu.Lock()
	defer r.mu.Unlock()
	ordered := slices.Concat(r.samples[r.oldest:], r.samples[:r.oldest])
	for i := range ordered {
		if ordered[i].Time > after {
			return ordered[i:]
		}
	}
	return nil
}

// latest is the newest sample, if there is one.
func (r *Recorder) latest() Samples {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.samples) == 0 {
		return nil
	}
	return Samples{r.samples[(r.oldest+len(r.samples)-1)%len(r.samples)]}
}

// usage is what the process takes of the machine. Only the sampling goroutine uses it.
type usage struct {
	samples []metrics.Sample
	cpu     time.Duration
	at      time.Time
}

func (u *usage) read(now time.Time, into *Sample) {
	if u.samples == nil {
		u.samples = []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	}
	metrics.Read(u.samples)
	into.Heap, into.Goroutines = number(u.samples[0].Value), number(u.samples[1].Value)
	cpu := cpuTime()
	if elapsed := now.Sub(u.at); !u.at.IsZero() && elapsed > 0 && cpu > 0 {
		into.CPU = (cpu - u.cpu).Seconds() / elapsed.Seconds()
	}
	u.cpu, u.at = cpu, now
}

func number(v metrics.Value) float64 {
	if v.Kind() == metrics.KindUint64 {
		return float64(v.Uint64())
	}
	return 0
}
