package tracing_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/roombus/roombus/adapters/redisstream"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
	"github.com/roombus/roombus/tracing"
)

func overRedis(t *testing.T, url string) transport {
	t.Helper()
	r, err := redisstream.Connect(t.Context(), url, redisstream.Config{})
	if err != nil {
		t.Fatalf("connect to Redis: %v", err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close the transport: %v", err)
		}
	})
	return transport{r.Log(), r.Channel(), r.Sessions()}
}

func TestABroadcastOverRedisIsOneTraceFromTheEmitToAllDeliveries(t *testing.T) {
	server := realredis.Start(t, realredis.WithPassword("secret-password"))
	spans := newRecorder()
	checkBroadcast(t, spans, spans.provider(t), overRedis(t, server.URL()), overRedis(t, server.URL()))

	// The context stands in the entry, in fields that other readers can see and Node.js ignores.
	entries, err := server.Client().XRange(t.Context(), "socket.io", "-", "+").Result()
	if err != nil {
		t.Fatalf("read the stream: %v", err)
	}
	send := spans.named("send broadcast")[0].SpanContext()
	for _, entry := range entries {
		parent, ok := entry.Values["traceparent"].(string)
		if entry.Values["type"] == "3" {
			if !strings.Contains(parent, send.TraceID().String()+"-"+send.SpanID().String()) {
				t.Errorf("the broadcast's traceparent is %q, want the trace and the span of the sending", parent)
			}
		} else if ok {
			t.Errorf("an entry of type %v has a traceparent, want none on heartbeats", entry.Values["type"])
		}
	}
}

func TestAnAppendThatFailsShowsNoPassword(t *testing.T) {
	server := realredis.Start(t, realredis.WithPassword("secret-password"))
	via, spans := overRedis(t, server.URL()), newRecorder()
	tracer, err := tracing.New(tracing.Config{TracerProvider: spans.provider(t)})
	if err != nil {
		t.Fatalf("make a tracer: %v", err)
	}
	server.Pause()
	t.Cleanup(server.Resume)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	m := &domain.Message{Node: "0123456789abcdef", Namespace: "/", Body: &domain.Broadcast{Packet: packet(t, `["note","secret-body"]`)}}
	if _, err := tracer.Log(via.log).Append(ctx, m); err == nil {
		t.Fatal("an append while Redis stands still: no error")
	}
	span := spans.wait(t, "send broadcast", 1)[0]
	if span.Status().Code != codes.Error || strings.Contains(span.Status().Description, "secret") {
		t.Errorf("the span ends with %+v, want an error that shows no secret", span.Status())
	}
	checkSilence(t, spans)
}

// TestABadMessageOnPubSubReachesTheObserver through the tracer's channel.
func TestABadMessageOnPubSubReachesTheObserver(t *testing.T) {
	server := realredis.Start(t)
	r, err := redisstream.Connect(t.Context(), server.URL(), redisstream.Config{PubSub: redisstream.PubSubPlain})
	if err != nil {
		t.Fatalf("connect to Redis: %v", err)
	}
	t.Cleanup(func() { _ = r.Close() })
	bad, spans := make(watch[*domain.BadEntry], 1), newRecorder()
	run(t, "a", transport{r.Log(), r.Channel(), r.Sessions()}, tracing.Config{TracerProvider: spans.provider(t)}, 0, bad)
	if err := server.Client().Publish(t.Context(), "socket.io#/#", "nonsense").Err(); err != nil {
		t.Fatalf("publish: %v", err)
	}
	select {
	case e := <-bad:
		if e.Stream != "socket.io#/#" || e.Err == nil {
			t.Errorf("observed %+v", e)
		}
	case <-time.After(patience):
		t.Fatal("the observer was not told")
	}
	spans.wait(t, "bad entry", 1)
}
