package domain

import "time"

// Entry is a message at its place in the log.
type Entry struct {
	// Stream is the stream that holds the entry. Offsets of one stream are in order; a namespace is in one stream.
	Stream string
	// Offset is the entry's position.
	Offset Offset
	// Time is when the log stored the entry, by the log's clock; zero where the transport does not know it.
	Time time.Time
	// Message is what was stored.
	Message Message
}

// Page is a part of a replay.
type Page struct {
	// Entries are the entries of the namespace that was asked for, in order; fewer than were asked for, or none,
	// does not mean the end.
	Entries []*Entry
	// Next is where the next page begins: after it.
	Next Offset
	// Done says that the page reached the end of the range.
	Done bool
}

// Held is how much of a stream a log holds.
type Held struct {
	// Age is how long ago the oldest entry was stored, by the log's clock; zero when there is none.
	Age time.Duration
	// Entries is how many there are.
	Entries int
	// Trimmed says that older ones were removed. Without it Age is merely how long the stream has been there.
	Trimmed bool
}

// Notice is what a reader of the log learns besides entries, told at its place in the order: *Gap, *Reset, *BadEntry,
// *AtTail, *TransportLost or *TransportFound.
type Notice interface{ isNotice() }

// Gap says that entries were lost to this reader: they were trimmed before it read them, or a publisher's numbers
// have a hole.
type Gap struct {
	Stream string
	// After is the last position that was read before the gap, Next the first after it.
	After, Next Offset
	// Lost is how many entries are missing; zero when that cannot be known.
	Lost uint64
	// Publisher is set, with the first and last missing number, when a hole in its sequence showed the gap.
	Publisher   PublisherID
	First, Last uint64
}

// Reset says that the log is not the one that was read before: it was emptied, came back older, or was replaced.
// Positions from before mean nothing in it.
type Reset struct {
	Stream string
	// Was and Is are the epochs before and after.
	Was, Is Epoch
	// Cursor is where reading goes on.
	Cursor Offset
	// Reason says what gave it away, in a few words.
	Reason string
}

// BadEntry says that an entry could not be read and was skipped.
type BadEntry struct {
	Stream string
	Offset Offset
	// Err says what was wrong with it.
	Err error
}

// AtTail says that the reader has handed over everything that the log held at Time. It comes again and again while
// the log is quiet, at least every few seconds: silence counts only while it does.
type AtTail struct {
	Stream string
	// Cursor is the last position read.
	Cursor Offset
	// Time is the reader's own clock.
	Time time.Time
	// Epoch names the log's life: the same name for all readers of the stream, from their first notice to a Reset,
	// which all of them are told, those too that had read nothing of what was lost. It is empty where the transport
	// keeps nothing that could be read again.
	Epoch Epoch
}

// TransportLost says that a stream of the log, or a lane of the channel, cannot be read for now: the connection is gone,
// or nothing can be heard on it. It is told once; the reader goes on trying. Nothing is lost by that alone: what was, a
// Gap says afterwards.
type TransportLost struct {
	// Stream is the stream, or the lane's own name for the place.
	Stream string
	// Since is when something was read last, by the reader's own clock. It can be seconds ago: a peer that is silent is
	// only found out by waiting.
	Since time.Time
	// Err says what was wrong.
	Err error
}

// TransportFound says that what was told to be lost can be read again. What follows comes after the last entry before.
type TransportFound struct {
	Stream string
	// Away is how long nothing was read: from TransportLost.Since until now.
	Away time.Duration
}

func (*Gap) isNotice()            {}
func (*Reset) isNotice()          {}
func (*BadEntry) isNotice()       {}
func (*AtTail) isNotice()         {}
func (*TransportLost) isNotice()  {}
func (*TransportFound) isNotice() {}
