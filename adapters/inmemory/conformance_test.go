package inmemory_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/internal/testkit/conformance"
	"github.com/roombus/roombus/ports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCluster(t *testing.T, config inmemory.Config) *inmemory.Cluster {
	t.Helper()
	c := inmemory.New(config)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("closing the cluster: %v", err)
		}
	})
	return c
}

func TestLog(t *testing.T) {
	conformance.Log(t, conformance.LogHarness{
		Open: func(t *testing.T) conformance.LogCluster {
			c := newCluster(t, inmemory.Config{})
			var members []*inmemory.Member
			cut := func() (mend func()) {
				for _, m := range members {
					m.Faults().Cut()
				}
				return func() {
					for _, m := range members {
						m.Faults().Mend()
					}
				}
			}
			return conformance.LogCluster{
				Member: func() conformance.LogMember {
					m := c.Member()
					members = append(members, m)
					return conformance.LogMember{Log: m.Log(), Close: m.Close}
				},
				Trim:  c.Trim,
				Reset: c.Reset,
				Stall: cut,
				Sever: cut,
			}
		},
		TellsOffsets: true,
		CanResume:    true,
		CanReplay:    true,
		CountsLoss:   true,
	})
}

func TestChannel(t *testing.T) {
	conformance.Channel(t, conformance.ChannelHarness{
		Open: func(t *testing.T) conformance.ChannelCluster {
			c := newCluster(t, inmemory.Config{})
			return conformance.ChannelCluster{
				Member: func() conformance.ChannelMember {
					m := c.Member()
					return conformance.ChannelMember{Log: m.Log(), Channel: m.Channel()}
				},
			}
		},
		HasOwnLane: true,
	})
}

func TestSessions(t *testing.T) {
	conformance.Sessions(t, conformance.SessionsHarness{
		Open: func(t *testing.T, claimFor time.Duration) conformance.SessionsCluster {
			c := newCluster(t, inmemory.Config{ClaimFor: claimFor})
			return conformance.SessionsCluster{Member: func() ports.Sessions { return c.Member().Sessions() }}
		},
	})
}
