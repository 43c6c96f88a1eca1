package redisstream

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// TestCase24_NamesAreThoseThatNodeJSComputes has the names that were observed with the 0.3 line of the Node.js adapter
// and four streams.
func TestCase24_NamesAreThoseThatNodeJSComputes(t *testing.T) {
	observed := map[string]string{
		"/": "st-3", "/admin": "st-0", "/chat": "st-3", "/users": "st-1", "/a": "st-2", "/é": "st-2",
		"/notifications": "st--3", "/dashboard": "st--3", "/tenant-2": "st--2", "/my-namespace": "st--3",
	}
	config, err := Config{Stream: "st", Streams: 4}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	own := config
	own.NonNegativeStreams = true
	for namespace, want := range observed {
		if got := config.streamOf(namespace); got != want {
			t.Errorf("%s is in %s, want %s", namespace, got, want)
		}
		got := own.streamOf(namespace)
		if !slices.Contains(own.streams(), got) || strings.Contains(got, "--") || !strings.Contains(want, "--") && got != want {
			t.Errorf("%s is in %s when no number may be negative; Node.js says %s", namespace, got, want)
		}
	}
	want := []string{"st-0", "st-1", "st--1", "st-2", "st--2", "st-3", "st--3"}
	if got := config.streams(); !slices.Equal(got, want) {
		t.Errorf("the streams %q are read, want %q", got, want)
	}
	if got := own.streams(); !slices.Equal(got, []string{"st-0", "st-1", "st-2", "st-3"}) {
		t.Errorf("the streams %q are read when no number may be negative", got)
	}
	one, err := Config{Stream: "st"}.withDefaults()
	if err != nil || one.streamOf("/notifications") != "st" || !slices.Equal(one.streams(), []string{"st"}) {
		t.Errorf("a single stream is %q (%v)", one.streams(), err)
	}
	if _, err := (Config{Streams: -1}).withDefaults(); err == nil {
		t.Error("a negative number of streams was accepted")
	}
}

