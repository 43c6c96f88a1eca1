package faulttest

import (
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// onServer is a cluster on one server.
func onServer(t *testing.T, opts ...realredis.Option) (*realredis.Server, *cluster) {
	t.Helper()
	server := realredis.Start(t, opts...)
	return server, start(t, func(int) *redisstream.Transport { return dial(t, server.URL(), config()) })
}

func TestRedisHangs(t *testing.T) {
	server, c := onServer(t)
	l := c.publish(seeded(t))
	l.more(rate / 2)
	server.Pause()
	pass(3 * time.Second)
	server.Resume()
	l.more(4 * rate)
	l.stop()
	c.wantNoErrors()
	c.wantAll()
}

// TestTheMachineDies: the system had not yet written to the disk what Redis has answered, as can happen with
// appendfsync everysec. Two nodes have read that, the third has not.
func TestTheMachineDies(t *testing.T) {
	const behind = 2
	server, c := onServer(t)
	l := c.publish(seeded(t))
	l.more(rate / 2)
	resume := c.members[behind].edge.stop(t)
	onDisk := server.AOFSize()
	l.more(rate / 4)
	server.Kill()
	server.TruncateAOF(onDisk)
	server.Start()
	l.more(rate / 4)
	resume()
	l.more(rate / 2)
	c.awaitResets(behind)
	l.stop()
	c.wantNoErrors()
	if missing := c.wantTold(); missing[behind] < rate/8 {
		t.Errorf("the node that had not read misses %d, want more", missing[behind])
	}
}

func TestRedisIsKilledAndRestarted(t *testing.T) {
	for _, fsync := range []string{"always", "everysec"} {
		t.Run("appendfsync "+fsync, func(t *testing.T) {
			server, c := onServer(t, realredis.WithConfig("appendfsync "+fsync))
			l := c.publish(seeded(t))
			l.more(rate / 2)
			server.Kill()
			pass(time.Second)
			server.Start()
			l.more(2 * rate)
			l.stop()
			c.wantNoErrors()
			c.wantAll()
		})
	}
}
