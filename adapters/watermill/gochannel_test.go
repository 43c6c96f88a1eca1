package watermill_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/conformance"
)

// newLog makes a log over Watermill's Pub/Sub in memory, which has none of the abilities. Without waiting for
// acknowledgements it would not keep the order.
func newLog(t *testing.T, pubSub *gochannel.GoChannel) *watermill.Log {
	t.Helper()
	log, err := watermill.NewLog(pubSub, pubSub, watermill.Config{Quiet: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func newGoChannel(t *testing.T) *gochannel.GoChannel {
	t.Helper()
	pubSub := gochannel.NewGoChannel(gochannel.Config{BlockPublishUntilSubscriberAck: true}, nil)
	t.Cleanup(func() {
		if err := pubSub.Close(); err != nil {
			t.Errorf("close the Pub/Sub: %v", err)
		}
	})
	return pubSub
}

func TestLogOverGoChannel(t *testing.T) {
	conformance.Log(t, conformance.LogHarness{Open: func(t *testing.T) conformance.LogCluster {
		pubSub := newGoChannel(t)
		return conformance.LogCluster{
			Member: func() conformance.LogMember { return conformance.LogMember{Log: newLog(t, pubSub)} },
			AppendBroken: func() {
				if err := pubSub.Publish(watermill.DefaultTopic, message.NewMessage("broken", nil)); err != nil {
					t.Fatal(err)
				}
			},
		}
	}})
}

func TestChannelOverGoChannel(t *testing.T) {
	conformance.Channel(t, conformance.ChannelHarness{Open: func(t *testing.T) conformance.ChannelCluster {
		pubSub := newGoChannel(t)
		return conformance.ChannelCluster{Member: func() conformance.ChannelMember {
			log := newLog(t, pubSub)
			return conformance.ChannelMember{Log: log, Channel: watermill.NewLogChannel(log)}
		}}
	}})
}

// handler hands on what a tail reads.
type handler struct{ got chan any }

func (h *handler) HandleEntry(_ context.Context, e *domain.Entry) { h.got <- e }

func (h *handler) HandleNotice(_ context.Context, n domain.Notice) {
	if _, ok := n.(*domain.AtTail); !ok {
		h.got <- n
	}
}

func sample(t *testing.T) *domain.Message {
	t.Helper()
	return conformance.SampleMessages()[0].Message
}

func TestAppendTellsThePositionOfItsEcho(t *testing.T) {
	log := newLog(t, newGoChannel(t))
	at, err := log.Append(t.Context(), sample(t))
	if err != nil || at != "" {
		t.Errorf("where nobody reads: %q, %v; want no position", at, err)
	}
	h := &handler{got: make(chan any, 10)}
	tail, err := log.Tail(t.Context(), "", h)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	for range 3 {
		at, err := log.Append(t.Context(), sample(t))
		if err != nil || at == "" {
			t.Fatalf("append: %q, %v", at, err)
		}
		if e, ok := (<-h.got).(*domain.Entry); !ok || e.Offset != at {
			t.Errorf("appended at %q, read %+v", at, e)
		}
	}
}

var errBroken = errors.New("the broker is away")

// broken is a publisher that fails, and a subscriber whose subscriptions can be ended from outside.
type broken struct {
	message.Publisher
	subscriptions chan chan *message.Message
}

func (*broken) Publish(string, ...*message.Message) error { return errBroken }

func (b *broken) Subscribe(context.Context, string) (<-chan *message.Message, error) {
	s := make(chan *message.Message)
	b.subscriptions <- s
	return s, nil
}

func (*broken) Close() error { return nil }

func TestABrokenSubscriptionIsTold(t *testing.T) {
	b := &broken{subscriptions: make(chan chan *message.Message, 10)}
	log, err := watermill.NewLog(b, b, watermill.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h := &handler{got: make(chan any, 10)}
	tail, err := log.Tail(t.Context(), "", h)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	close(<-b.subscriptions)
	if lost, ok := (<-h.got).(*domain.TransportLost); !ok || lost.Stream != watermill.DefaultTopic || lost.Err == nil {
		t.Errorf("after the subscription ended, %+v was told", lost)
	}
	if found, ok := (<-h.got).(*domain.TransportFound); !ok || found.Stream != watermill.DefaultTopic || found.Away <= 0 {
		t.Errorf("when there was another subscription, %+v was told", found)
	}
	if gap, ok := (<-h.got).(*domain.Gap); !ok || gap.Lost != 0 || gap.Stream != watermill.DefaultTopic {
		t.Errorf("after the subscription ended, %+v was told", gap)
	}
	encoded, err := watermill.Encode(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	again := message.NewMessage("1", encoded.Payload)
	again.Metadata = encoded.Metadata
	<-b.subscriptions <- again
	if _, ok := (<-h.got).(*domain.Entry); !ok {
		t.Error("the new subscription was not read")
	}
	if _, err := log.Append(t.Context(), sample(t)); !errors.Is(err, domain.ErrUnknown) || !errors.Is(err, errBroken) {
		t.Errorf("append: %v, want ErrUnknown with the publisher's reason", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	b := &broken{}
	for _, config := range []watermill.Config{{Topics: []string{"a", "b"}}, {Quiet: -1}, {AppendTimeout: -1}} {
		if _, err := watermill.NewLog(b, b, config); err == nil {
			t.Errorf("%+v was taken", config)
		}
	}
}
