package ports

import (
	"context"

	"github.com/roombus/roombus/domain"
)

// Log keeps messages in an order that all its readers agree on. All methods may be called from many goroutines.
type Log interface {
	// Append puts m at the end of its namespace's stream and returns its position.
	//
	// It blocks until the log has answered or ctx is done; where ctx has no deadline the log applies its own
	// (5 s by default). It retries what can be retried inside that time and never makes a second entry. The error
	// is domain.ErrNotPublished or domain.ErrUnknown, wrapped with the reason (the context's error, if that was it);
	// a volatile message is never retried.
	// Calls that follow each other in one goroutine are stored in their order; what two goroutines append at the
	// same time is stored in some order, the same for all readers.
	//
	// m and its bytes are read until Append returns and never changed. The log fills in the publisher's numbers in
	// the entry, not in m. The offset is zero for a transport that does not tell it.
	Append(ctx context.Context, m *domain.Message) (domain.Offset, error)

	// Tail hands every entry after the given position to h, in order, and goes on until it is closed; the zero
	// Offset means "from now on", text that is no offset of this log is domain.ErrBadOffset. It returns when the
	// position is fixed: what is appended after Tail has returned is handed over. ctx bounds the start alone.
	//
	// The entries include this process' own. A lost connection is the reader's to mend, with jittered back-off for
	// as long as it takes; it says that it has lost it, and that it has it back (domain.TransportLost,
	// domain.TransportFound), and resumes after the last entry that it handed over. What it missed for good, it says
	// (domain.Gap, domain.Reset). An entry that cannot be read costs that entry alone (domain.BadEntry).
	Tail(ctx context.Context, after domain.Offset, h LogHandler) (Subscription, error)

	// Replay returns a part of what the log holds of a namespace: entries after one position, up to and including
	// another (zero: up to the end), looking at no more than limit entries (zero: as many as the log finds
	// sensible). domain.ErrGap says that the log no longer holds the whole range, domain.ErrBadOffset that a
	// position is not of this log, domain.ErrUnsupported that the transport keeps nothing.
	Replay(ctx context.Context, namespace string, after, through domain.Offset, limit int) (domain.Page, error)

	// Compare orders two positions of one stream: negative when a is before b. It does no I/O. The zero Offset, and
	// anything that is not an offset of this log, is before everything.
	Compare(a, b domain.Offset) int
}

// LogHandler receives what a tail reads. Calls for one stream never overlap; different streams may call at the same
// time. Implementations must not block: they hold up everybody behind them. A panic costs the entry, not the reader.
type LogHandler interface {
	// HandleEntry receives an entry. It may keep e, and must not change it. ctx carries values only (the trace); it
	// is not cancelled.
	HandleEntry(ctx context.Context, e *domain.Entry)
	// HandleNotice receives a notice at its place between the entries.
	HandleNotice(ctx context.Context, n domain.Notice)
}

// Subscription is something that goes on until it is closed.
type Subscription interface {
	// Close ends it and returns when the handler will not be called again. It must not be called by the handler.
	// Calling it again does nothing.
	Close() error
}
