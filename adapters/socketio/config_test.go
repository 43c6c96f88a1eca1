package socketio

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestConfigDefaults(t *testing.T) {
	c, err := Config{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if c.Path != "/socket.io/" || c.ConnectTimeout != 45*time.Second || c.AckTimeout != 5*time.Second ||
		c.HandlerQueue != 1024 || c.HandlerQueueBytes != 1<<20 || c.HandlerGrace != 5*time.Second || c.OnError == nil {
		t.Errorf("defaults %+v", c)
	}
}

func TestDefaultOnErrorLogs(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	defer slog.SetDefault(before)
	c, _ := Config{}.withDefaults()
	c.OnError(t.Context(), Failure{
		Namespace: "/chat", Socket: &Socket{id: "abc"}, Event: "join", Err: errors.New("no such room"),
	})
	for _, want := range []string{"level=ERROR", "namespace=/chat", "socket=abc", "event=join", `error="no such room"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the log: %s", want, out.String())
		}
	}
	out.Reset()
	c.OnError(t.Context(), Failure{Namespace: "/", Event: "x", Err: ErrUnknownEvent})
	if !strings.Contains(out.String(), "level=WARN") {
		t.Errorf("what a client did wrong is logged as %s", out.String())
	}
	for err, want := range map[error]string{ErrForwardSignature: "level=WARN", ErrForwardFailed: "level=ERROR"} {
		out.Reset()
		c.OnError(t.Context(), Failure{Event: "forward", Err: err})
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "handler") {
			t.Errorf("%v is logged as %s, want %s", err, out.String(), want)
		}
	}
}
