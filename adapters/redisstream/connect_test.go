package redisstream

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

func TestParseURL(t *testing.T) {
	for _, c := range []struct {
		url  string
		want func(redis.UniversalClient) bool
	}{
		{"redis://user:p%40ss@host:7000/3", func(c redis.UniversalClient) bool {
			o := c.(*redis.Client).Options()
			return o.Addr == "host:7000" && o.DB == 3 && o.Username == "user" && o.Password == "p@ss" && o.TLSConfig == nil
		}},
		{"rediss://host", func(c redis.UniversalClient) bool {
			o := c.(*redis.Client).Options()
			return o.Addr == "host:6379" && o.TLSConfig.ServerName == "host"
		}},
		{"unix:///run/redis.sock?db=2", func(c redis.UniversalClient) bool {
			o := c.(*redis.Client).Options()
			return o.Network == "unix" && o.Addr == "/run/redis.sock" && o.DB == 2
		}},
		{"redis+sentinel://user:p%40ss@a:1,b,[::1]:3/mymaster?db=4&sentinel_password=x", func(c redis.UniversalClient) bool {
			o := c.(*redis.Client).Options()
			return o.DB == 4 && o.Username == "user" && o.Password == "p@ss" && o.TLSConfig == nil
		}},
		{"rediss+sentinel://a:1/mymaster", func(c redis.UniversalClient) bool {
			return c.(*redis.Client).Options().TLSConfig != nil
		}},
		{"redis+cluster://user:p%40ss@a:1,b:2,c", func(c redis.UniversalClient) bool {
			o := c.(*redis.ClusterClient).Options()
			return slices.Equal(o.Addrs, []string{"a:1", "b:2", "c:6379"}) && o.Password == "p@ss" && o.TLSConfig == nil
		}},
		{"rediss+cluster://a:1", func(c redis.UniversalClient) bool {
			return c.(*redis.ClusterClient).Options().TLSConfig != nil
		}},
	} {
		client, err := ParseURL(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		if !c.want(client) {
			t.Errorf("%s was not understood", c.url)
		}
		client.Close()
	}
	for _, bad := range []string{
		"", "host:6379", "http://secret@host", "redis://:secret@host:port", "redis://:se cret@host",
		"redis://:secret@host/x/y", "redis+sentinel://:secret@a:1", "redis+sentinel://:secret@/m",
		"redis+cluster://:secret@a,,b", "redis+cluster://:sec%zzret@a",
	} {
		_, err := ParseURL(bad)
		if err == nil {
			t.Errorf("%q was taken", bad)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "cret@") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	server := realredis.Start(t, realredis.WithPassword("right"),
		realredis.WithUser("reader", "on", ">secret", "~*", "+@read", "+ping", "+hello", "+client", "+info"),
		realredis.WithUser("elsewhere", "on", ">secret", "~other*", "+@all"))
	if err := server.Client().Set(t.Context(), "text", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	for _, c := range []struct {
		title, url string
		config     Config
		want       []string
	}{
		{"unreachable", "redis://:secret@" + nobody.Addr().String(), Config{}, []string{"cannot be reached", "address"}},
		{"no password", "redis://" + server.Addr(), Config{}, []string{"user and password"}},
		{"wrong password", "redis://:secret@" + server.Addr(), Config{}, []string{"user and password"}},
		{"no rights to write", server.URLFor("reader", "secret"), Config{}, []string{"lacks rights to XADD", "ACL SETUSER"}},
		{"no rights to the keys", server.URLFor("elsewhere", "secret"), Config{}, []string{"lacks rights to XREAD, XRANGE, XINFO STREAM, XADD", "~socket.io"}},
		{"not a stream", server.URL(), Config{Stream: "text"}, []string{"text", "no stream"}},
		{"bad configuration", server.URL(), Config{MaxLength: 50}, []string{"maximum length of 50"}},
	} {
		t.Run(c.title, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			transport, err := Connect(ctx, c.url, c.config)
			if err == nil {
				transport.Close()
				t.Fatal("connected")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error says %q, want it to say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error shows the password, or is no single sentence: %q", err)
			}
		})
	}
}

func TestCase27_SettingsThatCanLoseMessages(t *testing.T) {
	server := realredis.Start(t, realredis.WithConfig("maxmemory 100mb", "maxmemory-policy allkeys-lru"))
	warnings, err := open(t, server.Addr(), Config{}).Check(t.Context())
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "allkeys-lru") {
		t.Errorf("check: %q, %v; want a warning about the policy", warnings, err)
	}
	var told []string
	transport, err := Connect(t.Context(), server.URL(), Config{OnWarning: func(warning string) { told = append(told, warning) }})
	if err != nil {
		t.Fatal(err)
	}
	transport.Close()
	if !slices.Equal(told, warnings) {
		t.Errorf("Connect has told %q, want %q", told, warnings)
	}
	if _, err := checkInfo("redis_version:6.2.14\r\n"); err == nil || !strings.Contains(err.Error(), "7.0") {
		t.Errorf("Redis 6.2: %v", err)
	}
}

func TestNewRefusesWhatCannotBeCopied(t *testing.T) {
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer ring.Close()
	for _, client := range []redis.UniversalClient{nil, ring} {
		if _, err := New(client, Config{}); err == nil {
			t.Errorf("a client of type %T was taken", client)
		}
	}
}

// TestCloseClosesOnlyItsOwn: two users of one client survive each other's Close.
func TestCloseClosesOnlyItsOwn(t *testing.T) {
	server := realredis.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	first, err := New(client, Config{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := New(client, Config{})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, first, "1")
	for range 2 {
		if err := first.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	mustAppend(t, second, "2")
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("the client was closed: %v", err)
	}
	if _, err := first.Log().Append(t.Context(), broadcast(t, "late")); !errors.Is(err, domain.ErrNotPublished) {
		t.Errorf("append after Close: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestCase14_NodeJSClaimsASession(t *testing.T) {
	server := realredis.Start(t)
	sessions := open(t, server.Addr(), Config{}).Sessions()
	ctx := t.Context()
	s := &domain.Session{
		ID: "pid", Socket: "sid", Namespace: "/", Owner: "aaaaaaaaaaaaaaaa", Revision: 1,
		Stays: []domain.Stay{{Room: "sid"}, {Room: "r", From: "1-0"}}, KeepFor: time.Minute,
	}
	if err := errors.Join(sessions.Save(ctx, []*domain.Session{s})...); err != nil {
		t.Fatal(err)
	}
	// What a Node.js server does: GET and DEL, in one transaction.
	value, err := server.Client().GetDel(ctx, DefaultSessionKeyPrefix+"pid").Result()
	if err != nil {
		t.Fatal(err)
	}
	if reads := nodeReads(t, value); reads["sid"] != `"sid"` || reads["rooms"] != `["sid","r"]` || reads["data"] != "{}" {
		t.Errorf("Node.js reads %q", reads)
	}
	s.Revision = 2
	if err := errors.Join(sessions.Save(ctx, []*domain.Session{s})...); !errors.Is(err, domain.ErrSessionLost) {
		t.Errorf("save after Node.js has claimed it: %v, want ErrSessionLost", err)
	}
	// And when its socket is gone, it stores the session again.
	if err := server.Client().Set(ctx, DefaultSessionKeyPrefix+"pid", value, time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	foreign := readLines[struct {
		Sessions []struct{ Key, ValueText string }
	}](t, "testdata/wire/v0.2/sessions.jsonl")[0].Sessions[0]
	if err := server.Client().Set(ctx, foreign.Key, foreign.ValueText, time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	id := domain.SessionID(strings.TrimPrefix(foreign.Key, DefaultSessionKeyPrefix))
	s.ID = id
	for _, revision := range []uint64{1, 2} {
		s.Revision = revision
		if err := errors.Join(sessions.Save(ctx, []*domain.Session{s})...); !errors.Is(err, domain.ErrSessionLost) {
			t.Errorf("save over a session of Node.js: %v, want ErrSessionLost", err)
		}
	}
	claimed, err := sessions.Claim(ctx, id, "bbbbbbbbbbbbbbbb")
	if err != nil {
		t.Fatal(err)
	}
	if claimed.Owner != "" || len(claimed.Stays) != 3 || claimed.Stays[1] != (domain.Stay{Room: "cr1"}) {
		t.Errorf("claimed %+v", claimed)
	}
	if n := server.Client().Exists(ctx, foreign.Key).Val(); n != 0 {
		t.Error("Node.js could claim it as well")
	}
	if err := sessions.GiveBack(ctx, id, "bbbbbbbbbbbbbbbb"); err != nil {
		t.Fatal(err)
	}
	if got := server.Client().Get(ctx, foreign.Key).Val(); got != foreign.ValueText {
		t.Error("it was not given back as it was")
	}
	if ttl := server.Client().PTTL(ctx, foreign.Key).Val(); ttl <= 0 || ttl > time.Minute {
		t.Errorf("it is kept for %s more", ttl)
	}
}

// A Node.js server stores what has ended meanwhile, because it cannot know. Nobody gets it, and nothing is left of it; that
// it has ended is known for as long as was said, also where Redis has no memory to spare.
func TestCase15_WhatHasEndedIsNotClaimed(t *testing.T) {
	server := realredis.Start(t)
	sessions := open(t, server.Addr(), Config{}).Sessions()
	ctx := t.Context()
	s := &domain.Session{ID: "pid", Socket: "sid", Namespace: "/", Owner: "aaaaaaaaaaaaaaaa", Revision: 1, KeepFor: time.Minute}
	if err := errors.Join(sessions.Save(ctx, []*domain.Session{s})...); err != nil {
		t.Fatal(err)
	}
	value := server.Client().Get(ctx, DefaultSessionKeyPrefix+"pid").Val()
	server.Client().ConfigSet(ctx, "maxmemory", "1")
	if err := sessions.Delete(ctx, "pid", "aaaaaaaaaaaaaaaa", time.Hour); err != nil {
		t.Fatal(err)
	}
	server.Client().ConfigSet(ctx, "maxmemory", "0")
	keys := newSessionKeys(DefaultSessionKeyPrefix + "pid")
	if ttl := server.Client().PTTL(ctx, keys.ended).Val(); ttl <= 59*time.Minute || ttl > time.Hour {
		t.Errorf("that it has ended is known for %s more", ttl)
	}
	if err := server.Client().Set(ctx, keys.session, value, time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sessions.Save(ctx, []*domain.Session{s})...); !errors.Is(err, domain.ErrSessionLost) {
		t.Errorf("save: %v, want ErrSessionLost", err)
	}
	if got, err := sessions.Claim(ctx, "pid", "bbbbbbbbbbbbbbbb"); !errors.Is(err, domain.ErrNoSession) {
		t.Errorf("claim: %v, %v, want ErrNoSession", got, err)
	}
	if n := server.Client().Exists(ctx, keys.session, keys.claimed, keys.claim).Val(); n != 0 {
		t.Errorf("%d of its keys are left", n)
	}
}

func TestSessionKeysShareASlot(t *testing.T) {
	for session, want := range map[string]sessionKeys{
		"sio:session:p":   {"sio:session:p", "{sio:session:p}:claimed", "{sio:session:p}:claim", "{sio:session:p}:ended"},
		"{app}:session:p": {"{app}:session:p", "{app}:session:p:claimed", "{app}:session:p:claim", "{app}:session:p:ended"},
	} {
		if got := newSessionKeys(session); got != want {
			t.Errorf("the keys of %s are %+v", session, got)
		}
	}
}
