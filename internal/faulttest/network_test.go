package faulttest

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// behindProxies is a cluster whose nodes reach the server through a proxy each.
func behindProxies(t *testing.T, config redisstream.Config) ([nodes]*faultproxy.Proxy, *cluster) {
	t.Helper()
	server := realredis.Start(t)
	var proxies [nodes]*faultproxy.Proxy
	for i := range proxies {
		proxies[i] = faultproxy.Start(t, server.Addr())
	}
	return proxies, start(t, func(node int) *redisstream.Transport {
		return dial(t, "redis://"+proxies[node].Addr(), config)
	})
}

func TestConnectionsAreCut(t *testing.T) {
	const cuts = 15
	for _, c := range []struct {
		title     string
		direction faultproxy.Direction
		passes    func(chance *rand.Rand) int // how many bytes before the cut
	}{
		{"before the request arrives", faultproxy.Requests, func(*rand.Rand) int { return 0 }},
		{"within the request", faultproxy.Requests, func(chance *rand.Rand) int { return 1 + chance.IntN(5000) }},
		{"after the request has arrived", faultproxy.Answers, func(*rand.Rand) int { return 0 }},
		{"within the answer", faultproxy.Answers, func(chance *rand.Rand) int { return 1 + chance.IntN(2000) }},
	} {
		t.Run(c.title, func(t *testing.T) {
			chance := seeded(t)
			proxies, cluster := behindProxies(t, config())
			l := cluster.publish(chance)
			l.more(rate / 4)
			for range cuts {
				await(t, "a cut", proxies[chance.IntN(nodes)].CutAfter(c.direction, c.passes(chance)))
				l.more(rate / 20)
			}
			l.more(rate / 2)
			l.stop()
			cluster.wantNoErrors()
			cluster.wantAll()
		})
	}
}

func TestAnswersAreHeld(t *testing.T) {
	t.Run("for less than publishers wait", func(t *testing.T) {
		proxies, c := behindProxies(t, config())
		l := c.publish(seeded(t))
		l.more(rate / 4)
		await(t, "an answer", proxies[0].Hold(faultproxy.Answers))
		pass(2 * time.Second)
		proxies[0].Release(faultproxy.Answers)
		l.more(rate)
		l.stop()
		c.wantNoErrors()
		c.wantAll()
	})
	t.Run("for longer", func(t *testing.T) {
		impatient := config()
		impatient.PublishTimeout = time.Second
		proxies, c := behindProxies(t, impatient)
		l := c.publish(seeded(t))
		l.more(rate / 4)
		await(t, "an answer", proxies[0].Hold(faultproxy.Answers))
		pass(3 * time.Second)
		proxies[0].Release(faultproxy.Answers)
		l.more(rate)
		l.stop()
		c.wantAll()
		if _, refused, unknown := c.history.count(); refused == 0 || unknown == 0 {
			t.Errorf("%d were not published and %d unknown; want some of both", refused, unknown)
		}
	})
}
