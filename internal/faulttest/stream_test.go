package faulttest

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

const stream = redisstream.DefaultStream

func no(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func TestAForeignWriterTrims(t *testing.T) {
	const behind = 2
	server, c := onServer(t)
	l := c.publish(seeded(t))
	l.more(rate / 4)
	resume := c.members[behind].edge.stop(t)
	l.more(rate / 2)
	no(t, "trim", server.Client().XTrimMaxLen(t.Context(), stream, 100).Err())
	resume()
	l.more(rate / 2)
	l.stop()
	c.wantNoErrors()
	missing := c.wantTold()
	if r := c.members[behind].seen.report(); r.gaps != 1 || r.trimmed != uint64(missing[behind]) || r.trimmed < rate/4 {
		t.Errorf("the reader that was overtaken was told of %d lost in %d gaps and misses %d; want one gap of %d or more",
			r.trimmed, r.gaps, missing[behind], rate/4)
	}
}

func TestTheStreamIsEmptied(t *testing.T) {
	for _, c := range []struct {
		title string
		empty func(t *testing.T, client *redis.Client) error
	}{
		{"FLUSHALL", func(t *testing.T, client *redis.Client) error { return client.FlushAll(t.Context()).Err() }},
		{"DEL, as an eviction", func(t *testing.T, client *redis.Client) error {
			return client.Del(t.Context(), stream).Err()
		}},
	} {
		t.Run(c.title, func(t *testing.T) {
			const behind = 2
			server, cluster := onServer(t)
			l := cluster.publish(seeded(t))
			l.more(rate / 4)
			resume := cluster.members[behind].edge.stop(t)
			l.more(rate / 4)
			no(t, c.title, c.empty(t, server.Client()))
			resume()
			l.more(rate / 2)
			cluster.awaitResets(nodes)
			l.stop()
			cluster.wantNoErrors()
			missing := cluster.wantTold()
			if missing[behind] < rate/8 {
				t.Errorf("the node that had not read misses %d, want more", missing[behind])
			}
		})
	}
}

func TestTheKeyIsNoStreamForAWhile(t *testing.T) {
	server, c := onServer(t)
	l := c.publish(seeded(t))
	l.more(rate / 4)
	_, err := server.Client().TxPipelined(t.Context(), func(pipe redis.Pipeliner) error {
		pipe.Del(t.Context(), stream)
		pipe.Set(t.Context(), stream, "no stream", 0)
		return nil
	})
	no(t, "replace the stream", err)
	l.errors(rate / 2) // several times as long as a read blocks
	no(t, "remove the key", server.Client().Del(t.Context(), stream).Err())
	l.more(rate / 2)
	c.awaitResets(nodes)
	l.stop()
	c.wantTold()
	if _, refused, unknown := c.history.count(); refused == 0 || unknown > 0 {
		t.Errorf("%d were not published and %d unknown; want that Redis' refusal is known", refused, unknown)
	}
	for i, m := range c.members {
		if r := m.seen.report(); r.bad == 0 {
			t.Errorf("node %d was not told that it cannot read", i)
		}
	}
}

// TestRedisRefusesWrites: what Redis refuses for a reason that can pass is waited for, the rest is told at once.
func TestRedisRefusesWrites(t *testing.T) {
	for _, c := range []struct {
		title, refuse, allow string
		waits                bool
	}{
		{"OOM", "config set maxmemory 1", "config set maxmemory 0", false},
		{"NOREPLICAS", "config set min-replicas-to-write 1", "config set min-replicas-to-write 0", true},
		{"READONLY", "replicaof 127.0.0.1 1", "replicaof no one", true},
	} {
		t.Run(c.title, func(t *testing.T) {
			server, cluster := onServer(t)
			l := cluster.publish(seeded(t))
			l.more(rate / 4)
			order := func(command string) {
				t.Helper()
				var words []any
				for word := range strings.FieldsSeq(command) {
					words = append(words, word)
				}
				no(t, command, server.Client().Do(t.Context(), words...).Err())
			}
			order(c.refuse)
			if c.waits {
				pass(time.Second)
			} else {
				l.errors(rate / 2)
			}
			order(c.allow)
			l.more(rate / 2)
			l.stop()
			cluster.wantAll()
			_, refused, unknown := cluster.history.count()
			if c.waits != (refused == 0) || unknown > 0 {
				t.Errorf("%d were not published and %d unknown", refused, unknown)
			}
		})
	}
}

func TestARightIsTakenAwayForAWhile(t *testing.T) {
	server := realredis.Start(t, realredis.WithUser("app", "on", ">secret", "~*", "&*", "+@all"))
	c := start(t, func(int) *redisstream.Transport { return dial(t, server.URLFor("app", "secret"), config()) })
	l := c.publish(seeded(t))
	l.more(rate / 4)
	rights := func(rule string) {
		t.Helper()
		no(t, "change the rights", server.Client().Do(t.Context(), "acl", "setuser", "app", rule).Err())
	}
	rights("-xread")
	l.more(rate)
	rights("+xread")
	l.more(rate / 4)
	l.stop()
	c.wantNoErrors()
	c.wantTold()
	for i, m := range c.members {
		if r := m.seen.report(); r.bad != 1 || len(c.history.missing(i)) > 0 {
			t.Errorf("node %d was told %d times that it may not read, want once; it misses %d, want nothing",
				i, r.bad, len(c.history.missing(i)))
		}
	}
}
