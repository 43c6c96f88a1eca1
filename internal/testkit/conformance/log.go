package conformance

import (
	"testing"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// LogHarness says how to open a log and what it can do.
type LogHarness struct {
	// Open makes an empty log, for one test alone; it is closed with the test (t.Cleanup).
	Open func(t *testing.T) LogCluster
	// TellsOffsets: Append returns the position that the tails see.
	TellsOffsets bool
	// CanResume: Tail takes positions. Otherwise it must answer one with domain.ErrUnsupported.
	CanResume bool
	// CanReplay: Replay works. Otherwise it must answer with domain.ErrUnsupported.
	CanReplay bool
	// CountsLoss: a running reader that trimming has overtaken is told how many entries it lost.
	CountsLoss bool
}

// LogCluster is one log, as several processes see it.
type LogCluster struct {
	// Member connects once more: a publisher instance of its own, closed with the test.
	Member func() LogMember
	// Trim removes the oldest entries of the stream until keep are left; nil when it cannot be done.
	Trim func(keep int)
	// Reset empties the log under its readers; nil when it cannot be done.
	Reset func()
	// Stall stops the broker, without an answer to anybody, until resume is called; nil when it cannot be done.
	Stall func() (resume func())
	// Sever breaks the members' connections until mend is called, or in a way that mends itself; nil when it cannot be
	// done.
	Sever func() (mend func())
	// AppendBroken puts an entry into the log that cannot be read; nil when it cannot be done.
	AppendBroken func()
}

// LogMember is one connection to the log.
type LogMember struct {
	Log ports.Log
	// Close closes it; nil when there is nothing to close.
	Close func() error
}

// Log tests an implementation of ports.Log.
func Log(t *testing.T, h LogHarness) {
	run := func(name string, test func(t *testing.T, k *logKit)) {
		t.Run(name, func(t *testing.T) { test(t, &logKit{LogHarness: h, LogCluster: h.Open(t)}) })
	}
	run("Append/round trip", appendRoundTrip)
	run("Append/order of a goroutine", appendOrder)
	run("Append/same order for all readers", appendSameOrder)
	run("Append/numbers", appendNumbers)
	run("Append/message is not changed", appendLeavesMessage)
	run("Append/context", appendContext)
	run("Append/closed", appendClosed)
	run("Tail/from now on", tailFromNowOn)
	run("Tail/everything after its return", tailAfterReturn)
	run("Tail/context bounds the start alone", tailContext)
	run("Tail/closing", tailClosing)
	run("Tail/panicking handler", tailPanic)
	run("Tail/panic in a notice", tailNoticePanic)
	run("Tail/says when it stands at the tail", tailAtTail)
	run("Tail/many at once", tailMany)
	run("Tail/knows how far it is behind", tailLag)
	run("Compare", compareOrder)
	if h.CanResume {
		run("Tail/from a position", tailResume)
		run("Tail/bad position", tailBadOffset)
	} else {
		run("Tail/positions not supported", tailUnsupported)
	}
	if h.CanReplay {
		run("Replay/ranges", replayRanges)
		run("Replay/pages", replayPages)
		run("Replay/namespaces", replayNamespaces)
		run("Replay/bad positions", replayBadOffset)
		run("Replay/context", replayContext)
	} else {
		run("Replay/not supported", replayUnsupported)
	}
	logFaults(t, h, run)
}

// logFaults runs what needs a log that can be harmed.
func logFaults(t *testing.T, h LogHarness, run func(string, func(*testing.T, *logKit))) {
	probe := new(LogCluster)
	t.Run("harness", func(t *testing.T) { *probe = h.Open(t) })
	if probe.Trim != nil {
		run("Trim/a reader is overtaken", trimOvertakes)
		if h.CanResume && h.TellsOffsets {
			run("Trim/a reader starts in the gap", trimResume)
		}
		if h.CanReplay && h.TellsOffsets {
			run("Trim/replay", trimReplay)
		}
	}
	if probe.Reset != nil {
		run("Reset/is told", resetTold)
		run("Reset/epochs have one name", epochAgreed)
	}
	if probe.Stall != nil {
		run("Stall/publishers wait, readers resume", stalled)
	}
	if probe.Sever != nil {
		run("Severed/is told, and that it is over", severedTold)
	}
	if probe.AppendBroken != nil {
		run("Broken entry/costs itself alone", brokenEntry)
	}
}

// logKit is what one test works with.
type logKit struct {
	LogHarness
	LogCluster
}

func (k *logKit) log() ports.Log { return k.Member().Log }

// tail starts a reader that is closed with the test.
func (k *logKit) tail(t *testing.T, log ports.Log, after domain.Offset, r *reader) ports.Subscription {
	t.Helper()
	s, err := log.Tail(deadline(t), after, r)
	if err != nil {
		t.Fatalf("Tail after %q: %v", after, err)
	}
	return closing(t, s)
}

func (k *logKit) append(t *testing.T, log ports.Log, m *domain.Message) domain.Offset {
	t.Helper()
	at, err := log.Append(deadline(t), m)
	if err != nil {
		t.Fatalf("Append of %s: %v", label(m), err)
	}
	if k.TellsOffsets && at == "" {
		t.Fatalf("Append of %s returned no offset", label(m))
	}
	return at
}

// fill appends labelled messages, one for each name, and returns the entries as a tail saw them.
func (k *logKit) fill(t *testing.T, names ...string) []*domain.Entry {
	t.Helper()
	log, r := k.log(), newReader()
	s := k.tail(t, log, "", r)
	for _, name := range names {
		k.append(t, log, labelled(name))
	}
	entries := r.entries(t, len(names))
	if err := s.Close(); err != nil {
		t.Fatalf("closing the tail: %v", err)
	}
	return entries
}
