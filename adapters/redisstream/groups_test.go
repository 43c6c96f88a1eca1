package redisstream

import (
	"testing"
	"time"

	stock "github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

// TestGroupHookTellsOffsets: a consumer group learns the ids of what it reads, and of what it claims from a consumer
// that is gone.
func TestGroupHookTellsOffsets(t *testing.T) {
	pub, _, client := pubSub(t, Config{})
	first, second := message.NewMessage("first", []byte("1")), message.NewMessage("second", []byte("2"))
	second.Metadata.Set("key", "value")
	if err := pub.Publish("topic", first, second); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := client.XGroupCreate(ctx, "topic", "group", "0").Err(); err != nil {
		t.Fatal(err)
	}
	gone := &redis.XReadGroupArgs{Group: "group", Consumer: "gone", Streams: []string{"topic", ">"}, Count: 1}
	if err := client.XReadGroup(ctx, gone).Err(); err != nil {
		t.Fatal(err)
	}

	hooked := redis.NewClient(client.Options())
	hooked.AddHook(GroupHook{})
	group, err := stock.NewSubscriber(stock.SubscriberConfig{
		Client: hooked, Unmarshaller: Marshaller{}, ConsumerGroup: "group",
		MaxIdleTime: time.Millisecond, ClaimInterval: 10 * time.Millisecond, DisableIndefiniteInitialBlock: true,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close() // closes its client as well
	messages, err := group.Subscribe(ctx, "topic")
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for len(got) < 2 {
		m := receive(t, messages)
		got[m.UUID] = m.Metadata.Get(MetadataOffset)
		m.Ack()
	}
	for _, m := range []*message.Message{first, second} {
		if want := m.Metadata.Get(MetadataOffset); got[m.UUID] != want || want == "" {
			t.Errorf("%s was published at %q, the group read it at %q", m.UUID, want, got[m.UUID])
		}
	}
}
