package watermill

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/domain"
)

// silent is a Pub/Sub that takes everything and delivers nothing. Its subscriptions can be ended from outside.
type silent struct{ subscriptions chan chan *message.Message }

func newSilent() *silent { return &silent{subscriptions: make(chan chan *message.Message, 10)} }

func (*silent) Publish(string, ...*message.Message) error { return nil }

func (s *silent) Subscribe(context.Context, string) (<-chan *message.Message, error) {
	messages := make(chan *message.Message)
	s.subscriptions <- messages
	return messages, nil
}

func (*silent) Close() error { return nil }

type deaf struct{}

func (deaf) HandleBatch([]Received)     {}
func (deaf) HandleNotice(domain.Notice) {}

func countedOver(s *silent) *counted {
	return newCounted(s, s, Config{AppendTimeout: time.Minute, Quiet: time.Minute})
}

func empty() *message.Message {
	m := message.NewMessage("", nil)
	m.Metadata = message.Metadata{}
	return m
}

func TestAnEchoThatDoesNotComeIsForgotten(t *testing.T) {
	c := countedOver(newSilent())
	tail, err := c.tail(t.Context(), "x", "", deaf{})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if at, err := c.append(ctx, "x", empty()); at != "" || err != nil {
		t.Errorf("append: %q, %v; want no position and no error", at, err)
	}
	topic := c.topic("x")
	topic.mu.Lock()
	defer topic.mu.Unlock()
	if n := len(topic.echoes); n != 0 {
		t.Errorf("%d echoes are waited for after their append has returned", n)
	}
}

func TestASubscriptionThatEndsLetsTheAppendsGo(t *testing.T) {
	s := newSilent()
	c := countedOver(s)
	tail, err := c.tail(t.Context(), "x", "", deaf{})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	appended := make(chan error, 1)
	go func() {
		_, err := c.append(t.Context(), "x", empty())
		appended <- err
	}()
	close(<-s.subscriptions)
	select {
	case err := <-appended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the append still waits for an echo that was published to nobody")
	}
}

func TestNoTailFromAPositionBehindWhichNobodyHasRead(t *testing.T) {
	c := countedOver(newSilent())
	tail, err := c.tail(t.Context(), "x", "", deaf{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.tail(t.Context(), "x", countedOffset(0), deaf{})
	if err != nil {
		t.Fatalf("a second tail from the position of the first: %v", err)
	}
	if err := errors.Join(second.Close(), tail.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.tail(t.Context(), "x", countedOffset(0), deaf{}); !errors.Is(err, domain.ErrUnsupported) {
		t.Errorf("a tail from where the last one has ended: %v, want ErrUnsupported", err)
	}
}
