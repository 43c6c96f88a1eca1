package redisstream

import (
	"github.com/roombus/roombus/domain"
)

// streamInfo is what a server says of a stream (XINFO STREAM). The zero streamInfo is that of a stream that is not
// there.
type streamInfo struct {
	length int64
	// added is how many entries were ever added (Redis 7.0 and later).
	added int64
	first entryID // zero when the stream is empty
	last  entryID // the id that was generated last
	// epoch is the stored name of the stream's epoch; looked says that it was asked for.
	epoch  epoch
	looked bool
}

// firstPosition is the place of the first entry among all that were ever added, counted from 1. XDEL, which nobody
// here uses, would make it too large.
func (i *streamInfo) firstPosition() int64 { return i.added - i.length + 1 }

// trimmed reports whether a batch that was read from the stream before is there no more.
func (i *streamInfo) trimmed(batch []entryID) bool {
	return len(batch) > 0 && (i.length == 0 || batch[len(batch)-1].compare(i.first) < 0)
}

// place is where a reader stands in a stream: after which entry, and how many were added up to there. Reading itself
// says nothing of entries that were trimmed before they were read; comparing the two counts does (cases 6 and 9 of
// docs/guarantees.md).
type place struct {
	stream string
	cursor entryID
	// count is how many entries were added up to and including the cursor; known says that it is right.
	count int64
	known bool
	// first is the stream's first entry, and sure the cursor, when both were last compared.
	first, sure entryID
	// epoch is what readers call the stream's life.
	epoch epoch
}

// startPlace is the place from which a reader goes on after a position, or at the end of the stream where none is
// given. The gap is not nil when entries after the position may be gone already.
func startPlace(stream string, after domain.Offset, info streamInfo) (p place, gap *domain.Gap) {
	p = place{stream: stream, cursor: info.last, sure: info.last, count: info.added, known: true, first: info.first}
	if after == "" {
		return p, nil
	}
	p.cursor, _ = parseID(after)
	p.sure = p.cursor
	switch {
	case p.cursor == info.last:
	case info.added == info.length && p.cursor.compare(info.first) < 0:
		p.count = 0
	case info.length == 0 && p.cursor.compare(info.last) < 0:
		gap = p.gapOf(0, info, nil)
		p.cursor, p.count = info.last, info.added
	case info.length > 0 && p.cursor.compare(info.first) < 0:
		gap = p.gapOf(0, info, nil)
		p.cursor, p.count = info.first.before(), info.firstPosition()-1
	default:
		p.known = false
	}
	return p, gap
}

// check compares what a server says of the stream with the place and with a batch that was read from it just before.
// It returns what is to be told before the batch is handed over, and whether the batch is to be thrown away because
// reading goes on elsewhere.
func (p *place) check(info streamInfo, batch []entryID) (notice domain.Notice, discard bool) {
	end, read := p.cursor, int64(len(batch))
	if len(batch) > 0 {
		end = batch[len(batch)-1]
	}
	if info.last.compare(end) < 0 || p.known && info.added < p.count+read {
		return p.reset(info, batch, end)
	}
	gap := p.gap(info, batch)
	if info.last == end { // nothing is left to read, so the counts must agree
		if rest := info.added - read - p.count; p.known && rest > 0 && gap == nil {
			gap = p.gapOf(rest, info, batch)
		}
		p.count, p.known = info.added-read, true
	}
	p.first, p.sure = info.first, end
	if gap == nil {
		return nil, false
	}
	return gap, false
}

// gap finds out what was trimmed between the cursor and the batch.
func (p *place) gap(info streamInfo, batch []entryID) *domain.Gap {
	switch {
	case info.length > 0 && info.first.compare(p.cursor) <= 0, info.added == p.count && p.known:
		return nil // the stream still begins before the cursor, or has nothing after it
	case !p.known:
		if info.added == info.length {
			return nil // nothing was ever trimmed
		}
		return p.gapOf(0, info, batch)
	}
	// The place of the batch's first entry, if it can be told from the place of the stream's first.
	position := info.firstPosition()
	next := p.count + 1
	for i, id := range batch {
		if id == info.first {
			position -= int64(i)
			break
		}
	}
	if info.trimmed(batch) {
		// The batch itself was trimmed meanwhile. What is missing is missing before it or right after it.
		position -= int64(len(batch))
	}
	lost := position - next
	if lost <= 0 {
		return nil
	}
	p.count += lost
	return p.gapOf(lost, info, batch)
}

func (p *place) gapOf(lost int64, info streamInfo, batch []entryID) *domain.Gap {
	gap := &domain.Gap{Stream: p.stream, After: p.cursor.offset(), Lost: uint64(max(lost, 0))}
	if len(batch) > 0 {
		gap.Next = batch[0].offset()
	} else if info.length > 0 {
		gap.Next = info.first.offset()
	}
	return gap
}

// reset goes on in a stream that is not the one of before. One that began anew is read from its beginning; one that
// came back older, as after a fail-over, from where both are the same, as far as that can be known. The names of the
// epochs are for the reader to find.
func (p *place) reset(info streamInfo, batch []entryID, end entryID) (notice *domain.Reset, discard bool) {
	reason := "the stream was emptied or replaced"
	// A stream of which nothing was trimmed still has its first entry. Another one is that of another stream.
	anew := info.length == 0 || info.added == info.length && info.first != p.first
	switch {
	case anew && info.length == 0:
		p.cursor, p.count, p.known, discard = info.last, info.added, true, true
	case anew && info.first.compare(p.sure) <= 0:
		// The new stream's clock is behind: what it holds was never read.
		p.cursor, p.count, p.known, discard = entryID{}, 0, true, true
	case !anew && info.last.compare(p.cursor) <= 0:
		reason = "the stream came back older than it was"
		p.cursor, p.count, p.known, discard = info.last, info.added, true, true
	default:
		if !anew {
			reason = "the stream came back older than it was"
		}
		// Everything in it after the cursor of before is in the batch, or was read already.
		p.known = info.last == end
		p.count = info.added - int64(len(batch))
	}
	p.first, p.sure = info.first, end
	if discard {
		p.sure = p.cursor
	}
	return &domain.Reset{Stream: p.stream, Cursor: p.cursor.offset(), Reason: reason}, discard
}

// advance moves the place behind a batch.
func (p *place) advance(batch []entryID) {
	if len(batch) > 0 {
		p.cursor = batch[len(batch)-1]
		p.count += int64(len(batch))
	}
}
