package redisstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/faultproxy"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// open makes a transport that is closed with the test.
func open(t *testing.T, addr string, config Config) *Transport {
	t.Helper()
	transport, err := Connect(t.Context(), "redis://"+addr, config)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return transport
}

func broadcast(t testing.TB, text string) *domain.Message {
	t.Helper()
	packet, err := domain.NewPacket(fmt.Appendf(nil, "[%q]", text))
	if err != nil {
		t.Fatal(err)
	}
	return &domain.Message{Node: "0123456789abcdef", Namespace: "/", Body: &domain.Broadcast{Packet: packet}}
}

func volatile(t testing.TB, text string) *domain.Message {
	m := broadcast(t, text)
	m.Body.(*domain.Broadcast).Target.Flags.Volatile = true
	return m
}

// stored are the messages in the stream, each as its event, number and what was skipped before it.
func stored(t *testing.T, server *realredis.Server) (events []string, messages []domain.Message) {
	t.Helper()
	entries, err := server.Client().XRange(t.Context(), DefaultStream, "-", "+").Result()
	if err != nil {
		t.Fatalf("read the stream: %v", err)
	}
	for _, e := range entries {
		raw, err := unmarshal(e.Values)
		if err != nil {
			t.Fatal(err)
		}
		m, err := watermill.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
		events = append(events, m.Body.(*domain.Broadcast).Packet.Event())
	}
	return events, messages
}

func mustAppend(t *testing.T, transport *Transport, text string) domain.Offset {
	t.Helper()
	at, err := transport.Log().Append(t.Context(), broadcast(t, text))
	if err != nil {
		t.Fatalf("append %s: %v", text, err)
	}
	return at
}

func wantEvents(t *testing.T, server *realredis.Server, want ...string) {
	t.Helper()
	if got, _ := stored(t, server); !slices.Equal(got, want) {
		t.Errorf("the stream holds %q, want %q", got, want)
	}
}

// fast is a configuration with short patience.
func fast() Config { return Config{PublishTimeout: 2 * time.Second, Block: 200 * time.Millisecond} }

func TestCase01_TheAnswerIsLostAndRedisStaysAway(t *testing.T) {
	server := realredis.Start(t)
	proxy := faultproxy.Start(t, server.Addr())
	transport := open(t, proxy.Addr(), fast())
	mustAppend(t, transport, "before")

	cut := proxy.CutAfter(faultproxy.Answers, 0)
	result := make(chan error, 1)
	go func() {
		_, err := transport.Log().Append(t.Context(), broadcast(t, "unknown"))
		result <- err
	}()
	<-cut
	proxy.Refuse()
	err := <-result
	if !errors.Is(err, domain.ErrUnknown) || errors.Is(err, domain.ErrNotPublished) {
		t.Errorf("the answer was lost: %v, want ErrUnknown alone", err)
	}
	_, err = transport.Log().Append(t.Context(), broadcast(t, "never sent"))
	if !errors.Is(err, domain.ErrNotPublished) || errors.Is(err, domain.ErrUnknown) {
		t.Errorf("never sent: %v, want ErrNotPublished alone", err)
	}
	if err := proxy.Accept(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, transport, "after")
	wantEvents(t, server, "before", "unknown", "after")
	// The hole that errors left is no loss.
	_, messages := stored(t, server)
	watch := domain.NewSequences()
	for _, m := range messages {
		if seen := watch.Observe(&m, time.Now()); seen.Repeat || seen.Lost() > 0 {
			t.Errorf("message %d after %d skipped is taken for %+v", m.Sequence, m.Skipped, seen)
		}
	}
}

func TestCase02_ARetryMakesNoSecondEntry(t *testing.T) {
	server := realredis.Start(t)
	proxy := faultproxy.Start(t, server.Addr())
	transport := open(t, proxy.Addr(), Config{})
	mustAppend(t, transport, "0")
	want := []string{"0"}
	for i := 1; i <= 5; i++ {
		proxy.CutAfter(faultproxy.Answers, 7*i) // in the answer to MULTI, to XADD, to EXEC
		text := strconv.Itoa(i)
		at := mustAppend(t, transport, text)
		want = append(want, text)
		last, err := server.Client().XRevRangeN(t.Context(), DefaultStream, "+", "-", 1).Result()
		if err != nil || last[0].ID != string(at) {
			t.Fatalf("round %d: appended at %s, but the last entry is %v (%v)", i, at, last, err)
		}
	}
	wantEvents(t, server, want...)
}

