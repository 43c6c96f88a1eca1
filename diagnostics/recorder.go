package diagnostics

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Config is what a recorder can be told. The zero Config works.
type Config struct {
	// TracesPerSecond is of how many new traces a second the spans are remembered at the most, with [Recorder.Sampler];
	// default 50, below 0 for all. NoTraces is for none.
	TracesPerSecond float64
	// NoTraces turns spans off; events and samples are remembered all the same.
	NoTraces bool
	// Spans is how many spans are remembered; default 20,000. SpanBytes is how much memory they may take, about;
	// default 12 MiB.
	Spans, SpanBytes int
	// Events is how many events of each severity are remembered; default 500.
	Events int
	// Silence is for how long the log's reader may be silent until that is a problem in the node's status; default 3 s. It
	// says something at least every second while it can read.
	Silence time.Duration
}

const (
	defaultTracesPerSecond = 50
	defaultSpans           = 20_000
	defaultSpanBytes       = 12 << 20
	defaultEvents          = 500
	defaultSilence         = 3 * time.Second
)

// foreignShare is how many spans of traces that were chosen elsewhere are remembered for each of those chosen here, a second.
const foreignShare = 50

// sampleCount is how many samples are kept, sampleEvery the pause between two: ten minutes.
const (
	sampleCount = 600
	sampleEvery = time.Second
)

// Recorder is what a node remembers of itself: see the package. All its methods may be called from many goroutines. It
// starts no goroutine until a [Service] is made with it.
type Recorder struct {
	config    Config
	started   time.Time
	traceRate float64
	budget    *rate.Limiter
	foreign   *rate.Limiter
	sampling  atomic.Bool
	skipped   atomic.Uint64
	resting   atomic.Int64

	spans   *spans
	events  events
	traffic traffic
	usage   usage

	mu      sync.Mutex
	samples []Sample // a ring once it is full
	oldest  int
	last    counts
	lastAt  time.Time
}

// NewRecorder returns a recorder. There is nothing to close.
func NewRecorder(config Config) *Recorder {
	for value, byDefault := range map[*int]int{
		&config.Spans: defaultSpans, &config.SpanBytes: defaultSpanBytes, &config.Events: defaultEvents,
	} {
		if *value <= 0 {
			*value = byDefault
		}
	}
	if config.Silence <= 0 {
		config.Silence = defaultSilence
	}
	traceRate := config.TracesPerSecond
	switch {
	case config.NoTraces:
		traceRate = 0
	case traceRate == 0:
		traceRate = defaultTracesPerSecond
	}
	return &Recorder{
		config:    config,
		started:   time.Now(),
		traceRate: traceRate,
		// What comes at once is chosen at once: a second's worth, and a handful at the least.
		budget:  rate.NewLimiter(rate.Limit(traceRate), max(int(traceRate), 5)),
		foreign: rate.NewLimiter(rate.Limit(traceRate*foreignShare), max(int(traceRate*foreignShare), 100)),
		spans:   newSpans(config.Spans, config.SpanBytes),
		events:  events{limit: config.Events},
		traffic: traffic{streams: make(map[string]*stream)},
	}
}

// recording is what of the messages is remembered.
func (r *Recorder) recording() Recording {
	count, since := r.spans.state()
	return Recording{TracesPerSecond: r.traceRate, Spans: count, Since: since, Skipped: r.skipped.Load()}
}
