package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio/client"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// sample is a line of Prometheus' text format: a name, labels, a value.
var sample = regexp.MustCompile(`(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[^\n]*\})? ([-+.0-9eE]+|NaN|[+-]Inf)`)

// scrape returns what a node's endpoint for Prometheus says: values by name and labels, without those of the scope.
func scrape(t *testing.T, url string) map[string]float64 {
	t.Helper()
	p := &process{t: t, url: url}
	status, body := p.get("")
	if status != 200 {
		t.Fatalf("GET %s: %d %s", url, status, body)
	}
	scope := regexp.MustCompile(`,?otel_scope_[a-z_]+="[^"]*"`)
	values := make(map[string]float64)
	for _, line := range sample.FindAllStringSubmatch(body, -1) {
		value, err := strconv.ParseFloat(line[3], 64)
		if err != nil {
			t.Fatalf("%q: %v", line[0], err)
		}
		labels := strings.ReplaceAll(strings.TrimPrefix(scope.ReplaceAllString(line[2], ""), "{"), "{,", "{")
		if labels = strings.TrimPrefix(strings.TrimSuffix(labels, "}"), ","); labels != "" {
			labels = "{" + labels + "}"
		}
		values[line[1]+labels] = value
	}
	return values
}

// delivered scrapes until so many messages have been delivered: their answers may come sooner than they are counted.
func delivered(t *testing.T, url string, count float64) map[string]float64 {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		seen := scrape(t, url)
		if seen["roombus_message_delivery_duration_seconds_count"] >= count {
			return seen
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is not shown that %v messages were delivered", count)
		}
	}
}

// measured starts a node with the endpoint, and returns its address.
func measured(t *testing.T, flags ...string) (p *process, url string) {
	t.Helper()
	p = serveWith(t, nil, append([]string{"--metrics", "--metrics-addr", "127.0.0.1:0"}, flags...)...)
	for line := range strings.SplitSeq(p.Log(), "\n") {
		var fields struct{ Msg, At string }
		if json.Unmarshal([]byte(line), &fields) == nil && fields.Msg == "metrics are served" {
			return p, fields.At
		}
	}
	t.Fatalf("it is not logged where the metrics are served:\n%s", p.Log())
	return nil, ""
}

// TestPrometheusSeesTheCluster: two nodes over Redis, and what happened on them.
func TestPrometheusSeesTheCluster(t *testing.T) {
	redis := realredis.Start(t)
	a, urlA := measured(t, "--redis", redis.URL(), "--name", "a")
	b, urlB := measured(t, "--redis", redis.URL(), "--name", "b")
	here, there := enter(t, a, "secret-room", client.Config{}), enter(t, b, "secret-room", client.Config{})
	meet(t, here, 2)
	meet(t, there, 2)
	if got, err := client.Decode[answers](here.EmitWithAck(t.Context(), "ask", "secret-room")); err != nil || got.Count != 2 {
		t.Fatalf("the answer is %+v, %v; want 2", got, err)
	}
	seen := delivered(t, urlA, 1)
	for name, want := range map[string]float64{
		`roombus_socket_count`: 1, `roombus_connection_count`: 1, `roombus_room_count`: 1, `roombus_node_count`: 2,
		`roombus_request_ended_total{roombus_message_kind="broadcast",roombus_result="complete"}`:       1,
		`roombus_request_ended_total{roombus_message_kind="broadcast",roombus_result="partial"}`:        0,
		`roombus_connection_handshakes_total{roombus_result="connected",roombus_transport="websocket"}`: 1,
		`roombus_log_lost_total{roombus_reason="trimmed"}`:                                              0,
		`roombus_transport_lost`:                          0,
		`roombus_log_clock_lead_seconds`:                  seen["roombus_log_clock_lead_seconds"],
		`roombus_log_lag`:                                 0,
		`roombus_recovery_window_seconds`:                 120,
		`roombus_message_delivery_duration_seconds_count`: 1,
	} {
		if got, ok := seen[name]; !ok || got != want {
			t.Errorf("%s is %v (there: %t), want %v", name, got, ok, want)
		}
	}
	for name := range scrape(t, urlB) {
		if strings.Contains(name, "secret") {
			t.Errorf("a room is shown: %s", name)
		}
	}
	// Redis stops: the node says so within the time that the readers need to notice.
	redis.Kill()
	for deadline := time.Now().Add(patience); scrape(t, urlA)["roombus_transport_lost"] != 1; {
		if time.Now().After(deadline) {
			t.Fatal("it is not shown that the log cannot be read")
		}
	}
}

// TestTheDashboardNamesMetricsThatExist: each name in a query of docs/grafana/roombus.json is in a scrape of a node that
// has done something, but for what is there only when something has happened.
func TestTheDashboardNamesMetricsThatExist(t *testing.T) {
	text, err := os.ReadFile("../../docs/grafana/roombus.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Type, Query string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	p, url := measured(t)
	s := enter(t, p, "den", client.Config{})
	if _, err := s.EmitWithAck(t.Context(), "message", map[string]string{"room": "den", "body": "x"}); err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool)
	for name := range delivered(t, url, 1) {
		bare, _, _ := strings.Cut(name, "{")
		there[bare] = true
	}
	// The log's reach is not known before something was trimmed.
	there["roombus_log_held_seconds"] = true
	metric := regexp.MustCompile(`\b(roombus|messaging)_[a-z_]+\b`)
	label := regexp.MustCompile(`by \([^)]*\)|\{[^}]*\}`)
	named := make(map[string]bool)
	check := func(where, query string) {
		names := metric.FindAllString(label.ReplaceAllString(query, ""), -1)
		if len(names) == 0 {
			t.Errorf("%s: no metric in %q", where, query)
		}
		for _, name := range names {
			named[name] = true
			if !there[name] {
				t.Errorf("%s: there is no metric %s", where, name)
			}
		}
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			check(panel.Title, target.Expr)
		}
	}
	for _, v := range dashboard.Templating.List {
		if v.Type == "query" {
			check(v.Name, v.Query)
		}
	}
	for name := range there {
		family := strings.TrimSuffix(strings.TrimSuffix(name, "_count"), "_sum")
		known := named[name] || named[family+"_bucket"] || strings.HasPrefix(name, "target_") || strings.HasPrefix(name, "otel_")
		if !known {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

// TestMetricsAreOffUnlessAskedFor, and never on the clients' port.
func TestMetricsAreOffUnlessAskedFor(t *testing.T) {
	p, url := measured(t)
	if status, _ := p.get("/metrics"); status != 404 {
		t.Errorf("GET /metrics on the clients' port: %d, want 404", status)
	}
	address := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics")
	o := call(t, nil, "serve", "--addr", "127.0.0.1:0", "--metrics", "--metrics-addr", address)
	o.wantSentence(t, exitFailed, "--metrics-addr", address)
	call(t, nil, "serve", "--metrics-addr", "9464").wantSentence(t, exitUsage, "--metrics-addr", "localhost:9464")
	call(t, nil, "serve", "--trace-clients", "maybe").wantSentence(t, exitUsage, "--trace-clients", "link")
	p.stop()
	quiet := serveWith(t, nil)
	if strings.Contains(quiet.Log(), "metrics") {
		t.Errorf("metrics are served although nobody has asked for them: %s", quiet.Log())
	}
	quiet.stop()
}