func TestCase02_BytesInFlightDoNotLandLater(t *testing.T) {
	server := realredis.Start(t)
	proxy := faultproxy.Start(t, server.Addr())
	transport := open(t, proxy.Addr(), fast())
	mustAppend(t, transport, "0")
	held := proxy.Hold(faultproxy.Requests)
	result := make(chan error, 1)
	go func() {
		_, err := transport.Log().Append(t.Context(), broadcast(t, "1"))
		result <- err
	}()
	<-held
	// Longer than an attempt, so that a second connection waits as well.
	timer := time.NewTimer(fast().PublishTimeout / 2)
	<-timer.C
	proxy.Release(faultproxy.Requests)
	if err := <-result; err != nil {
		t.Fatalf("append: %v", err)
	}
	mustAppend(t, transport, "2")
	wantEvents(t, server, "0", "1", "2")
}

func TestCase02_AHangOfRedisIsWaitedFor(t *testing.T) {
	server := realredis.Start(t)
	transport := open(t, server.Addr(), fast())
	mustAppend(t, transport, "0")
	server.Pause()
	result := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := transport.Log().Append(t.Context(), broadcast(t, "hang"))
			result <- err
		}()
	}
	timer := time.NewTimer(time.Second)
	<-timer.C
	server.Resume()
	for range 2 {
		if err := <-result; err != nil {
			t.Errorf("append: %v", err)
		}
	}
	mustAppend(t, transport, "1")
	wantEvents(t, server, "0", "hang", "hang", "1")
}

func TestCase02_WithoutTheRightToKillNothingIsSentAgain(t *testing.T) {
	server := realredis.Start(t, realredis.WithUser("app", "on", ">secret", "~*", "+@all", "-client"))
	proxy := faultproxy.Start(t, server.Addr())
	transport := open(t, "app:secret@"+proxy.Addr(), fast())
	warnings, err := transport.Check(t.Context())
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "CLIENT KILL") {
		t.Errorf("check: %q, %v; want a warning about CLIENT KILL", warnings, err)
	}
	mustAppend(t, transport, "0")
	proxy.CutAfter(faultproxy.Answers, 0)
	if _, err := transport.Log().Append(t.Context(), broadcast(t, "1")); !errors.Is(err, domain.ErrUnknown) {
		t.Errorf("append: %v, want ErrUnknown", err)
	}
	mustAppend(t, transport, "2")
	wantEvents(t, server, "0", "1", "2")
}

func TestVolatileIsSentOnce(t *testing.T) {
	server := realredis.Start(t)
	proxy := faultproxy.Start(t, server.Addr())
	transport := open(t, proxy.Addr(), fast())
	mustAppend(t, transport, "0")
	proxy.CutAfter(faultproxy.Requests, 0)
	if _, err := transport.Log().Append(t.Context(), volatile(t, "1")); !errors.Is(err, domain.ErrUnknown) {
		t.Errorf("append: %v, want ErrUnknown", err)
	}
	mustAppend(t, transport, "2")
	wantEvents(t, server, "0", "2")
}

func TestCase04_AFlushIsWholeAndInOrderOrNotAtAll(t *testing.T) {
	server := realredis.Start(t)
	transport := open(t, server.Addr(), Config{})
	mustAppend(t, transport, "0")
	set := func(limit string) {
		t.Helper()
		if err := server.Client().ConfigSet(t.Context(), "maxmemory", limit).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("1")
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			_, err := transport.Log().Append(t.Context(), broadcast(t, "refused"))
			if !errors.Is(err, domain.ErrNotPublished) || !strings.Contains(err.Error(), "OOM") {
				t.Errorf("append without memory: %v, want ErrNotPublished with Redis' reason", err)
			}
		})
	}
	wg.Wait()
	set("0")
	mustAppend(t, transport, "1")
	wantEvents(t, server, "0", "1")
	_, messages := stored(t, server)
	if m := messages[1]; m.Sequence != 32 || m.Skipped != 30 {
		t.Errorf("the next message has number %d with %d skipped, want 32 and 30", m.Sequence, m.Skipped)
	}
}

