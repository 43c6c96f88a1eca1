package redisstream

import (
	"context"
	"strconv"
	"testing"
	"time"

	stock "github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

var _ stock.MarshallerUnmarshaller = Marshaller{}

// pubSub makes a publisher and a subscriber as users of Watermill do.
func pubSub(t *testing.T, config Config) (*Publisher, *Subscriber, *redis.Client) {
	t.Helper()
	server := realredis.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	pub, err := NewPublisher(client, config)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := NewSubscriber(client, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := pub.Close(); err != nil {
				t.Errorf("close the publisher: %v", err)
			}
			if err := sub.Close(); err != nil {
				t.Errorf("close the subscriber: %v", err)
			}
		}
		client.Close()
	})
	return pub, sub, client
}

func receive(t *testing.T, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case m, ok := <-messages:
		if !ok {
			t.Fatal("the channel was closed")
		}
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no message came")
		return nil
	}
}

func TestPublishAndSubscribe(t *testing.T) {
	pub, sub, _ := pubSub(t, Config{QueueBytes: 64})
	messages, err := sub.Subscribe(t.Context(), "topic")
	if err != nil {
		t.Fatal(err)
	}
	var sent []*message.Message
	for i := range 20 { // more than the queue takes at once
		m := message.NewMessage("uuid "+strconv.Itoa(i), []byte("payload "+strconv.Itoa(i)))
		m.Metadata.Set("key", "value")
		sent = append(sent, m)
	}
	if err := pub.Publish("topic", sent...); err != nil {
		t.Fatal(err)
	}
	for i, want := range sent {
		got := receive(t, messages)
		if got.UUID != want.UUID || string(got.Payload) != string(want.Payload) || got.Metadata.Get("key") != "value" {
			t.Errorf("message %d is %+v", i, got)
		}
		if offset := got.Metadata.Get(MetadataOffset); offset == "" || offset != want.Metadata.Get(MetadataOffset) {
			t.Errorf("message %d was published at %q and received at %q", i, want.Metadata.Get(MetadataOffset), offset)
		}
		if i == 3 {
			got.Nack()
			if again := receive(t, messages); again.UUID != want.UUID {
				t.Errorf("after a refusal came %q", again.UUID)
			} else {
				got = again
			}
		}
		if got.Context().Err() != nil {
			t.Error("the message's context is over before it was acknowledged")
		}
		got.Ack()
		<-got.Context().Done()
	}
}

func TestSubscriptionEnds(t *testing.T) {
	pub, sub, _ := pubSub(t, Config{After: "0-0"})
	if err := pub.Publish("topic", message.NewMessage("1", nil), message.NewMessage("2", nil)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancelledOne, err := sub.Subscribe(ctx, "topic")
	if err != nil {
		t.Fatal(err)
	}
	closedOne, err := sub.Subscribe(t.Context(), "topic")
	if err != nil {
		t.Fatal(err)
	}
	m := receive(t, cancelledOne) // neither acknowledged nor refused
	cancel()
	<-m.Context().Done()
	for range cancelledOne {
	}
	receive(t, closedOne).Ack()
	receive(t, closedOne)
	if err := sub.Close(); err != nil {
		t.Fatal(err)
	}
	for range closedOne {
	}
	if _, err := sub.Subscribe(t.Context(), "topic"); err == nil {
		t.Error("subscribed after Close")
	}
}

func TestABadEntryCostsItselfAlone(t *testing.T) {
	notices := make(chan domain.Notice, 100)
	pub, sub, client := pubSub(t, Config{Notice: func(n domain.Notice) { notices <- n }})
	messages, err := sub.Subscribe(t.Context(), "topic")
	if err != nil {
		t.Fatal(err)
	}
	id, err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "topic", Values: []string{"data", "!"}}).Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := pub.Publish("topic", message.NewMessage("next", nil)); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, messages); m.UUID != "next" {
		t.Errorf("got %+v", m)
	} else {
		m.Ack()
	}
	for n := range notices {
		if _, ok := n.(*domain.AtTail); ok {
			continue
		}
		if bad, ok := n.(*domain.BadEntry); !ok || bad.Stream != "topic" || string(bad.Offset) != id || bad.Err == nil {
			t.Errorf("told %+v", n)
		}
		break
	}
}

// TestConsumerGroupsReadOurStreams: watermill-redisstream's subscriber, with our unmarshaller.
func TestConsumerGroupsReadOurStreams(t *testing.T) {
	pub, _, client := pubSub(t, Config{})
	if err := pub.Publish("topic", mustEncode(t, broadcast(t, "stored"))); err != nil {
		t.Fatal(err)
	}
	group, err := stock.NewSubscriber(stock.SubscriberConfig{
		Client: client, Unmarshaller: Marshaller{}, ConsumerGroup: "audit", OldestId: "0",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := group.Subscribe(t.Context(), "topic")
	if err != nil {
		t.Fatal(err)
	}
	m := receive(t, messages)
	got, err := watermill.Decode(m)
	if err != nil || got.Sequence != 1 || got.Namespace != "/" {
		t.Errorf("the group got %+v (%v)", got, err)
	}
	if want := string(pub.ID()) + "-1"; m.UUID != want {
		t.Errorf("its UUID is %q, want %q", m.UUID, want)
	}
	m.Ack()
	if err := group.Close(); err != nil {
		t.Error(err)
	}
}
