package redisstream

import (
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/realredis"
)

func TestSentinelFailOver(t *testing.T) {
	master := realredis.Start(t)
	replica := realredis.StartReplica(t, master.Addr())
	sentinel := realredis.StartSentinel(t, master)
	sentinel.AwaitReplicas(1)
	transport, err := Connect(t.Context(), sentinel.URL(), Config{
		PublishTimeout: 20 * time.Second, Block: 200 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	e := &events{got: make(chan any, 10)}
	follow(t, transport, e)
	mustAppend(t, transport, "before")
	if replicas, err := master.Client().Wait(t.Context(), 1, 20*time.Second).Result(); err != nil || replicas != 1 {
		t.Fatalf("replication: %d replicas, %v", replicas, err)
	}
	master.Kill()
	mustAppend(t, transport, "after") // waits for the fail-over
	if a, b := e.next(t), e.next(t); a != "before" || b != "after" {
		t.Errorf("read %v and %v", a, b)
	}
	wantEvents(t, replica, "before", "after")
}
