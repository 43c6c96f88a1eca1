package redisstream

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/domain"
)

// runRouter runs a router until the test ends, and waits until its handlers have subscribed.
func runRouter(t *testing.T, router *message.Router) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- router.Run(context.WithoutCancel(t.Context())) }() // Close ends it
	t.Cleanup(func() {
		if err := router.Close(); err != nil {
			t.Errorf("close the router: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("the router ended with %v", err)
		}
	})
	select {
	case <-router.Running():
	case <-time.After(10 * time.Second):
		t.Fatal("the router did not start")
	}
}

func newRouter(t *testing.T) *message.Router {
	t.Helper()
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 10 * time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return router
}

// TestRouterWithMiddleware: what fails is retried, what goes on failing, or panics, lands in the poison queue, and what
// cannot be read at all costs itself alone.
func TestRouterWithMiddleware(t *testing.T) {
	bad := make(chan domain.Notice, 10)
	pub, sub, client := pubSub(t, Config{Notice: func(n domain.Notice) {
		if _, ok := n.(*domain.BadEntry); ok {
			bad <- n
		}
	}})
	poisoned, err := sub.Subscribe(t.Context(), "poison")
	if err != nil {
		t.Fatal(err)
	}
	poison, err := middleware.PoisonQueue(pub, "poison")
	if err != nil {
		t.Fatal(err)
	}
	router := newRouter(t)
	// From the outside in. The Recoverer stands last: before Retry it would make one panic endless redeliveries.
	router.AddMiddleware(poison, middleware.Retry{MaxRetries: 2, InitialInterval: time.Millisecond}.Middleware, middleware.Recoverer)
	calls := make(map[string]int)
	handled := make(chan string, 10)
	router.AddConsumerHandler("work", "work", sub, func(m *message.Message) error {
		calls[m.UUID]++ // one at a time: the next message comes after the acknowledgement of this one
		switch {
		case m.UUID == "panics":
			panic("thrown by the handler")
		case m.UUID == "fails twice" && calls[m.UUID] < 3:
			return errors.New("not yet")
		}
		handled <- m.UUID
		return nil
	})
	runRouter(t, router)

	publish := func(uuid string) {
		t.Helper()
		if err := pub.Publish("work", message.NewMessage(uuid, []byte("{}"))); err != nil {
			t.Fatal(err)
		}
	}
	publish("fails twice")
	publish("panics")
	if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "work", Values: []string{"data", "!"}}).Err(); err != nil {
		t.Fatal(err)
	}
	publish("last")
	for _, want := range []string{"fails twice", "last"} {
		if got := waitFor(t, handled, "a message for the handler"); got != want {
			t.Errorf("handled %q, want %q", got, want)
		}
	}
	m := receive(t, poisoned)
	if reason := m.Metadata.Get(middleware.ReasonForPoisonedKey); m.UUID != "panics" || reason == "" {
		t.Errorf("the poison queue got %q, for the reason %q", m.UUID, reason)
	}
	m.Ack()
	waitFor(t, bad, "the report of the entry that cannot be read")
	if calls["fails twice"] != 3 || calls["panics"] != 3 || calls["last"] != 1 {
		t.Errorf("the calls were %v", calls)
	}
}

// TestRouterResendsWhatWasRefused: without middleware the router refuses what its handler returned an error for.
func TestRouterResendsWhatWasRefused(t *testing.T) {
	pub, sub, client := pubSub(t, Config{})
	router := newRouter(t)
	attempts := 0
	handled := make(chan string, 10)
	// A handler that publishes: its answer is stored before the message is acknowledged.
	router.AddHandler("answer", "questions", sub, "answers", pub, func(m *message.Message) ([]*message.Message, error) {
		attempts++
		if attempts < 4 {
			return nil, errors.New("not yet")
		}
		return []*message.Message{message.NewMessage("answer to "+m.UUID, m.Payload)}, nil
	})
	router.AddConsumerHandler("read", "answers", sub, func(m *message.Message) error {
		handled <- m.UUID
		return nil
	})
	runRouter(t, router)
	if err := pub.Publish("questions", message.NewMessage("question", []byte("?"))); err != nil {
		t.Fatal(err)
	}
	if got := waitFor(t, handled, "an answer"); got != "answer to question" || attempts != 4 {
		t.Errorf("got %q after %d attempts", got, attempts)
	}
	if err := router.Close(); err != nil {
		t.Fatal(err)
	}
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("the router's end closed the caller's client: %v", err)
	}
}

func waitFor[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(10 * time.Second):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}
