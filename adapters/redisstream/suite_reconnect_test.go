package redisstream

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/internal/testkit/realredis"
)

// TestWatermillSuiteReconnect asks what the suite's TestReconnect asks: all connections are cut, twice, while a hundred
// goroutines publish. The suite's own does not wait for its publishers: it compares what was received with a list that
// they are still writing, so it fails now and then whoever is tested. This one waits, and wants each message once.
func TestWatermillSuiteReconnect(t *testing.T) {
	const publishers, each = 100, 50
	server := realredis.Start(t)
	pub, sub := suiteConstructor(server)(t)
	topic := "reconnect"
	incoming, err := sub.Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}

	var published sync.Map
	var running sync.WaitGroup
	half := make(chan struct{}, publishers)
	for range publishers {
		running.Go(func() {
			for i := range each {
				m := message.NewMessage(watermill.NewUUID(), []byte("x"))
				if err := pub.Publish(topic, m); err != nil {
					t.Errorf("publish: %v", err)
				}
				published.Store(m.UUID, true)
				if i == each/2 {
					half <- struct{}{}
				}
			}
		})
	}
	cut := func() {
		if err := server.Client().ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
			t.Errorf("cut the connections: %v", err)
		}
	}
	for i := range publishers {
		<-half
		if i == publishers/4 || i == publishers/2 {
			cut()
		}
	}

	received := make(map[string]int)
	timeout := time.After(30 * time.Second)
	for len(received) < publishers*each {
		select {
		case m := <-incoming:
			received[m.UUID]++
			m.Ack()
		case <-timeout:
			t.Fatalf("%d of %d messages arrived", len(received), publishers*each)
		}
	}
	running.Wait()
	var wrong []string
	for id, times := range received {
		if _, ok := published.Load(id); !ok || times != 1 {
			wrong = append(wrong, fmt.Sprintf("%s %d times", id, times))
		}
	}
	if len(wrong) > 0 {
		t.Errorf("not published, or not once: %v", wrong)
	}
}
