package redisstream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// startCluster starts a Redis Cluster of one master that holds all slots.
func startCluster(t *testing.T) *realredis.Server {
	t.Helper()
	server := realredis.Start(t, realredis.WithConfig("cluster-enabled yes"))
	if err := server.Client().ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		info, err := server.Client().ClusterInfo(t.Context()).Result()
		if err == nil && strings.Contains(info, "cluster_state:ok") {
			return server
		}
		if time.Now().After(deadline) {
			t.Fatalf("the cluster is not ready: %v", err)
		}
	}
}

func TestRedisCluster(t *testing.T) {
	server := startCluster(t)
	transport, err := Connect(t.Context(), "redis+cluster://"+server.Addr(), Config{})
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
	first := mustAppend(t, transport, "1")
	server.Restart()
	mustAppend(t, transport, "2")
	if a, b := e.next(t), e.next(t); a != "1" || b != "2" {
		t.Errorf("read %v and %v", a, b)
	}
	page, err := transport.Log().Replay(t.Context(), "/", first, "", 0)
	if err != nil || len(page.Entries) != 1 || !page.Done {
		t.Errorf("replay: %+v, %v", page, err)
	}
	s := &domain.Session{ID: "p", Socket: "s", Owner: "a", Revision: 1, KeepFor: time.Minute}
	if err := errors.Join(transport.Sessions().Save(t.Context(), []*domain.Session{s})...); err != nil {
		t.Fatal(err)
	}
	if _, err := transport.Sessions().Claim(t.Context(), "p", "b"); err != nil {
		t.Fatal(err)
	}
	if _, err := transport.Sessions().Claim(t.Context(), "p", "c"); !errors.Is(err, domain.ErrSessionClaimed) {
		t.Errorf("claimed twice: %v", err)
	}
}
