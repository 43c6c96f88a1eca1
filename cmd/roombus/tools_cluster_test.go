package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// The tools work on a Redis Cluster, whose servers have a stream each, with sharded PUB/SUB.
func TestToolsOnARedisCluster(t *testing.T) {
	cluster := realredis.StartCluster(t)
	flags := []string{"--stream-count", "3", "--pubsub", "sharded"}
	north := serveWith(t, []string{"ROOMBUS_REDIS=" + cluster.URL()}, append(flags, "--name", "north")...)
	run := func(code int, command string, args ...string) outcome {
		t.Helper()
		o := call(t, []string{"ROOMBUS_REDIS=" + cluster.URL()}, append(append([]string{command}, flags...), args...)...)
		if o.code != code {
			t.Fatalf("roombus %s %q: exit code %d, want %d; it has written:\n%s%s", command, args, o.code, code, o.stdout, o.stderr)
		}
		return o
	}
	var want []string
	for _, namespace := range []string{"/", "/admin", "/users", "/"} {
		did := objects[emitted](t, run(exitOK, "emit", "--json", "--namespace", namespace, "hello"))[0]
		want = append(want, string(did.Offset)+" "+namespace)
	}
	var got []string
	for _, r := range objects[logview.Record](t, run(exitOK, "tail", "--since", "begin", "--no-follow", "--json", "--event", "hello")) {
		got = append(got, string(r.Offset)+" "+r.Namespace)
	}
	if !slices.Equal(got, want) {
		t.Errorf("it shows\n%q, want\n%q", got, want)
	}
	if n := nodesBy(t, run(exitOK, "nodes", "--json"))["north"]; n.State != "healthy" {
		t.Errorf("north is %+v", n)
	}
	if o := run(exitOK, "rooms"); !strings.Contains(o.stdout, "1 node has counted") {
		t.Errorf("the rooms are\n%s", o.stdout)
	}
	offset, _, _ := strings.Cut(want[0], " ")
	for deadline := time.Now().Add(patience); ; {
		if o := run(exitOK, "trace", offset); strings.Contains(o.stdout, "north  has read it") {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the way is\n%s", o.stdout)
		}
	}
	north.stop()
}

// What is read to its end ends, although others go on writing without a pause.
func TestWithoutFollowingItEndsUnderLoad(t *testing.T) {
	redis := realredis.Start(t)
	addRaw(t, redis, "uid", foreign, "nsp", "/", "type", "13")
	stop := make(chan struct{})
	written := make(chan struct{})
	go func() {
		defer close(written)
		client := redis.Client()
		for {
			select {
			case <-stop:
				return
			default:
			}
			pipe := client.Pipeline()
			for range 1000 {
				pipe.Do(t.Context(), "xadd", "socket.io", "*", "uid", foreign, "nsp", "/", "type", "13")
			}
			if _, err := pipe.Exec(t.Context()); err != nil {
				return
			}
		}
	}()
	runTool(t, redis, exitOK, "tail", "--since", "begin", "--no-follow")
	close(stop)
	<-written
}