// TestCase04_NothingOvertakesAnUnresolvedFlush publishes from many goroutines while connections are cut again and
// again, before the request, in it, and in the answer.
func TestCase04_NothingOvertakesAnUnresolvedFlush(t *testing.T) {
	server := realredis.Start(t)
	proxy := faultproxy.Start(t, server.Addr())
	transport := open(t, proxy.Addr(), Config{})
	const writers, each = 8, 60
	done := make(chan struct{})
	var cutter, wg sync.WaitGroup
	cutter.Go(func() {
		for i := 0; ; i++ {
			cut := proxy.CutAfter(faultproxy.Direction(i%2), 900*(i%5))
			select {
			case <-cut:
			case <-done:
				return
			}
		}
	})
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := transport.Log().Append(t.Context(), broadcast(t, fmt.Sprintf("%d-%02d", w, i))); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	close(done)
	cutter.Wait()
	events, messages := stored(t, server)
	if len(events) != writers*each {
		t.Fatalf("the stream holds %d entries, want %d", len(events), writers*each)
	}
	for i, m := range messages {
		if m.Sequence != uint64(i+1) {
			t.Fatalf("entry %d has number %d", i+1, m.Sequence)
		}
	}
	for w := range writers {
		own := slices.DeleteFunc(slices.Clone(events), func(e string) bool {
			return !strings.HasPrefix(e, strconv.Itoa(w)+"-")
		})
		if !slices.IsSorted(own) {
			t.Errorf("writer %d: %q", w, own)
		}
	}
}

// events hands on the events of a tail, and its notices but those of the tail.
type events struct {
	got   chan any
	block chan struct{} // the first entry waits for it, if it is set
	once  sync.Once
}

func (e *events) HandleEntry(_ context.Context, entry *domain.Entry) {
	if e.block != nil {
		e.once.Do(func() {
			e.got <- "blocked"
			<-e.block
		})
	}
	e.got <- entry.Message.Body.(*domain.Broadcast).Packet.Event()
}

// HandleNotice passes on what is wrong with the entries. That the transport was away is its tests' affair: what matters
// here is what was read nevertheless.
func (e *events) HandleNotice(_ context.Context, n domain.Notice) {
	switch n.(type) {
	case *domain.AtTail, *domain.TransportLost, *domain.TransportFound:
	default:
		e.got <- n
	}
}

// next waits for the next event or notice.
func (e *events) next(t *testing.T) any {
	t.Helper()
	select {
	case got := <-e.got:
		return got
	case <-time.After(20 * time.Second):
		t.Fatal("the reader has stopped")
		return nil
	}
}

func follow(t *testing.T, transport *Transport, e *events) {
	t.Helper()
	tail, err := transport.Log().Tail(t.Context(), "", e)
	if err != nil {
		t.Fatalf("tail: %v", err)
	}
	t.Cleanup(func() {
		if err := tail.Close(); err != nil {
			t.Errorf("close the tail: %v", err)
		}
	})
}

