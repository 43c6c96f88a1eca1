package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is an OTLP endpoint that keeps what it is sent.
type collector struct {
	mu      sync.Mutex
	sent    []byte
	spans   []*span
	metrics map[string]bool // the names
	faults  []error
}

// span is a span as it was exported.
type span struct {
	*spanpb.Span

	service string
}

func startCollector(t *testing.T) (*collector, string) {
	t.Helper()
	c := &collector{metrics: make(map[string]bool)}
	endpoint := httptest.NewServer(c)
	t.Cleanup(func() {
		endpoint.Close()
		for _, fault := range c.faults {
			t.Error(fault)
		}
	})
	return c, endpoint.URL
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = c.take(r.URL.Path, body)
	}
	if err != nil {
		c.mu.Lock()
		c.faults = append(c.faults, err)
		c.mu.Unlock()
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *collector) take(path string, body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent = append(c.sent, body...)
	switch path {
	case "/v1/traces":
		var request tracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			return err
		}
		for _, resource := range request.GetResourceSpans() {
			service := valueOf(resource.GetResource().GetAttributes(), "service.name")
			for _, scope := range resource.GetScopeSpans() {
				for _, s := range scope.GetSpans() {
					c.spans = append(c.spans, &span{s, service})
				}
			}
		}
	case "/v1/metrics":
		var request metricspb.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			return err
		}
		for _, resource := range request.GetResourceMetrics() {
			for _, scope := range resource.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					c.metrics[m.GetName()] = true
				}
			}
		}
	default:
		return fmt.Errorf("%s is not for this collector", path)
	}
	return nil
}

func (c *collector) has(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Contains(c.sent, []byte(text)) // texts stand in protobuf as they are
}

// trace are the spans of a trace.
func (c *collector) trace(id []byte) []*span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*span
	for _, s := range c.spans {
		if bytes.Equal(s.GetTraceId(), id) {
			all = append(all, s)
		}
	}
	return all
}

func (s *span) value(key string) string { return valueOf(s.GetAttributes(), key) }

func valueOf(all []*commonpb.KeyValue, key string) string {
	for _, a := range all {
		if a.GetKey() == key {
			switch v := a.GetValue().GetValue().(type) {
			case *commonpb.AnyValue_StringValue:
				return v.StringValue
			case *commonpb.AnyValue_IntValue:
				return fmt.Sprint(v.IntValue)
			default:
				return a.GetValue().String()
			}
		}
	}
	return ""
}

// drawn is a trace as a tree: a line a span, children below their parent in the order of their lines; of each its kind,
// its name, where it was made, and those of the given attributes that it has.
func drawn(spans []*span, root []byte, attributes ...string) string {
	var lines func(parent []byte, indent string) []string
	lines = func(parent []byte, indent string) []string {
		var blocks []string
		for _, s := range spans {
			if !bytes.Equal(s.GetParentSpanId(), parent) {
				continue
			}
			kind := strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_")
			line := indent + kind + " " + s.GetName() + " on " + s.service
			for _, key := range attributes {
				if v := s.value(key); v != "" {
					line += " " + key[strings.LastIndexByte(key, '.')+1:] + "=" + v
				}
			}
			var events []string
			for _, e := range s.GetEvents() {
				events = append(events, e.GetName())
			}
			slices.Sort(events)
			if len(events) > 0 {
				line += " [" + strings.Join(events, ", ") + "]"
			}
			if s.GetStatus().GetCode() == spanpb.Status_STATUS_CODE_ERROR {
				line += " ERROR"
			}
			blocks = append(blocks, strings.Join(append([]string{line}, lines(s.GetSpanId(), indent+"  ")...), "\n"))
		}
		slices.Sort(blocks)
		return blocks
	}
	return strings.Join(lines(root, ""), "\n")
}
