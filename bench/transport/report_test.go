package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/roombus/roombus/bench/lab"
)

func TestEvaluateShowsLoss(t *testing.T) {
	allocs := uint64(300)
	s := evaluate(load{messages: 10, rate: 500},
		answer{First: 1e9, Failed: 1, CPU: 50, Allocs: &allocs, Starts: []int64{1e9, 2e9, 3e9}},
		answer{Received: 6, Last: 3e9, CPU: 12, Arrivals: []int64{1e9 + 2e6, 0, 3e9 + 4e6}})
	if s.lost() != 3 {
		t.Errorf("%d are lost, want 3: ten, but one that failed and six that came", s.lost())
	}
	if s.Seconds != 2 || s.PerSecond != 3 {
		t.Errorf("%v s and %v/s, want 2 s and 3/s", s.Seconds, s.PerSecond)
	}
	if s.PublisherCPU != 5 || s.ReceiverCPU != 2 || *s.PublisherAllocs != 30 || s.ReceiverAllocs != nil {
		t.Errorf("a message costs %v and %v µs and %v allocations, want 5, 2 and 30",
			s.PublisherCPU, s.ReceiverCPU, *s.PublisherAllocs)
	}
	if s.P50 != 2 || s.P99 != 4 {
		t.Errorf("p50 %v ms and p99 %v ms, want 2 and 4: what did not come has no time", s.P50, s.P99)
	}
}

func TestReportComparesRoundByRound(t *testing.T) {
	r := report{Machine: "a machine", Window: 500, Full: []sample{
		{Contender: us, Round: 1, Messages: 10, Received: 10, PerSecond: 100},
		{Contender: us, Round: 2, Messages: 10, Received: 10, PerSecond: 300},
		{Contender: "nodejs", Round: 1, Messages: 10, Received: 10, PerSecond: 50},
		{Contender: "nodejs", Round: 2, Messages: 10, Received: 7, PerSecond: 100},
	}}
	speed := func(s *sample) float64 { return s.PerSecond }
	if got, want := ratio(r.Full, "nodejs", speed), (lab.Spread{Least: 2, Median: 2.5, Most: 3}); got != want {
		t.Errorf("the ratio is %v, want %v", got, want)
	}
	var out bytes.Buffer
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2.50 x", "3 of 20", "[100-300]"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, &out)
		}
	}
}
