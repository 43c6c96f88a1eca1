package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/app"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(
		// watermill-redisstream's own subscriber sleeps for half a second after its Close.
		"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream.(*Subscriber).read",
	))
}

// cluster publishes as a node does, and as a Node.js server does.
type cluster struct {
	t       *testing.T
	emitter *app.Emitter
	client  *redis.Client
	// room are the offsets of what was sent to the room.
	room []domain.Offset
}

func newCluster(t *testing.T, server *realredis.Server) *cluster {
	t.Helper()
	transport, err := redisstream.Connect(t.Context(), server.URL(), redisstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Errorf("close the transport: %v", err)
		}
	})
	emitter, err := app.NewEmitter(transport.Log())
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{t: t, emitter: emitter, client: server.Client()}
}

func (c *cluster) broadcast(namespace, room string, n int) {
	c.t.Helper()
	packet, err := domain.NewPacket([]byte(`["message",{"n":` + strconv.Itoa(n) + `}]`))
	if err != nil {
		c.t.Fatal(err)
	}
	offset, err := c.emitter.Broadcast(c.t.Context(), namespace, domain.Target{Rooms: []string{room, "other"}}, packet)
	if err != nil {
		c.t.Fatal(err)
	}
	if namespace == "/" && room == "lobby" {
		c.room = append(c.room, offset)
	}
}

// fromNode writes an entry as a Node.js server does, which has no publisher and no number.
func (c *cluster) fromNode(data string) {
	c.t.Helper()
	id, err := c.client.XAdd(c.t.Context(), &redis.XAddArgs{
		Stream: redisstream.DefaultStream, Values: []string{"uid", "aaaaaaaaaaaaaaaa", "nsp", "/", "type", "3", "data", data},
	}).Result()
	if err != nil {
		c.t.Fatal(err)
	}
	if strings.Contains(data, "lobby") {
		c.room = append(c.room, domain.Offset(id))
	}
}

// some sends to the room and elsewhere, with entries in between that nobody can read.
func (c *cluster) some(n int) {
	for i := range n {
		c.broadcast("/", "lobby", i)
		c.broadcast("/", "elsewhere", i)
		c.broadcast("/admin", "lobby", i)
		switch i % 10 {
		case 3:
			c.fromNode(`{"packet":{"type":2,"data":["message",1]},"opts":{"rooms":["lobby"],"except":[],"flags":{}}}`)
		case 5:
			c.fromNode(`!`)
		case 7:
			c.fromNode(`{"packet":{}}`)
		}
	}
}

// running is an audit that runs.
type running struct {
	stop  context.CancelFunc
	ended chan error
	mu    sync.Mutex
	told  []string
	got   chan *record
}

func start(t *testing.T, server *realredis.Server, file string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{stop: cancel, ended: make(chan error, 1), got: make(chan *record, 1000)}
	s := settings{
		redis: server.URL(), stream: redisstream.DefaultStream, namespace: "/", room: "lobby", file: file,
		group: "audit", consumers: 2, takeOver: 300 * time.Millisecond,
		tell: func(text string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.told = append(r.told, text)
		},
		stored: func(stored *record) { r.got <- stored },
	}
	go func() { r.ended <- run(ctx, s) }()
	return r
}

// wait waits for a number of new records.
func (r *running) wait(t *testing.T, n int) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for i := range n {
		select {
		case <-r.got:
		case err := <-r.ended:
			t.Fatalf("the audit ended after %d of %d records: %v", i, n, err)
		case <-timeout:
			t.Fatalf("%d of %d records were stored", i, n)
		}
	}
}

// end stops it and returns how many records were stored meanwhile.
func (r *running) end(t *testing.T) int {
	t.Helper()
	r.stop()
	if err := <-r.ended; err != nil {
		t.Errorf("the audit ended with %v", err)
	}
	return len(r.got)
}

func readRecords(t *testing.T, file string) (records []record) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("the line %q: %v", line, err)
		}
		records = append(records, r)
	}
	return records
}

