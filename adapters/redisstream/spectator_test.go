package redisstream

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// looking is what a spectator may do at the least.
var looking = strings.Fields("on >secret resetchannels -@all ~socket.io +ping +hello +auth +info +xread +xrange +xinfo|stream")

func TestASpectatorReadsWithTheRightsToReadAlone(t *testing.T) {
	server := realredis.Start(t, realredis.WithUser("app", looking...))
	spectator := open(t, "app:secret@"+server.Addr(), Config{Spectator: true})
	warnings, err := spectator.Check(t.Context())
	if err != nil || len(warnings) != 0 {
		t.Errorf("check: %q, %v", warnings, err)
	}
	e := &events{got: make(chan any, 10)}
	follow(t, spectator, e)
	for _, event := range []string{"one", "two"} {
		add(t, server, event)
		if got := e.next(t); got != event {
			t.Errorf("read %v, want %s", got, event)
		}
	}
	if keys := server.Client().Keys(t.Context(), "*").Val(); !slices.Equal(keys, []string{"socket.io"}) {
		t.Errorf("the keys in Redis are %q, want the stream alone", keys)
	}

	// It finds by itself that the stream was replaced.
	server.Client().Del(t.Context(), "socket.io")
	addAt(t, server, "1-1", "another")
	if reset, ok := e.next(t).(*domain.Reset); !ok || reset.Is != "" {
		t.Errorf("it was told %+v, want a reset without a name", reset)
	}
	if got := e.next(t); got != "another" {
		t.Errorf("read %v, want another", got)
	}

	for _, command := range []string{"xread", "xrange", "xinfo"} {
		server.Client().Do(t.Context(), "acl", "setuser", "app", "-"+command)
		_, err := Connect(t.Context(), server.URLFor("app", "secret"), Config{Spectator: true})
		if err == nil || !strings.Contains(err.Error(), strings.ToUpper(command)) {
			t.Errorf("without %s: %v", command, err)
		}
		server.Client().Do(t.Context(), "acl", "setuser", "app", "+"+command)
	}
}

// add stores an entry as Node.js would.
func add(t *testing.T, server *realredis.Server, event string) {
	t.Helper()
	addAt(t, server, "*", event)
}

func addAt(t *testing.T, server *realredis.Server, id, event string) {
	t.Helper()
	err := server.Client().XAdd(t.Context(), &redis.XAddArgs{Stream: "socket.io", ID: id, Values: []string{
		"uid", "00000000000000aa", "nsp", "/", "type", "3",
		"data", `{"packet":{"type":2,"data":["` + event + `"]},"opts":{"rooms":[],"except":[],"flags":{}}}`,
	}}).Err()
	if err != nil {
		t.Fatal(err)
	}
}

// A publisher waits for a tail of another process that is half of the maximum length behind; not for a spectator's.
func TestPublishersDoNotWaitForASpectator(t *testing.T) {
	const length = 1000
	server := realredis.Start(t)
	slow := &events{got: make(chan any, 10*length), block: make(chan struct{})}
	follow(t, open(t, server.Addr(), Config{Spectator: true}), slow)
	defer close(slow.block)
	publisher := open(t, server.Addr(), Config{MaxLength: length, OnSlowdown: func(s Slowdown) {
		t.Errorf("a publisher waits for a spectator: %+v", s)
	}})
	for range 3 * length {
		mustAppend(t, publisher, "x")
	}
	if readers := server.Client().Exists(t.Context(), readersKey("socket.io")).Val(); readers != 0 {
		t.Error("the spectator has told publishers where it stands")
	}
}

// A process that asks without being a node is answered where nobody counts it.
func TestWhoListensPrivatelyIsNotCounted(t *testing.T) {
	for _, mode := range []PubSubMode{PubSubPlain, PubSubSharded} {
		t.Run(string(mode), func(t *testing.T) {
			server := realredis.Start(t)
			asker, node := open(t, server.Addr(), Config{PubSub: mode}), open(t, server.Addr(), Config{PubSub: mode})
			heard := make(heardMessages, 10)
			ear, err := asker.ListenPrivately(t.Context(), "/", domain.EmitterID, heard)
			if err != nil {
				t.Fatal(err)
			}
			defer ear.Close()
			if _, others, err := node.pubSub.Listening(t.Context(), "/", nil); err != nil || others != 0 {
				t.Errorf("%d are counted, %v; want none", others, err)
			}
			toAll := &domain.Message{Node: "00000000000000aa", Namespace: "/", Body: &domain.FetchSockets{Request: "all"}}
			toIt := &domain.Message{Node: "00000000000000aa", Namespace: "/", Body: &domain.FetchSocketsReply{Request: "it"}}
			if err := node.Channel().Send(t.Context(), "", toAll); err != nil {
				t.Fatal(err)
			}
			if err := node.Channel().Send(t.Context(), domain.EmitterID, toIt); err != nil {
				t.Fatal(err)
			}
			select {
			case m := <-heard:
				if reply, ok := m.Body.(*domain.FetchSocketsReply); !ok || reply.Request != "it" {
					t.Errorf("it heard a %s, want the answer alone", m.Kind())
				}
			case <-time.After(10 * time.Second):
				t.Error("the answer has not come")
			}
		})
	}
	server := realredis.Start(t)
	ear, err := open(t, server.Addr(), Config{}).ListenPrivately(t.Context(), "/", domain.EmitterID, make(heardMessages))
	if err != nil || ear.Close() != nil {
		t.Errorf("without a lane: %v", err)
	}
}

type heardMessages chan *domain.Message

func (h heardMessages) HandleMessage(_ context.Context, m *domain.Message) { h <- m }
