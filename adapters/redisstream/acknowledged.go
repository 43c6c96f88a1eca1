package redisstream

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// acknowledged hands messages to a channel, the next one when the one before was acknowledged.
type acknowledged struct {
	ctx      context.Context //nolint:containedctx // Watermill's contract: the subscription's, for its messages
	end      context.CancelFunc
	stream   string
	messages chan *message.Message
	notice   func(domain.Notice)
}

func newAcknowledged(ctx context.Context, stream string, notice func(domain.Notice)) *acknowledged {
	ctx, cancel := context.WithCancel(ctx)
	return &acknowledged{
		ctx: ctx, end: cancel, stream: stream, messages: make(chan *message.Message), notice: notice,
	}
}

// HandleBatch returns when all messages were acknowledged, or the subscription has ended.
func (a *acknowledged) HandleBatch(batch []watermill.Received) {
	for i := range batch {
		received := &batch[i]
		if received.Err != nil {
			a.HandleNotice(&domain.BadEntry{Stream: a.stream, Offset: received.Offset, Err: received.Err})
			continue
		}
		if !a.deliver(received) {
			return
		}
	}
}

// HandleNotice hands a notice to the Config's function.
func (a *acknowledged) HandleNotice(n domain.Notice) {
	if a.notice != nil {
		a.notice(n)
	}
}

// Pauses before a refused message comes again, before jitter.
const minNackPause, maxNackPause = time.Millisecond, 100 * time.Millisecond

// deliver hands one message over until it is acknowledged. It reports false when the subscription has ended.
func (a *acknowledged) deliver(received *watermill.Received) bool {
	for pause := minNackPause; ; pause = min(2*pause, maxNackPause) {
		acked, ended := a.deliverOnce(received)
		if acked || ended {
			return !ended
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-a.ctx.Done():
			return false
		}
	}
}

func (a *acknowledged) deliverOnce(received *watermill.Received) (acked, ended bool) {
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	m := received.Message()
	m.SetContext(ctx)
	m.UUID = uuid(m)
	m.Metadata[MetadataOffset] = string(received.Offset)
	select {
	case a.messages <- m:
	case <-a.ctx.Done():
		return false, true
	}
	select {
	case <-m.Acked():
		return true, false
	case <-m.Nacked():
		return false, false
	case <-a.ctx.Done():
		return false, true
	}
}