// TestCase24_WhatNodeJSWritesAndDoesNotReadIsRead: entries as a Node.js server writes them, in each namespace's stream.
func TestCase24_WhatNodeJSWritesAndDoesNotReadIsRead(t *testing.T) {
	server := realredis.Start(t)
	transport := open(t, server.Addr(), Config{Stream: "st", Streams: 4})
	e := &events{got: make(chan any, 100)}
	follow(t, transport, e)
	for stream, namespace := range map[string]string{"st--3": "/notifications", "st--2": "/tenant-2", "st-0": "/admin"} {
		err := server.Client().Do(t.Context(), "xadd", stream, "maxlen", "~", "10000", "*",
			"uid", "aaaabbbbccccdddd", "nsp", namespace, "type", "3",
			"data", `{"packet":{"type":2,"data":["to `+namespace+`"]},"opts":{"rooms":[],"except":[],"flags":{}}}`).Err()
		if err != nil {
			t.Fatal(err)
		}
		if got := e.next(t); got != "to "+namespace {
			t.Errorf("from %s came %+v, want the event to %s", stream, got, namespace)
		}
	}
	// And what is published here is where a Node.js server would have put it.
	m := broadcast(t, "ours")
	m.Namespace = "/notifications"
	at, err := transport.Log().Append(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	found, err := server.Client().XRange(t.Context(), "st--3", string(at), string(at)).Result()
	if err != nil || len(found) != 1 {
		t.Errorf("the entry %s is not in st--3 (%v)", at, err)
	}
}

func TestATailGoesOnFromPositionsInSeveralStreams(t *testing.T) {
	server := realredis.Start(t)
	transport := open(t, server.Addr(), Config{Stream: "a stream, and@more", Streams: 3})
	namespaces := []string{"/", "/admin", "/notifications", "/b", "/c", "/d"}
	put := func(text string) {
		t.Helper()
		for _, namespace := range namespaces {
			m := broadcast(t, text+" "+namespace)
			m.Namespace = namespace
			if _, err := transport.Log().Append(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func(after domain.Offset, count int) (events []string, at Positions) {
		t.Helper()
		r := &placed{seen: make(chan struct{}, 1000), positions: Positions{}}
		tail, err := transport.Log().Tail(t.Context(), after, r)
		if err != nil {
			t.Fatalf("tail after %q: %v", after, err)
		}
		if after == "" {
			put("first")
		}
		r.wait(t, count, len(transport.config.streams()))
		if err := tail.Close(); err != nil {
			t.Fatal(err)
		}
		return r.events, r.positions
	}
	_, at := read("", len(namespaces))
	put("second")
	put("third")
	got, _ := read(at.Offset(), 2*len(namespaces))
	slices.Sort(got)
	var want []string
	for _, namespace := range namespaces {
		want = append(want, "second "+namespace, "third "+namespace)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("after the first events came %q, want %q", got, want)
	}
	one := transport.config.streamOf("/")
	page, err := transport.Log().Replay(t.Context(), "/", at.Offset(), "", 0)
	if err != nil || len(page.Entries) != 2 || page.Entries[0].Stream != one {
		t.Errorf("a replay after these positions: %+v, %v; want two entries of %s", page, err, one)
	}
	part := maps.Clone(at)
	delete(part, one)
	for _, bad := range []domain.Offset{part.Offset(), "x@1-1", "x@1", at.Offset() + ",x"} {
		r := &placed{seen: make(chan struct{}, 1000), positions: Positions{}} // readers may have begun
		if tail, err := transport.Log().Tail(t.Context(), bad, r); !errors.Is(err, domain.ErrBadOffset) {
			t.Errorf("tail after %q: %v, want ErrBadOffset", bad, err)
			if err == nil {
				tail.Close()
			}
		}
	}
}

// placed keeps events and where they stood.
type placed struct {
	mu        sync.Mutex
	events    []string
	positions Positions
	seen      chan struct{}
}

func (p *placed) HandleEntry(_ context.Context, e *domain.Entry) {
	p.mu.Lock()
	p.events = append(p.events, e.Message.Body.(*domain.Broadcast).Packet.Event())
	p.positions[e.Stream] = e.Offset
	p.mu.Unlock()
	p.seen <- struct{}{}
}

func (p *placed) HandleNotice(_ context.Context, n domain.Notice) {
	at, ok := n.(*domain.AtTail)
	if !ok {
		return
	}
	p.mu.Lock()
	p.positions[at.Stream] = at.Cursor
	p.mu.Unlock()
	p.seen <- struct{}{}
}

// wait waits for a number of events, and for a position in a number of streams.
func (p *placed) wait(t *testing.T, events, streams int) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		p.mu.Lock()
		gotEvents, gotStreams := len(p.events), len(p.positions)
		p.mu.Unlock()
		if gotEvents >= events && gotStreams >= streams {
			return
		}
		select {
		case <-p.seen:
		case <-late:
			t.Fatalf("%d events came, want %d; positions in %d streams, want %d", gotEvents, events, gotStreams, streams)
		}
	}
}

// TestCase03_NumbersBelongToAStream: a publisher counts in each of its streams by itself, or a reader of one would find
// holes.
func TestCase03_NumbersBelongToAStream(t *testing.T) {
	server := realredis.Start(t)
	config, err := Config{Streams: 2, NonNegativeStreams: true}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	transport := open(t, server.Addr(), config)
	for i, namespace := range []string{"/a", "/b", "/a", "/a", "/b"} {
		m := broadcast(t, strconv.Itoa(i))
		m.Namespace = namespace
		if _, err := transport.Log().Append(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for namespace, want := range map[string][]string{"/a": {"1", "2", "3"}, "/b": {"1", "2"}} {
		entries, err := server.Client().XRange(t.Context(), config.streamOf(namespace), "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		var numbers []string
		for _, e := range entries {
			numbers = append(numbers, e.Values["seq"].(string))
		}
		if !slices.Equal(numbers, want) {
			t.Errorf("the stream of %s has the numbers %v, want %v", namespace, numbers, want)
		}
	}
}
