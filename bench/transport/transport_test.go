package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/roombus/roombus/bench/lab"
	"github.com/roombus/roombus/internal/testkit/need"
)

// TestMain is this program where a test has it run itself.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-role") {
		main()
		return
	}
	m.Run()
}

func TestGoContenders(t *testing.T) {
	for i := range contenders {
		if c := &contenders[i]; !c.nodeJS {
			t.Run(c.name, func(t *testing.T) { runSmall(t, c) })
		}
	}
}

func TestNodeJS(t *testing.T) {
	need.Node(t)
	if _, err := lab.Packages(); err != nil {
		need.Missing(t, err.Error())
	}
	c, err := contenderNamed("nodejs")
	if err != nil {
		t.Fatal(err)
	}
	runSmall(t, c)
}

// runSmall runs a round of either kind with a few messages, of which none may be lost.
func runSmall(t *testing.T, c *contender) {
	t.Helper()
	b := &bench{
		options: options{warmup: 100, window: 50, roundLimit: 30 * time.Second},
		script:  filepath.Join(t.TempDir(), "adapter.mjs"),
	}
	var err error
	if b.self, err = os.Executable(); err != nil {
		t.Fatal(err)
	}
	if err := b.findNode(t.Context(), []*contender{c}, &report{}); err != nil {
		t.Fatal(err)
	}
	if b.server, err = lab.StartRedis(t.Context(), need.RedisServer(t), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	for _, l := range []load{{messages: 1000}, {messages: 50, rate: 500}} {
		s, err := b.round(t.Context(), c, 1, l)
		if err != nil {
			t.Fatalf("at a rate of %v: %v", l.rate, err)
		}
		if s.Received != l.messages || s.Repeated != 0 || s.Failed != 0 {
			t.Errorf("at a rate of %v: %d of %d came, %d again, %d failed",
				l.rate, s.Received, l.messages, s.Repeated, s.Failed)
		}
		if s.PerSecond <= 0 || s.PublisherCPU <= 0 || s.ReceiverCPU <= 0 {
			t.Errorf("at a rate of %v: figures are missing: %+v", l.rate, s)
		}
		if l.rate > 0 && (s.P50 <= 0 || s.P99 < s.P50) {
			t.Errorf("one way took %v ms (p50) and %v ms (p99)", s.P50, s.P99)
		}
	}
}
