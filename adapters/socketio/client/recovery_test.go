package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/inmemory"
	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
)

// startRecovering runs a node of a cluster that recovers sessions.
func startRecovering(t *testing.T, cluster *inmemory.Cluster) (io *socketio.Server, address string) {
	t.Helper()
	member := cluster.Member()
	node, err := app.NewNode(member.Log(), member.Channel(), member.Sessions(), app.Config{
		Recovery: app.Recovery{Window: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	if io, err = socketio.NewServer(node, socketio.Config{}); err != nil {
		t.Fatal(err)
	}
	socketio.OnAck(io, "join", func(ctx context.Context, s *socketio.Socket, room string) (bool, error) {
		return true, errors.Join(s.Join(ctx, room), s.SaveSession(ctx))
	})
	if err := node.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(io)
	t.Cleanup(func() {
		err := errors.Join(io.Close(), node.Close(), member.Close())
		web.Close()
		if err != nil {
			t.Errorf("close a node: %v", err)
		}
	})
	return io, strings.TrimPrefix(web.URL, "http://")
}

// TestRecovery: clients of two nodes whose connections are cut again and again, and which come back to the one node or
// the other, get every broadcast of their room once and in order.
func TestRecovery(t *testing.T) {
	const count, messages = 20, 400
	cluster := inmemory.New(inmemory.Config{})
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Errorf("close the cluster: %v", err)
		}
	})
	io, a := startRecovering(t, cluster)
	_, b := startRecovering(t, cluster)
	proxies := []*faultproxy.Proxy{faultproxy.Start(t, a), faultproxy.Start(t, b)}

	var recovered, fresh atomic.Int32
	var all sync.WaitGroup
	for i := range count {
		s := newClient(t, "http://cluster", client.Config{
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, proxies[rand.IntN(2)].Addr())
			},
		}).Of("/")
		s.OnConnect(func(context.Context) error {
			if s.Recovered() {
				recovered.Add(1)
			} else {
				fresh.Add(1)
			}
			return nil
		})
		all.Add(1)
		last := 0
		client.On(s, "n", func(_ context.Context, n int) error {
			if n != last+1 {
				return fmt.Errorf("client %d: after %d came %d", i, last, n)
			}
			if last = n; n == messages {
				all.Done()
			}
			return nil
		})
		connect(t, s)
		// A connection that is cut while it asks is made again; joining twice is joining.
		if _, err := s.EmitWithAck(patient(t), "join", "room"); err != nil {
			t.Fatal(err)
		}
	}
	for n := range messages {
		if _, err := io.To("room").Emit(t.Context(), "n", n+1); err != nil {
			t.Fatal(err)
		}
		if n%50 == 49 {
			proxies[n/50%2].Cut()
			waitFor(t, "somebody's recovery", func() bool { return int(recovered.Load()) >= n/50 })
		}
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	receive(t, "the last message, for all", done)
	t.Logf("%d recoveries", recovered.Load())
	want(t, "new sessions", fresh.Load(), count)
}
