package faulttest

import (
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// patient is a configuration whose publishers wait for a fail-over.
func patient() redisstream.Config {
	c := config()
	c.PublishTimeout = 20 * time.Second
	return c
}

// failOver lets a master lose its replica and then fail, so that the fail-over loses what it has acknowledged in
// between. Two nodes have read that, the third has not.
func failOver(t *testing.T, master *realredis.Server, c *cluster) {
	t.Helper()
	const behind = 2
	l := c.publish(seeded(t))
	l.more(rate / 2)
	resume := c.members[behind].edge.stop(t)
	master.DropReplicas()
	l.more(rate / 4)
	master.Kill()
	l.more(rate / 4)
	resume()
	l.more(rate)
	c.awaitResets(nodes) // the one that had not read learns it from the others
	l.stop()
	c.wantOneEpoch()
	c.wantNoErrors()
	missing := c.wantTold()
	if missing[behind] < rate/8 {
		t.Errorf("the node that had not read misses %d, want that the fail-over lost more", missing[behind])
	}
	for i := range behind {
		// It may miss what was stored and not read at the moment of the failure.
		if missing[i] >= rate/8 {
			t.Errorf("node %d had read everything and misses %d", i, missing[i])
		}
	}
}

func TestSentinelFailOver(t *testing.T) {
	master := realredis.Start(t)
	realredis.StartReplica(t, master.Addr())
	sentinel := realredis.StartSentinel(t, master)
	sentinel.AwaitReplicas(1)
	failOver(t, master, start(t, func(int) *redisstream.Transport { return dial(t, sentinel.URL(), patient()) }))
}

func TestClusterFailOver(t *testing.T) {
	servers := realredis.StartCluster(t)
	master := servers.Owner(redisstream.DefaultStream)
	servers.AddReplica(master)
	failOver(t, master, start(t, func(int) *redisstream.Transport { return dial(t, servers.URL(), patient()) }))
}

// TestASlotMoves moves the stream to another master under load, twice, and lets the slot hang between the two for a
// while: the old owner no longer has the stream, and the new one is not its owner yet.
func TestASlotMoves(t *testing.T) {
	servers := realredis.StartCluster(t)
	c := start(t, func(int) *redisstream.Transport { return dial(t, servers.URL(), config()) })
	l := c.publish(seeded(t))
	for range 2 {
		l.more(rate / 2)
		servers.MoveSlot(stream, func() { l.more(rate / 4) })
	}
	l.more(rate / 2)
	l.stop()
	c.wantNoErrors()
	c.wantAll()
}
