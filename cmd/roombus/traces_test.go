package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// collector is an OTLP endpoint that keeps what it is sent.
type collector struct {
	mu   sync.Mutex
	sent []byte
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "not for this collector", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, body...)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *collector) has(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Contains(c.sent, []byte(text)) // texts stand in protobuf as they are
}

func TestTracesGoWhereTheEnvironmentSays(t *testing.T) {
	spans := new(collector)
	endpoint := httptest.NewServer(spans)
	t.Cleanup(endpoint.Close)
	p := serveWith(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint.URL, "OTEL_SERVICE_NAME=shop"}, "--name", "north")
	client := nodejs.StartClients(t).Connect("client", p.url, nodejs.ConnectOptions{})
	join(t, client, "secret-room")
	offset(t, client, "secret-room", "secret-body")
	client.Wait(nodejs.Named("message"))
	p.stop() // the last spans are exported then
	for _, want := range []string{"send broadcast", "process broadcast", "shop", "north", "messaging.operation.type"} {
		if !spans.has(want) {
			t.Errorf("%q was not exported", want)
		}
	}
	if spans.has("secret") {
		t.Error("a room or a payload was exported")
	}
}

func TestAnExporterThatDoesNotExist(t *testing.T) {
	o := call(t, []string{"OTEL_TRACES_EXPORTER=nonsense"}, "serve", "--addr", "127.0.0.1:0")
	o.wantSentence(t, exitFailed, "OTEL_", "nonsense")
}

func TestWhenTracesAreWanted(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"OTEL_TRACES_EXPORTER": "console"}, true},
		{map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318"}, true},
		{map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, false},
	} {
		if got := exportWanted(func(name string) string { return test.env[name] }, "TRACES"); got != test.want {
			t.Errorf("with %v traces are wanted: %v, want %v", test.env, got, test.want)
		}
	}
}
