package inmemory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/roombus/roombus/domain"
)

// Faults lets things go wrong for one member, in tests and simulations: what happens is decided by whoever holds the
// control, never by chance or by the clock, so a run can be repeated from its seed. Nothing goes wrong unless it is
// asked for. A node that is killed is a member that is cut and then closed; one that starts again is a new member. All
// methods may be called from many goroutines.
type Faults struct {
	member *Member

	mu       sync.Mutex // held while a decision is made, so decisions never overlap
	planned  []AppendFault
	onAppend func(m *domain.Message) AppendFault
	onSend   func(to domain.NodeID, m *domain.Message) SendFault
	onRead   func(e *domain.Entry) time.Duration
}

// AppendFault is what happens to one append. The zero AppendFault is that nothing goes wrong.
type AppendFault struct {
	// Delay is how long the message waits before the log gets it. When the append's context ends first, the
	// message is not published.
	Delay time.Duration
	// AnswerDelay is how long the answer is on its way back once the log has the message. When the append's context
	// ends first, or the member is closed, the answer is lost: domain.ErrUnknown.
	AnswerDelay time.Duration
	// Outcome is how the append ends.
	Outcome AppendOutcome
}

// AppendOutcome is how an append ends.
type AppendOutcome uint8

// The outcomes. An error uses up the publisher's number, and the next message says so (domain.Message.Skipped).
const (
	// AppendStored: the message is in the log, and its offset is returned.
	AppendStored AppendOutcome = iota
	// AppendRefused: domain.ErrNotPublished; the message is not in the log.
	AppendRefused
	// AppendLost: domain.ErrUnknown; the message is not in the log. It is told without waiting for the deadline.
	AppendLost
	// AppendAnswerLost: domain.ErrUnknown, and yet the message is in the log. It is told without waiting for the
	// deadline, too.
	AppendAnswerLost
	// AppendRepeated: two entries with the same number, as a blind retry leaves them; the second comes after
	// AnswerDelay, so that others can be between the two. The offset is the second's.
	AppendRepeated
)

var errInjected = errors.New("injected fault")

// stored reports whether the log gets the message.
func (o AppendOutcome) stored() bool { return o != AppendRefused && o != AppendLost }

// Succeeds reports whether the publisher is told an offset.
func (o AppendOutcome) Succeeds() bool { return o == AppendStored || o == AppendRepeated }

// err is what the publisher is told.
func (o AppendOutcome) err() error {
	switch o {
	case AppendRefused:
		return fmt.Errorf("%w: %w", domain.ErrNotPublished, errInjected)
	case AppendLost, AppendAnswerLost:
		return fmt.Errorf("%w: %w", domain.ErrUnknown, errInjected)
	default:
		return nil
	}
}

// SendFault is what happens to one message on the channel. The zero SendFault is that nothing goes wrong.
type SendFault struct {
	// Delay is how long the message waits before the lane gets it.
	Delay time.Duration
	// Lost says that nobody receives the message; the sender is not told.
	Lost bool
}

// Faults is the control over what goes wrong for this member.
func (m *Member) Faults() *Faults { return &m.faults }

// NextAppends plans what happens to the member's next appends, one fault for each, behind what is planned already.
func (f *Faults) NextAppends(faults ...AppendFault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.planned = append(f.planned, faults...)
}

// OnAppend sets who decides about every append that no plan is made for; nil decides that nothing goes wrong. The
// function is called where the append begins, one call at a time, and must not call the member or its Faults.
func (f *Faults) OnAppend(decide func(m *domain.Message) AppendFault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onAppend = decide
}

// OnSend sets who decides about every message on the channel, as OnAppend does for appends.
func (f *Faults) OnSend(decide func(to domain.NodeID, m *domain.Message) SendFault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onSend = decide
}

// OnRead sets who decides how long an entry that a tail has taken is on its way to the tail's handler; nil decides that
// it is there at once. The function is called for one entry of the member at a time.
func (f *Faults) OnRead(decide func(e *domain.Entry) time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.onRead = decide
}

// Hold makes the member's tails stand still until Resume, as slow readers do. Once it has returned a tail takes nothing
// more from the log; one entry that it had taken before may still reach its handler.
func (f *Faults) Hold() { f.set(func(m *Member) { m.held = true }) }

// Resume ends Hold.
func (f *Faults) Resume() { f.set(func(m *Member) { m.held = false }) }

// Cut takes the member's connection away until Mend: tails stand still, listeners miss what is sent, and every call
// waits up to its deadline and then fails without having done anything.
func (f *Faults) Cut() { f.set(func(m *Member) { m.cut = true }) }

// Mend ends Cut.
func (f *Faults) Mend() { f.set(func(m *Member) { m.cut = false }) }

// Freeze stops the member until Thaw, as a process that gets SIGSTOP is stopped: its handlers are not called (but for
// an entry that was taken before, as with Hold), what is sent to it waits, and its calls return only when it goes on.
// Time that passes counts: a call whose deadline is over by then fails.
func (f *Faults) Freeze() { f.set(func(m *Member) { m.frozen = true }) }

// Thaw ends Freeze.
func (f *Faults) Thaw() { f.set(func(m *Member) { m.frozen = false }) }

func (f *Faults) set(change func(*Member)) {
	m := f.member
	m.cluster.mu.Lock()
	defer m.cluster.mu.Unlock()
	change(m)
	m.change()
}

func (f *Faults) nextAppend(m *domain.Message) AppendFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.planned) > 0 {
		next := f.planned[0]
		f.planned = f.planned[1:]
		return next
	}
	if f.onAppend == nil {
		return AppendFault{}
	}
	return f.onAppend(m)
}

func (f *Faults) nextSend(to domain.NodeID, m *domain.Message) SendFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onSend == nil {
		return SendFault{}
	}
	return f.onSend(to, m)
}

func (f *Faults) nextRead(e *domain.Entry) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onRead == nil {
		return 0
	}
	return f.onRead(e)
}

// delay waits, but no longer than until ctx is done.
func (m *Member) delay(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("held up on the way: %w", ctx.Err())
	}
}
