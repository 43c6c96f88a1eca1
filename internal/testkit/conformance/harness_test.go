package conformance_test

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/conformance"
	"github.com/roombus/roombus/ports"
)

// The transport in memory runs the kits with all that a harness can offer. Here they run with the least.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCluster(t *testing.T) *inmemory.Cluster {
	t.Helper()
	c := inmemory.New(inmemory.Config{})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("closing the cluster: %v", err)
		}
	})
	return c
}

func TestLogWithoutMemory(t *testing.T) {
	conformance.Log(t, conformance.LogHarness{Open: func(t *testing.T) conformance.LogCluster {
		c := newCluster(t)
		return conformance.LogCluster{
			Member: func() conformance.LogMember { return conformance.LogMember{Log: forgetful{c.Member().Log()}} },
			AppendBroken: func() {
				broken := &domain.Message{Namespace: "/", Body: &domain.Broadcast{Packet: conformance.Packet(`["broken"]`)}}
				if _, err := c.Member().Log().Append(t.Context(), broken); err != nil {
					t.Errorf("Append: %v", err)
				}
			},
		}
	}})
}

func TestChannelOverTheLog(t *testing.T) {
	conformance.Channel(t, conformance.ChannelHarness{Open: func(t *testing.T) conformance.ChannelCluster {
		c := newCluster(t)
		return conformance.ChannelCluster{Member: func() conformance.ChannelMember {
			log := c.Member().Log()
			return conformance.ChannelMember{Log: log, Channel: overLog{log}}
		}}
	}})
}

// forgetful is a log that tells no offsets and keeps nothing to go back to. It cannot read what is broken.
type forgetful struct{ ports.Log }

func (f forgetful) Append(ctx context.Context, m *domain.Message) (domain.Offset, error) {
	_, err := f.Log.Append(ctx, m)
	return "", err
}

func (f forgetful) Tail(ctx context.Context, after domain.Offset, h ports.LogHandler) (ports.Subscription, error) {
	if after != "" {
		return nil, domain.ErrUnsupported
	}
	return f.Log.Tail(ctx, after, picky{h})
}

func (forgetful) Replay(context.Context, string, domain.Offset, domain.Offset, int) (domain.Page, error) {
	return domain.Page{}, domain.ErrUnsupported
}

type picky struct{ ports.LogHandler }

func (p picky) HandleEntry(ctx context.Context, e *domain.Entry) {
	if b, ok := e.Message.Body.(*domain.Broadcast); ok && b.Packet.Event() == "broken" {
		p.HandleNotice(ctx, &domain.BadEntry{Stream: e.Stream, Offset: e.Offset, Err: errors.New("broken")})
		return
	}
	p.LogHandler.HandleEntry(ctx, e)
}

// overLog is a channel that is served over the log.
type overLog struct{ log ports.Log }

func (o overLog) Send(ctx context.Context, _ domain.NodeID, m *domain.Message) error {
	_, err := o.log.Append(ctx, m)
	return err
}

func (o overLog) Listen(ctx context.Context, _ string, _ domain.NodeID, _ ports.ChannelHandler) (ports.Subscription, error) {
	return nothing{}, ctx.Err()
}

type nothing struct{}

func (nothing) Close() error { return nil }
