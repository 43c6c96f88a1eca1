package redisstream

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/internal/testkit/child"
	"github.com/roombus/roombus/internal/testkit/need"
	"github.com/roombus/roombus/internal/testkit/port"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// startSentinel starts a Redis Sentinel that watches a master, and returns its port. One vote is enough for it.
func startSentinel(t *testing.T, master *realredis.Server) int {
	t.Helper()
	for range port.Tries {
		number := port.Candidate()
		dir := t.TempDir()
		file := filepath.Join(dir, "sentinel.conf")
		lines := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %q\nsentinel monitor mymaster 127.0.0.1 %d 1\n"+
			"sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 5000\n",
			number, dir, master.Port())
		if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		ready := make(chan struct{})
		var once sync.Once
		process, err := child.Start(t, child.Config{
			Name: "redis-sentinel", Path: need.RedisServer(t), Args: []string{file, "--sentinel"}, Dir: dir,
			OnLine: func(line []byte) {
				if bytes.Contains(line, []byte("monitor master mymaster")) {
					once.Do(func() { close(ready) })
				}
			},
			KeepLines: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-ready:
			return number
		case <-process.Exited(): // the port was taken
		case <-time.After(10 * time.Second):
			t.Fatal("the sentinel is not ready")
		}
	}
	t.Fatal("no port for a sentinel")
	return 0
}

// until waits for something that the servers do among themselves.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%s took too long", what)
		}
	}
}

func TestSentinelFailOver(t *testing.T) {
	master := realredis.Start(t)
	replica := realredis.Start(t, realredis.WithConfig("replicaof 127.0.0.1 "+strconv.Itoa(master.Port())))
	sentinelPort := startSentinel(t, master)
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: "127.0.0.1:" + strconv.Itoa(sentinelPort)})
	defer sentinel.Close()
	until(t, "finding the replica", func() bool {
		replicas, err := sentinel.Replicas(t.Context(), "mymaster").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
	})
	transport, err := Connect(t.Context(), fmt.Sprintf("redis+sentinel://127.0.0.1:%d/mymaster", sentinelPort), Config{
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
	until(t, "replication", func() bool {
		return replica.Client().XLen(t.Context(), DefaultStream).Val() == 1
	})
	master.Kill()
	mustAppend(t, transport, "after") // waits for the fail-over
	if a, b := e.next(t), e.next(t); a != "before" || b != "after" {
		t.Errorf("read %v and %v", a, b)
	}
	wantEvents(t, replica, "before", "after")
}
