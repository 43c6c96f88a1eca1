package main

import (
	"testing"

	"github.com/roombus/roombus/internal/testkit/nodejs"
)

func TestTracesGoWhereTheEnvironmentSays(t *testing.T) {
	spans, endpoint := startCollector(t)
	p := serveWith(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint, "OTEL_SERVICE_NAME=shop"}, "--name", "north")
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
	for _, name := range []string{"messaging.client.sent.messages", "roombus.socket.count", "roombus.log.delay"} {
		if !spans.metrics[name] {
			t.Errorf("the metric %s was not exported", name)
		}
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

func TestARatioOfTheEnvironmentIsTheTracersShare(t *testing.T) {
	for _, test := range []struct {
		sampler, arg string
		want         float64
	}{
		{"parentbased_traceidratio", "0.01", 0.01}, {"parentbased_traceidratio", "", 0}, {"parentbased_traceidratio", "nonsense", 0},
		{"parentbased_traceidratio", "0", 0}, {"parentbased_traceidratio", "1", 0}, {"parentbased_traceidratio", "NaN", 0},
		{"traceidratio", "0.01", 0}, {"", "0.01", 0},
	} {
		env := map[string]string{"OTEL_TRACES_SAMPLER": test.sampler, "OTEL_TRACES_SAMPLER_ARG": test.arg}
		if got := shareWanted(func(name string) string { return env[name] }); got != test.want {
			t.Errorf("%v: %v, want %v", env, got, test.want)
		}
	}
}