// TestEveryBroadcastOfTheRoomOnce: two consumers compete, are stopped and started again, take over what a crashed one
// left, which had stored one of its two entries but acknowledged none: each broadcast of the room is in the file once.
func TestEveryBroadcastOfTheRoomOnce(t *testing.T) {
	server := realredis.Start(t)
	c := newCluster(t, server)
	file := filepath.Join(t.TempDir(), "audit.jsonl")

	c.broadcast("/", "lobby", -2)
	c.broadcast("/", "lobby", -1)
	ctx := t.Context()
	if err := c.client.XGroupCreate(ctx, redisstream.DefaultStream, "audit", "0").Err(); err != nil {
		t.Fatal(err)
	}
	err := c.client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: "audit", Consumer: "crashed", Streams: []string{redisstream.DefaultStream, ">"},
	}).Err()
	if err != nil {
		t.Fatal(err)
	}
	left := `{"offset":"` + string(c.room[0]) + `","packet":["message"]}` + "\n" + `{"offset":"` + string(c.room[1])
	if err := os.WriteFile(file, []byte(left), 0o600); err != nil {
		t.Fatal(err)
	}

	c.some(50)
	first := start(t, server, file)
	first.wait(t, 20)
	stored := 20 + first.end(t)
	c.some(50)
	second := start(t, server, file)
	second.wait(t, len(c.room)-1-stored) // one was there before
	c.some(10)
	second.wait(t, 11)
	acknowledged(t, c.client) // what was in flight when the first was stopped is taken over as well
	if more := second.end(t); more != 0 {
		t.Errorf("%d records too many were stored", more)
	}

	records := readRecords(t, file)
	times := make(map[domain.Offset]int)
	for i := range records {
		times[records[i].Offset]++
	}
	for _, offset := range c.room {
		if times[offset] != 1 {
			t.Errorf("the broadcast at %s is in the file %d times", offset, times[offset])
		}
	}
	if len(records) != len(c.room) {
		t.Errorf("the file has %d records, the room got %d broadcasts", len(records), len(c.room))
	}
	last := records[len(records)-1]
	if last.Namespace != "/" || len(last.Rooms) == 0 || last.Node == "" || !bytes.HasPrefix(last.Packet, []byte(`["message"`)) ||
		time.Since(last.Time).Abs() > time.Minute {
		t.Errorf("the last record is %+v", last)
	}
	if told := len(first.told) + len(second.told); told < 22 {
		t.Errorf("%d entries that cannot be read were told, want all 22", told)
	}
}

// acknowledged waits until the group has read and acknowledged the whole stream.
func acknowledged(t *testing.T, client *redis.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		groups, err := client.XInfoGroups(ctx, redisstream.DefaultStream).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(groups) == 1 && groups[0].Pending == 0 && groups[0].Lag == 0 {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the groups are still at %+v", groups)
		}
	}
}

// TestWhatWasTrimmedIsTold: an audit that was away for too long says what it has missed.
func TestWhatWasTrimmedIsTold(t *testing.T) {
	server := realredis.Start(t)
	c := newCluster(t, server)
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	c.broadcast("/", "lobby", -1)
	ctx := t.Context()
	if err := c.client.XGroupCreate(ctx, redisstream.DefaultStream, "audit", "0").Err(); err != nil {
		t.Fatal(err)
	}
	err := c.client.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: "audit", Consumer: "earlier", Streams: []string{redisstream.DefaultStream, ">"}, NoAck: true,
	}).Err()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		c.broadcast("/", "lobby", i)
	}
	if err := c.client.XTrimMaxLen(ctx, redisstream.DefaultStream, 10).Err(); err != nil {
		t.Fatal(err)
	}
	audit := start(t, server, file)
	audit.wait(t, 10)
	audit.end(t)
	if len(audit.told) != 1 || !strings.HasPrefix(audit.told[0], "at least 20 entries were trimmed") {
		t.Errorf("it told %q", audit.told)
	}
}

func TestJournalRefusesWhatItDidNotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(file, []byte("my notes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openJournal(file); err == nil || !strings.Contains(err.Error(), "no record") {
		t.Errorf("opened a file of something else: %v", err)
	}
	if text, _ := os.ReadFile(file); string(text) != "my notes\n" {
		t.Errorf("the file was changed: %q", text)
	}
}
