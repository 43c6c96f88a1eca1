package redisstream_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/internal/testkit/conformance"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// TestCase24_LogConformanceOverFourStreams: the kit's entries are in the namespace /, and so in the stream 3.
func TestCase24_LogConformanceOverFourStreams(t *testing.T) {
	server := realredis.Start(t)
	conformance.Log(t, conformance.LogHarness{
		Open: func(t *testing.T) conformance.LogCluster {
			config := fresh(t)
			config.Streams = 4
			stream := config.Stream + "-3"
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
				Trim:  func(keep int) { must(server.Client().XTrimMaxLen(t.Context(), stream, int64(keep)).Err()) },
				Reset: func() { must(server.Client().Del(t.Context(), stream).Err()) },
				AppendBroken: func() {
					must(server.Client().XAdd(t.Context(), &redis.XAddArgs{
						Stream: stream, Values: []string{"nsp", "/", "type", "3"},
					}).Err())
				},
			}
		},
		TellsOffsets: true, CanResume: true, CanReplay: true, CountsLoss: true,
	})
}
