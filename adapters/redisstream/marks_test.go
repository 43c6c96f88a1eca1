package redisstream

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/internal/testkit/realredis"
)

func TestMarks(t *testing.T) {
	server := realredis.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	marks, err := NewMarks(client, MarksConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if known, err := marks.Known(t.Context(), "0123456789abcdef"); known || err != nil {
		t.Errorf("before: %t, %v", known, err)
	}
	if err := marks.Save(t.Context(), "0123456789abcdef"); err != nil {
		t.Fatal(err)
	}
	if known, err := marks.Known(t.Context(), "0123456789abcdef"); !known || err != nil {
		t.Errorf("after: %t, %v", known, err)
	}
	// As the RedisStore of @socket.io/admin-ui has it.
	value, err := client.Get(t.Context(), "socket.io-admin#0123456789abcdef").Result()
	if value != "1" || err != nil {
		t.Errorf("the key is %q, %v", value, err)
	}
	if left := client.TTL(t.Context(), "socket.io-admin#0123456789abcdef").Val(); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("it is there for %s", left)
	}
	server.Kill()
	if _, err := marks.Known(t.Context(), "0123456789abcdef"); err == nil {
		t.Error("without Redis nothing is known")
	}
	if err := marks.Save(t.Context(), "0123456789abcdef"); err == nil {
		t.Error("without Redis nothing is saved")
	}
}

func TestMarksConfig(t *testing.T) {
	if _, err := NewMarks(nil, MarksConfig{}); err == nil {
		t.Error("no client is no error")
	}
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	if _, err := NewMarks(client, MarksConfig{Duration: time.Millisecond}); err == nil {
		t.Error("a millisecond is no error")
	}
}
