package redisstream

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// TestTheWriterWatchesDeadlines: a caller whose context has no deadline waits for the publish timeout, and no longer,
// although there is no timer a message.
func TestTheWriterWatchesDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config, err := Config{PublishTimeout: 2 * time.Second, NoFlowControl: true}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		p := newPublisher(nil, config)
		w := newWriter(p, "s") // it does not run, so nothing gets an outcome by itself
		p.writers["s"] = w
		began := time.Now()
		ended := make(chan time.Duration)
		publish := func(ctx context.Context, want error) {
			_, err := p.Append(ctx, "s", &watermill.Draft{Payload: []byte("{}")}, watermill.Retried)
			if !errors.Is(err, domain.ErrNotPublished) || !errors.Is(err, want) {
				t.Errorf("ended with %v, want %v", err, want)
			}
			ended <- time.Since(began)
		}
		go publish(t.Context(), context.DeadlineExceeded)
		synctest.Wait()
		time.Sleep(500 * time.Millisecond) // of the bubble's clock
		go publish(t.Context(), context.DeadlineExceeded)
		own, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go publish(own, context.DeadlineExceeded)
		gone, leave := context.WithCancel(t.Context())
		go publish(gone, context.Canceled)
		synctest.Wait()
		leave()
		for _, want := range []time.Duration{
			500 * time.Millisecond, 1500 * time.Millisecond, 2 * time.Second, 2500 * time.Millisecond,
		} {
			if got := <-ended; got != want {
				t.Errorf("one ended after %s, want %s", got, want)
			}
		}
		if !p.room.TryAcquire(config.QueueBytes) {
			t.Error("the queue is not empty")
		}
		synctest.Wait()
		if w.watching {
			t.Error("the clock is set, and there is nothing to watch")
		}
		if batch, _ := w.take(); len(batch) != 0 {
			t.Errorf("%d messages wait", len(batch))
		}
	})
}
