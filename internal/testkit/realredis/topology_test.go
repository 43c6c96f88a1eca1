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
