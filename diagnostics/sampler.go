package diagnostics

import (
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/roombus/roombus/domain"
)

// The entry of a trace's state that says whether its spans are remembered: all nodes do as the one where it began.
const (
	stateKey     = domain.TraceStateKey
	stateChosen  = "1"
	statePassed  = "0"
	samplerLabel = "roombus recorder over "
)

// Sampler returns a sampler that decides as base does, for a process that exports its spans, and chooses of the traces
// that are sampled those whose spans the recorder remembers: Config.TracesPerSecond new ones at the most. The choice
// travels with the trace, in its state, so that all nodes remember the same traces as a whole. From then on the recorder
// takes what was chosen, and nothing else.
func (r *Recorder) Sampler(base sdktrace.Sampler) sdktrace.Sampler {
	r.sampling.Store(true)
	return &sampler{base: base, recorder: r}
}

type sampler struct {
	base     sdktrace.Sampler
	recorder *Recorder
	// allowed says that a new trace has been taken out of the budget before it comes here.
	allowed bool
}

// Description names the sampler.
func (s *sampler) Description() string { return samplerLabel + s.base.Description() }

// ShouldSample decides about a span that begins.
func (s *sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	result := s.base.ShouldSample(p)
	if result.Decision == sdktrace.Drop && !s.allowed {
		return result
	}
	parent := trace.SpanContextFromContext(p.ParentContext)
	origin := parent
	if !parent.IsValid() && len(p.Links) > 0 { // a trace of its own that points at the message's
		origin = p.Links[0].SpanContext
	}
	chosen, mark := s.choose(origin)
	if mark != "" {
		// A state that is full of others' entries takes one more by letting go the oldest; it refuses nothing else here.
		if state, err := result.Tracestate.Insert(stateKey, mark); err == nil {
			result.Tracestate = state
		}
	}
	if chosen && s.allowed {
		// Nobody exports it here, but another node may have an exporter, and go by what the sender has decided.
		result.Decision = sdktrace.RecordAndSample
	}
	return result
}

// choose says whether a span is remembered, and what its trace's state is to say.
func (s *sampler) choose(origin trace.SpanContext) (chosen bool, mark string) {
	switch said := origin.TraceState().Get(stateKey); {
	case said == stateChosen && s.recorder.traceRate != 0 && (!origin.IsRemote() || s.recorder.allowForeign()):
		return true, stateChosen
	case said != "":
		return false, said
	case s.allowed && !origin.IsValid():
		return true, stateChosen
	case origin.IsValid() && (!origin.IsRemote() || !origin.IsSampled()):
		return false, "" // a trace that was passed over where it began
	case s.recorder.allow():
		return true, stateChosen
	default:
		return false, statePassed // it goes on as a trace, but is none of those that are remembered
	}
}

// restAfter is how many new traces are passed over, without another look at the clock, after one for which the budget had
// nothing left. What is saved meanwhile is not lost: it is there at the next look.
const restAfter = 31

// allow takes a new trace out of the budget.
func (r *Recorder) allow() bool {
	switch {
	case r.traceRate == 0:
		return false
	case r.traceRate < 0:
		return true
	case r.resting.Load() > 0:
		r.resting.Add(-1)
	case r.budget.Allow():
		return true
	default:
		r.resting.Store(restAfter)
	}
	r.skipped.Add(1)
	return false
}

// allowForeign takes a span out of the budget of those that were chosen elsewhere. It is many times as large, and is there
// for who says so without being a node: a client that is believed (tracing.Config.ClientSampled), or whoever else has
// put a context around what the application does.
func (r *Recorder) allowForeign() bool { return r.traceRate < 0 || r.foreign.Allow() }
