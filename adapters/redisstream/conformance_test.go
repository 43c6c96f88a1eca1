package redisstream_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/internal/testkit/conformance"
	"github.com/roombus/roombus/internal/testkit/realredis"
	"github.com/roombus/roombus/ports"
)

// connect makes a transport that is closed with the test.
func connect(t *testing.T, url string, config redisstream.Config) *redisstream.Transport {
	t.Helper()
	transport, err := redisstream.Connect(t.Context(), url, config)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Errorf("close the transport: %v", err)
		}
	})
	return transport
}

// fresh is a configuration whose keys no other test uses. Trimming in these tests leaves ten entries, which must be
// more than a read takes.
func fresh(t *testing.T) redisstream.Config {
	return redisstream.Config{
		Stream: "stream of " + t.Name(), SessionKeyPrefix: fmt.Sprintf("session of %s:", t.Name()),
		ReadCount: 5, Block: 200 * time.Millisecond,
	}
}

func TestLogConformance(t *testing.T) {
	server := realredis.Start(t)
	conformance.Log(t, conformance.LogHarness{
		Open: func(t *testing.T) conformance.LogCluster {
			config := fresh(t)
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			return conformance.LogCluster{
				Member: func() conformance.LogMember {
					transport := connect(t, server.URL(), config)
					return conformance.LogMember{Log: transport.Log(), Close: transport.Close}
				},
				Trim: func(keep int) {
					must(server.Client().XTrimMaxLen(t.Context(), config.Stream, int64(keep)).Err())
				},
				Reset: func() { must(server.Client().Del(t.Context(), config.Stream).Err()) },
				Sever: func() (mend func()) { return killAll(t, server) },
				AppendBroken: func() {
					must(server.Client().XAdd(t.Context(), &redis.XAddArgs{
						Stream: config.Stream, Values: []string{"nsp", "/", "type", "3"},
					}).Err())
				},
			}
		},
		TellsOffsets: true, CanResume: true, CanReplay: true, CountsLoss: true,
	})
}

func TestChannelConformance(t *testing.T) {
	server := realredis.Start(t)
	conformance.Channel(t, conformance.ChannelHarness{Open: func(t *testing.T) conformance.ChannelCluster {
		config := fresh(t)
		return conformance.ChannelCluster{Member: func() conformance.ChannelMember {
			transport := connect(t, server.URL(), config)
			return conformance.ChannelMember{Log: transport.Log(), Channel: transport.Channel()}
		}}
	}})
}

func TestSessionsConformance(t *testing.T) {
	server := realredis.Start(t)
	conformance.Sessions(t, conformance.SessionsHarness{
		Open: func(t *testing.T, claimFor time.Duration) conformance.SessionsCluster {
			config := fresh(t)
			config.ClaimTimeout = claimFor
			return conformance.SessionsCluster{Member: func() ports.Sessions {
				return connect(t, server.URL(), config).Sessions()
			}}
		},
	})
}

// killAll ends all connections at the server, again and again until it is stopped: one that is ended between two reads is
// replaced without anybody noticing.
func killAll(t *testing.T, server *realredis.Server) (stop func()) {
	ended := make(chan struct{})
	var killing sync.WaitGroup
	client := server.Client()
	killing.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			if err := client.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
				t.Errorf("end the connections: %v", err)
				return
			}
			select {
			case <-tick.C:
			case <-ended:
				return
			}
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { close(ended) }); killing.Wait() }
	t.Cleanup(stop)
	return stop
}
