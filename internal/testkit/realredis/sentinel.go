package realredis

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/internal/testkit/child"
	"github.com/roombus/roombus/internal/testkit/need"
	"github.com/roombus/roombus/internal/testkit/port"
)

// MasterName is the name under which a [Sentinel] watches its master.
const MasterName = "mymaster"

// failOverTimeout is so long that Sentinel never corrects a replica that replicates through a proxy.
const failOverTimeout = time.Minute

// Sentinel is a Redis Sentinel that watches a master and its replicas. Its vote alone is enough.
type Sentinel struct {
	t       testing.TB
	port    int
	process *child.Process
}

// StartSentinel starts a Sentinel that calls the master down after a second of silence. It ends with the test.
func StartSentinel(t testing.TB, master *Server) *Sentinel {
	t.Helper()
	for range port.Tries {
		s := &Sentinel{t: t, port: port.Candidate()}
		if s.start(master) {
			return s
		}
	}
	t.Fatalf("start a sentinel: %d ports from %d to %d were all taken", port.Tries, port.First, port.Last)
	return nil
}

// start reports false when the sentinel ended at once, because its port was taken.
func (s *Sentinel) start(master *Server) bool {
	s.t.Helper()
	dir := s.t.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	lines := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %q\nsentinel monitor %s 127.0.0.1 %d 1\n"+
		"sentinel down-after-milliseconds %s 1000\nsentinel failover-timeout %s %d\n",
		s.port, dir, MasterName, master.Port(), MasterName, MasterName, failOverTimeout.Milliseconds())
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		s.t.Fatalf("start a sentinel: %v", err)
	}
	ready := make(chan struct{})
	var once sync.Once
	process, err := child.Start(s.t, child.Config{
		Name: fmt.Sprintf("redis-sentinel on port %d", s.port),
		Path: need.RedisServer(s.t), Args: []string{file, "--sentinel"}, Dir: dir,
		OnLine: func(line []byte) {
			if bytes.Contains(line, []byte("monitor master "+MasterName)) {
				once.Do(func() { close(ready) })
			}
		},
		KeepLines: true,
	})
	if err != nil {
		s.t.Fatalf("start a sentinel: %v", err)
	}
	s.process = process
	select {
	case <-ready:
		return true
	case <-process.Exited():
		return false
	case <-time.After(startTime):
		s.t.Fatalf("start a sentinel: it was not ready within %s", startTime)
		return false
	}
}

// Addr is the host and port.
func (s *Sentinel) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is the address of the master that the Sentinel names, such as redis+sentinel://127.0.0.1:20123/mymaster.
func (s *Sentinel) URL() string { return "redis+sentinel://" + s.Addr() + "/" + MasterName }

// AwaitReplicas returns when the Sentinel knows so many replicas whose link to the master is up.
func (s *Sentinel) AwaitReplicas(n int) {
	s.t.Helper()
	client := redis.NewSentinelClient(&redis.Options{Addr: s.Addr()})
	defer client.Close()
	await(s.t, fmt.Sprintf("the sentinel knows %d replicas", n), func() bool {
		replicas, err := client.Replicas(s.t.Context(), MasterName).Result()
		up := 0
		for _, r := range replicas {
			if r["master-link-status"] == "ok" {
				up++
			}
		}
		return err == nil && up == n
	})
}

// await asks again and again for what servers agree on among themselves, and nobody announces.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	timeout := time.After(startTime)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("it did not come true within %s: %s", startTime, what)
		}
	}
}
