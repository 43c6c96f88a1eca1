package redisstream

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/internal/testkit/faultproxy"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

func TestTrimmingArguments(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{}, "maxlen ~ 10000"},
		{Config{MaxLength: 500, TrimExactly: true}, "maxlen = 500"},
		{Config{TrimLimit: 50}, "maxlen ~ 10000 limit 50"},
		{Config{TrimLimit: NoTrimLimit}, "maxlen ~ 10000 limit 0"},
		{Config{Retention: time.Minute}, "minid ~ 0"},
		{Config{Retention: time.Minute, TrimExactly: true}, "minid = 0"},
	} {
		config, err := c.config.withDefaults()
		if err != nil {
			t.Errorf("%+v: %v", c.config, err)
			continue
		}
		if got := strings.Join(config.trimming(), " "); got != c.want {
			t.Errorf("%+v trims by %q, want %q", c.config, got, c.want)
		}
	}
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{MaxLength: 500, Retention: time.Minute}, "choose"},
		{Config{Retention: -1}, "retention"},
		{Config{Retention: time.Microsecond}, "retention"},
		{Config{TrimLimit: -2}, "trim limit"},
		{Config{TrimLimit: 5, TrimExactly: true}, "approximate"},
	} {
		if _, err := c.config.withDefaults(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error about %q", c.config, err, c.want)
		}
	}
}

func TestExactTrimming(t *testing.T) {
	server := realredis.Start(t)
	transport := open(t, server.Addr(), Config{MaxLength: 12, ReadCount: 5, TrimExactly: true})
	var want []string
	for i := range 40 {
		want = append(want, strconv.Itoa(i))
		mustAppend(t, transport, want[i])
	}
	wantEvents(t, server, want[28:]...)
}

// TestRetention also sends one message twice: the script of a retry trims as the transaction does.
func TestRetention(t *testing.T) {
	server := realredis.Start(t)
	proxy := faultproxy.Start(t, server.Addr())
	fields := storedPairs(t, mustEncode(t, broadcast(t, "old")))
	add := func(age time.Duration) {
		t.Helper()
		id := strconv.FormatInt(time.Now().Add(-age).UnixMilli(), 10)
		args := slices.Concat([]any{"xadd", DefaultStream, id + "-*"}, anys(fields))
		if err := server.Client().Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	add(time.Hour)
	add(5 * time.Minute)
	config := Config{Retention: 30 * time.Minute, TrimExactly: true}
	transport := open(t, proxy.Addr(), config)
	mustAppend(t, transport, "1") // nothing is known of the log's clock yet
	wantEvents(t, server, "old", "old", "1")
	mustAppend(t, transport, "2")
	wantEvents(t, server, "old", "1", "2")
	proxy.CutAfter(faultproxy.Answers, 0)
	mustAppend(t, transport, "3")
	wantEvents(t, server, "old", "1", "2", "3")

	config.Retention = time.Minute
	strict := open(t, proxy.Addr(), config)
	mustAppend(t, strict, "4")
	proxy.CutAfter(faultproxy.Requests, 0) // it never arrives, so the script appends it
	mustAppend(t, strict, "5")
	wantEvents(t, server, "1", "2", "3", "4", "5")
}

func anys(texts []string) []any {
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = text
	}
	return all
}
