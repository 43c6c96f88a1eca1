package realredis

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestSentinelPromotesAReplica(t *testing.T) {
	master := Start(t)
	replica := StartReplica(t, master.Addr())
	sentinel := StartSentinel(t, master)
	sentinel.AwaitReplicas(1)
	set(t, master, "k", "1")
	if err := master.Client().Wait(t.Context(), 1, startTime).Err(); err != nil {
		t.Fatal(err)
	}
	master.Kill()
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: MasterName, SentinelAddrs: []string{sentinel.Addr()},
	})
	defer client.Close()
	await(t, "the replica takes writes", func() bool { return client.Set(t.Context(), "k", "2", 0).Err() == nil })
	want(t, replica, "k", "2")
}

func TestClusterPromotesAReplica(t *testing.T) {
	cluster := StartCluster(t)
	owner := cluster.Owner("k")
	replica := cluster.AddReplica(owner)
	set(t, owner, "k", "1")
	owner.Kill()
	await(t, "the replica takes writes", func() bool { return replica.Client().Set(t.Context(), "k", "2", 0).Err() == nil })
	want(t, replica, "k", "2")
}

func TestClusterMovesASlot(t *testing.T) {
	cluster := StartCluster(t)
	from := cluster.Owner("k")
	set(t, from, "k", "1")
	cluster.MoveSlot("k", func() {
		if err := from.Client().Get(t.Context(), "k").Err(); !redis.HasErrorPrefix(err, "ASK") {
			t.Errorf("while the slot is moved: %v, want ASK", err)
		}
	})
	if err := from.Client().Get(t.Context(), "k").Err(); !redis.HasErrorPrefix(err, "MOVED") {
		t.Errorf("when the slot was moved: %v, want MOVED", err)
	}
	if to := cluster.Owner("k"); to == from {
		t.Error("it is still where it was")
	} else {
		want(t, to, "k", "1")
	}
}

func TestTLS(t *testing.T) {
	secure, option := WithTLS(t)
	server := Start(t, option)
	set(t, server, "k", "1")
	for _, c := range []struct {
		title   string
		options *redis.Options
		ok      bool
	}{
		{"trusted", &redis.Options{Addr: secure.Addr(), TLSConfig: secure.Config()}, true},
		{"without TLS", &redis.Options{Addr: secure.Addr(), MaxRetries: -1}, false},
	} {
		client := redis.NewClient(c.options)
		got, err := client.Get(t.Context(), "k").Result()
		if c.ok != (err == nil && got == "1") {
			t.Errorf("%s: %q, %v", c.title, got, err)
		}
		_ = client.Close()
	}
}
