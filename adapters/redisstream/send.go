package redisstream

import (
	"context"
	"fmt"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// answer is what a server said of one message: the id of its entry, or why it has none.
type answer struct {
	id  domain.Offset
	err error
}

// sendAll appends the live messages in a transaction. The error is a server's answer when none was stored.
func (f *flush) sendAll(ctx context.Context) error {
	f.writeTransaction()
	raw, err := f.conn.exchange(ctx, f.request, len(f.live)+2)
	if err != nil {
		return err
	}
	refusal, err := f.readTransaction(&reply{rest: raw})
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	stored := false
	for i := range f.answers {
		if id := f.answers[i].id; id != "" {
			stored = true
			f.last = id
			f.live[i].decide(id, nil)
		}
	}
	if !stored {
		return refusal
	}
	// Inside a transaction that ran, Redis can still refuse single commands.
	for i, a := range f.answers {
		if a.id == "" {
			f.live[i].decide("", fmt.Errorf("%w: %w", domain.ErrNotPublished, a.err))
		}
	}
	return nil
}

// writeTransaction writes MULTI, an XADD for each live message, and EXEC. The last XADD trims for all: nobody sees the
// stream between them. Only where one removes a limited number does each.
func (f *flush) writeTransaction() {
	b := appendWord(appendCommand(f.request[:0], 1), "multi")
	before := f.before()
	for i, e := range f.live {
		skipped := e.sequence - before - 1
		before = e.sequence
		trims := i == len(f.live)-1 || f.publisher.config.TrimLimit > 0
		words := xaddWords
		if trims {
			words += len(f.publisher.trim)
		}
		b = appendCommand(b, words+e.count+numberWords(skipped))
		b = appendWord(appendWord(b, "xadd"), f.stream)
		if trims {
			b = f.appendTrimming(b)
		}
		b = append(appendWord(b, "*"), e.words...)
		b = appendNumbers(b, f.publisher.id, e.sequence, skipped)
	}
	f.request = appendWord(appendCommand(b, 1), "exec")
}

// xaddWords are XADD, the stream, and the star.
const xaddWords = 3

// before is the last number before those of the live messages that was not given up.
func (f *flush) before() uint64 { return f.batch[0].sequence - 1 - f.skipped }

// appendTrimming appends how an XADD trims.
func (f *flush) appendTrimming(b []byte) []byte {
	config := &f.publisher.config
	for i, word := range f.publisher.trim {
		if i == thresholdAt && config.Retention > 0 {
			word = config.oldest(f.last)
		}
		b = appendWord(b, word)
	}
	return b
}

// numberWords is how many words appendNumbers appends.
func numberWords(skipped uint64) int {
	if skipped > 0 {
		return 6
	}
	return 4
}

// appendNumbers appends the fields that number a message, which come last.
func appendNumbers(b []byte, publisher domain.PublisherID, sequence, skipped uint64) []byte {
	b = appendWord(appendWord(b, watermill.FieldPublisher), publisher)
	b = appendDecimal(appendWord(b, watermill.FieldSequence), sequence)
	if skipped > 0 {
		b = appendDecimal(appendWord(b, watermill.FieldSkipped), skipped)
	}
	return b
}

// readTransaction reads the answers to a transaction: one for each live message, and the first refusal. The error is
// that they cannot be read.
func (f *flush) readTransaction(r *reply) (refusal, err error) {
	note := func(err error) error {
		if refusal == nil && isReply(err) {
			refusal = err
		}
		return err
	}
	multi := note(r.status())
	if multi != nil && !isReply(multi) {
		return nil, multi
	}
	f.answers = f.answers[:0]
	for range f.live {
		var a answer
		if multi == nil {
			a.err = note(r.status()) // it is queued
		} else {
			a.id, a.err = r.id() // without MULTI it was executed
		}
		if a.err != nil && !isReply(a.err) {
			return nil, a.err
		}
		f.answers = append(f.answers, a)
	}
	n, err := r.list()
	if multi != nil || isReply(note(err)) {
		return refusal, nil
	}
	if err == nil && n != len(f.answers) {
		err = errReply
	}
	if err != nil {
		return nil, err
	}
	for i := range f.answers {
		a := &f.answers[i]
		if a.id, a.err = r.id(); note(a.err) != nil && !isReply(a.err) {
			return nil, a.err
		}
	}
	return refusal, nil
}

// sendMissing appends those of the live messages that no earlier attempt has stored.
func (f *flush) sendMissing(ctx context.Context) error {
	f.writeRetry()
	raw, err := f.conn.exchange(ctx, f.request, 1)
	if err != nil {
		return err
	}
	r := reply{rest: raw}
	n, err := r.list()
	if err != nil {
		return err
	}
	if n != len(f.live) {
		return errReply
	}
	f.answers = f.answers[:0]
	for range f.live {
		id, err := r.id()
		if err != nil {
			return err
		}
		f.answers = append(f.answers, answer{id: id})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, a := range f.answers {
		f.last = a.id
		f.live[i].decide(a.id, nil)
	}
	return nil
}

// writeRetry writes a call of the script that appends what is absent.
func (f *flush) writeRetry() {
	words := 7 + len(f.publisher.trim)
	before := f.before()
	for _, e := range f.live {
		words += 2 + e.count + numberWords(e.sequence-before-1)
		before = e.sequence
	}
	from := "-"
	if f.base != "" {
		from = "(" + string(f.base)
	}
	b := appendCommand(f.request[:0], words)
	b = appendWord(appendWord(b, "eval"), retryScript)
	b = appendWord(appendDecimal(b, 1), f.stream)
	b = appendWord(appendWord(b, from), f.publisher.id)
	b = f.appendTrimming(appendDecimal(b, uint64(len(f.publisher.trim))))
	before = f.before()
	for _, e := range f.live {
		skipped := e.sequence - before - 1
		before = e.sequence
		b = appendDecimal(b, e.sequence)
		b = appendDecimal(b, uint64(e.count+numberWords(skipped)))
		b = append(b, e.words...)
		b = appendNumbers(b, f.publisher.id, e.sequence, skipped)
	}
	f.request = b
}
