package redisstream

import (
	"context"
	"errors"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/internal/testkit/realredis"
)

// suiteFeatures says of Watermill's own suite what is true of us. What is not claimed are consumer groups (every
// subscriber gets every message; examples/audit has a group on our streams), and delivery exactly once, because a
// message that is refused comes again.
func suiteFeatures() tests.Features {
	return tests.Features{
		GuaranteedOrder:                  true,
		Persistent:                       true,
		NewSubscriberReceivesOldMessages: true, // with Config.After
	}
}

// suiteConstructor makes publishers and subscribers of one Redis. Most tests of the suite publish first and subscribe
// then, which a subscriber that begins now cannot pass: hence the position to begin after.
func suiteConstructor(server *realredis.Server) tests.PubSubConstructor {
	return func(t *testing.T) (message.Publisher, message.Subscriber) {
		client := redis.NewClient(&redis.Options{Addr: server.Addr()})
		config := Config{After: "0-0", MaxLength: 100_000}
		pub, err := NewPublisher(client, config)
		if err != nil {
			t.Fatal(err)
		}
		sub, err := NewSubscriber(client, config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			// The suite does not close all that it has asked for.
			if err := errors.Join(pub.Close(), sub.Close()); err != nil {
				t.Errorf("close: %v", err)
			}
			if err := client.Ping(context.WithoutCancel(t.Context())).Err(); err != nil {
				t.Errorf("the caller's client was closed: %v", err)
			}
			client.Close()
		})
		return pub, sub
	}
}

// TestWatermillSuite is what Watermill asks of every Pub/Sub (tests.TestPubSub), but for two tests that would skip
// themselves: TestConsumerGroups, which is not claimed, and TestReconnect, in whose place stands
// TestWatermillSuiteReconnect.
func TestWatermillSuite(t *testing.T) {
	constructor := suiteConstructor(realredis.Start(t))
	for name, test := range map[string]func(*testing.T, tests.TestContext, tests.PubSubConstructor){
		"TestPublishSubscribe":                  tests.TestPublishSubscribe,
		"TestConcurrentSubscribe":               tests.TestConcurrentSubscribe,
		"TestConcurrentSubscribeMultipleTopics": tests.TestConcurrentSubscribeMultipleTopics,
		"TestResendOnError":                     tests.TestResendOnError,
		"TestNoAck":                             tests.TestNoAck,
		"TestContinueAfterSubscribeClose":       tests.TestContinueAfterSubscribeClose,
		"TestConcurrentClose":                   tests.TestConcurrentClose,
		"TestContinueAfterErrors":               tests.TestContinueAfterErrors,
		"TestPublishSubscribeInOrder":           tests.TestPublishSubscribeInOrder,
		"TestPublisherClose":                    tests.TestPublisherClose,
		"TestTopic":                             tests.TestTopic,
		"TestMessageCtx":                        tests.TestMessageCtx,
		"TestSubscribeCtx":                      tests.TestSubscribeCtx,
		"TestNewSubscriberReceivesOldMessages":  tests.TestNewSubscriberReceivesOldMessages,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, tests.TestContext{TestID: tests.NewTestID(), Features: suiteFeatures()}, constructor)
		})
	}
}
