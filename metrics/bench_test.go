package metrics_test

import (
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/metrics"
)

// BenchmarkEntry is what measuring adds to the handling of an entry, with OpenTelemetry's SDK.
func BenchmarkEntry(b *testing.B) {
	m, log := newMeter(b, metrics.Config{}), &told{}
	if _, err := m.Log(log).Tail(b.Context(), "", deaf{}); err != nil {
		b.Fatal(err)
	}
	e := &domain.Entry{Stream: "s", Time: time.Now(), Message: domain.Message{Body: &domain.Broadcast{}}}
	b.ReportAllocs()
	for b.Loop() {
		log.to.HandleEntry(b.Context(), e)
	}
}
