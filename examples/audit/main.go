// Command audit stores every broadcast to a room in a file of JSON lines. It reads the cluster's stream as a consumer
// group, through Watermill's own subscriber for Redis Streams, so it goes on where it stood when it is started again.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/roombus/roombus/adapters/redisstream"
)

func main() {
	var s settings
	flag.StringVar(&s.redis, "redis", "redis://localhost:6379", "the URL of the cluster's Redis")
	flag.StringVar(&s.stream, "stream", redisstream.DefaultStream, "the key of the cluster's stream")
	flag.StringVar(&s.namespace, "namespace", "/", "the room's namespace")
	flag.StringVar(&s.room, "room", "lobby", "the room")
	flag.StringVar(&s.file, "file", "audit.jsonl", "the file to append to")
	flag.StringVar(&s.group, "group", "audit", "the consumer group: its place in the stream is kept under this name")
	flag.IntVar(&s.consumers, "consumers", 2, "how many consumers share the work")
	flag.DurationVar(&s.takeOver, "take-over", 30*time.Second, "when what a consumer left unfinished is given to another")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	s.tell = func(text string) { fmt.Fprintln(os.Stderr, "audit:", text) }
	err := run(ctx, s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}
