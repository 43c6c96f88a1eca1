package metrics

import (
	"strings"
	"time"
)

// Documented is a metric as docs/metrics.md has it.
type Documented struct {
	Name, Prometheus, Kind, Unit, About string
	Labels                              []string
}

// Declared are all metrics in the order of their declaration.
func Declared() []Documented {
	all := make([]Documented, len(instruments))
	for i, in := range instruments {
		all[i] = Documented{
			Name: in.name, Prometheus: forPrometheus(&in), Kind: string(in.kind), Unit: in.unit, About: in.about, Labels: in.labels,
		}
	}
	return all
}

// forPrometheus is the name as OpenTelemetry's exporter for Prometheus makes it.
func forPrometheus(in *instrument) string {
	name := strings.ReplaceAll(in.name, ".", "_")
	switch in.unit {
	case "s":
		name += "_seconds"
	case "By":
		name += "_bytes"
	}
	if in.kind == counter {
		name += "_total"
	}
	return name
}

// Lead is a clock's lead for tests.
type Lead struct{ lead }

// Correct is what becomes of a measured time.
func (l *Lead) Correct(measured time.Duration, now time.Time) time.Duration {
	return l.correct(measured, now)
}

// LeadWindow is how long a lead is remembered, at least.
const LeadWindow = leadWindow