func TestCase06_TrimmingOvertakesAReader(t *testing.T) {
	const total = 50_000
	server := realredis.Start(t)
	transport := open(t, server.Addr(), Config{})
	e := &events{got: make(chan any, total+10), block: make(chan struct{})}
	follow(t, transport, e)
	mustAppend(t, transport, "first")
	if got := e.next(t); got != "blocked" {
		t.Fatalf("got %v", got)
	}
	fields := storedPairs(t, mustEncode(t, broadcast(t, "x")))
	for range total / 1000 {
		_, err := server.Client().Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
			for range 1000 {
				pipe.XAdd(t.Context(), &redis.XAddArgs{
					Stream: DefaultStream, MaxLen: DefaultMaxLength, Approx: true, Values: fields,
				})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	mustAppend(t, transport, "last")
	close(e.block)
	read, lost, gaps := 0, uint64(0), 0
	for {
		switch got := e.next(t).(type) {
		case *domain.Gap:
			gaps++
			lost += got.Lost
			continue
		case string:
			read++
			if got != "last" {
				continue
			}
		default:
			t.Fatalf("got %+v", got)
		}
		break
	}
	if gaps != 1 || uint64(read)+lost != total+2 || lost < 39_000 {
		t.Errorf("%d read and %d told to be lost in %d gaps, want %d together and one gap", read, lost, gaps, total+2)
	}
}

func TestCase09_AnEmptiedStreamIsTold(t *testing.T) {
	server := realredis.Start(t)
	transport := open(t, server.Addr(), fast())
	e := &events{got: make(chan any, 100)}
	follow(t, transport, e)
	mustAppend(t, transport, "1")
	mustAppend(t, transport, "2")
	if a, b := e.next(t), e.next(t); a != "1" || b != "2" {
		t.Fatalf("got %v %v", a, b)
	}
	if err := server.Client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if _, ok := e.next(t).(*domain.Reset); !ok {
		t.Error("the reader did not tell that the stream was emptied")
	}
	mustAppend(t, transport, "3")
	if got := e.next(t); got != "3" {
		t.Errorf("after the reset came %v", got)
	}
}

func TestCase09_AStreamWhoseClockIsBehindIsRead(t *testing.T) {
	server := realredis.Start(t)
	transport := open(t, server.Addr(), fast())
	ahead := strconv.FormatInt(time.Now().Add(time.Hour).UnixMilli(), 10)
	fields := storedPairs(t, mustEncode(t, broadcast(t, "ahead")))
	add := func() {
		t.Helper()
		err := server.Client().XAdd(t.Context(), &redis.XAddArgs{
			Stream: DefaultStream, ID: ahead + "-*", Values: fields,
		}).Err()
		if err != nil {
			t.Fatal(err)
		}
	}
	add()
	add()
	e := &events{got: make(chan any, 100)}
	follow(t, transport, e)
	add()
	if got := e.next(t); got != "ahead" {
		t.Fatalf("got %v", got)
	}
	if err := server.Client().Del(t.Context(), DefaultStream).Err(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, transport, "1") // an hour before what was read
	if _, ok := e.next(t).(*domain.Reset); !ok {
		t.Error("the reader did not tell that the stream was replaced")
	}
	if got := e.next(t); got != "1" {
		t.Errorf("after the reset came %v", got)
	}
}

func TestNothingIsLostWhenRedisRestarts(t *testing.T) {
	server := realredis.Start(t)
	transport := open(t, server.Addr(), Config{Block: 200 * time.Millisecond})
	e := &events{got: make(chan any, 1000)}
	follow(t, transport, e)
	mustAppend(t, transport, "before")
	server.Stop()
	results := make(chan error, 50)
	for range 50 {
		go func() {
			_, err := transport.Log().Append(t.Context(), broadcast(t, "meanwhile"))
			results <- err
		}()
	}
	server.Start()
	for range 50 {
		if err := <-results; err != nil {
			t.Errorf("append: %v", err)
		}
	}
	mustAppend(t, transport, "after")
	want := slices.Concat([]string{"before"}, slices.Repeat([]string{"meanwhile"}, 50), []string{"after"})
	for i, w := range want {
		if got := e.next(t); got != w {
			t.Fatalf("event %d is %+v, want %s", i, got, w)
		}
	}
	wantEvents(t, server, want...)
}

// TestCloseEndsABlockedRead: half a second is much less than the reads wait.
func TestCloseEndsABlockedRead(t *testing.T) {
	server := realredis.Start(t)
	transport := open(t, server.Addr(), Config{Block: time.Minute})
	tail, err := transport.Log().Tail(t.Context(), "", &events{got: make(chan any, 10)})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, transport, "1")
	began := time.Now()
	if err := tail.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("Close took %s", took)
	}
}
