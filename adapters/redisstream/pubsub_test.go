package redisstream_test

import (
	"testing"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/internal/testkit/conformance"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// lanes are the modes in which there is a lane of its own.
var lanes = []redisstream.PubSubMode{redisstream.PubSubPlain, redisstream.PubSubSharded}

func TestPubSubConformance(t *testing.T) {
	server := realredis.Start(t)
	for _, mode := range lanes {
		t.Run(string(mode), func(t *testing.T) {
			conformance.Channel(t, conformance.ChannelHarness{
				HasOwnLane: true,
				Open: func(t *testing.T) conformance.ChannelCluster {
					config := fresh(t)
					config.PubSub, config.ChannelPrefix = mode, "prefix of "+t.Name()
					return conformance.ChannelCluster{Member: func() conformance.ChannelMember {
						transport := connect(t, server.URL(), config)
						return conformance.ChannelMember{Log: transport.Log(), Channel: transport.Channel()}
					}}
				},
			})
		})
	}
}
