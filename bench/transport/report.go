package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/roombus/roombus/bench/lab"
)

// report is all that a run has measured.
type report struct {
	Time    time.Time `json:"time"`
	Machine string    `json:"machine"`
	Go      string    `json:"go"`
	Redis   string    `json:"redis"`
	Node    string    `json:"node,omitempty"`
	Window  int       `json:"window"`
	// ReadCount is roombus' read count; zero is its default.
	ReadCount int64    `json:"readCount,omitempty"`
	Full      []sample `json:"full"`
	Paced     []sample `json:"paced"`
}

// each is the spread of a figure over samples.
func each(samples []sample, figure func(*sample) float64) lab.Spread {
	values := make([]float64, 0, len(samples))
	for i := range samples {
		values = append(values, figure(&samples[i]))
	}
	return lab.SpreadOf(values)
}

func of(samples []sample, name string) []sample {
	var found []sample
	for i := range samples {
		if samples[i].Contender == name {
			found = append(found, samples[i])
		}
	}
	return found
}

// ratio is how many times as much of a figure roombus has as another, round by round, because the machine is not the
// same in each.
func ratio(samples []sample, name string, figure func(*sample) float64) lab.Spread {
	var ratios []float64
	ours := of(samples, us)
	for _, theirs := range of(samples, name) {
		for i := range ours {
			if base := figure(&theirs); ours[i].Round == theirs.Round && base > 0 {
				ratios = append(ratios, figure(&ours[i])/base)
			}
		}
	}
	return lab.SpreadOf(ratios)
}

func (r *report) write(out io.Writer) error {
	fmt.Fprintf(out, "%s, %s, Redis %s", r.Machine, r.Go, r.Redis)
	if r.Node != "" {
		fmt.Fprintf(out, ", Node.js %s", r.Node)
	}
	fmt.Fprintf(out, ", %s\n", r.Time.Format(time.DateOnly))
	if len(r.Full) > 0 {
		fmt.Fprintf(out, "\n%d broadcasts of %d bytes from one process to another, up to %d in flight; medians [least-most]\n",
			r.Full[0].Messages, argsSize, r.Window)
		if err := r.writeFull(out); err != nil {
			return err
		}
	}
	if len(r.Paced) > 0 {
		fmt.Fprintf(out, "\nOne way, %d broadcasts at %.0f/s: milliseconds from the publish call to the receiver's count\n",
			r.Paced[0].Messages, r.Paced[0].Rate)
		return r.writePaced(out)
	}
	return nil
}

func (r *report) writeFull(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "contender\treceived/s\t\troombus is\tlost\ttold\ttwice\tfailed\t"+
		"µs CPU: publisher\treceiver\tRedis\tallocs: publisher\treceiver")
	for i := range contenders {
		c := &contenders[i]
		samples := of(r.Full, c.name)
		if len(samples) == 0 {
			continue
		}
		speed := each(samples, func(s *sample) float64 { return s.PerSecond })
		sum := func(count func(*sample) int) (all int) {
			for i := range samples {
				all += count(&samples[i])
			}
			return all
		}
		fmt.Fprintf(table, "%s\t%.0f\t[%.0f-%.0f]\t%s\t%s\t%d\t%d\t%d\t%.1f\t%.1f\t%.1f\t%s\t%s\n",
			c.title, speed.Median, speed.Least, speed.Most,
			times(ratio(r.Full, c.name, func(s *sample) float64 { return s.PerSecond }), c.name),
			share(sum((*sample).lost), sum(func(s *sample) int { return s.Messages - s.Failed })),
			sum(func(s *sample) int { return int(s.ToldLost) }),
			sum(func(s *sample) int { return s.Repeated }),
			sum(func(s *sample) int { return s.Failed }),
			each(samples, func(s *sample) float64 { return s.PublisherCPU }).Median,
			each(samples, func(s *sample) float64 { return s.ReceiverCPU }).Median,
			each(samples, func(s *sample) float64 { return s.RedisCPU }).Median,
			optional(samples, func(s *sample) *float64 { return s.PublisherAllocs }),
			optional(samples, func(s *sample) *float64 { return s.ReceiverAllocs }))
	}
	return table.Flush()
}

func (r *report) writePaced(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "contender\tp50\t\tp99\t\tlost\troombus' p50 is\tp99 is")
	for i := range contenders {
		c := &contenders[i]
		samples := of(r.Paced, c.name)
		if len(samples) == 0 {
			continue
		}
		half := func(s *sample) float64 { return s.P50 }
		most := func(s *sample) float64 { return s.P99 }
		p50, p99 := each(samples, half), each(samples, most)
		lost, sent := 0, 0
		for i := range samples {
			lost, sent = lost+samples[i].lost(), sent+samples[i].Messages-samples[i].Failed
		}
		fmt.Fprintf(table, "%s\t%.2f\t[%.2f-%.2f]\t%.2f\t[%.2f-%.2f]\t%s\t%s\t%s\n", c.title,
			p50.Median, p50.Least, p50.Most, p99.Median, p99.Least, p99.Most, share(lost, sent),
			times(ratio(r.Paced, c.name, half), c.name), times(ratio(r.Paced, c.name, most), c.name))
	}
	return table.Flush()
}

// times writes a ratio; nothing where there is none, or of ourselves.
func times(ratio lab.Spread, name string) string {
	if ratio.Median == 0 || name == us {
		return ""
	}
	return fmt.Sprintf("%.2f x", ratio.Median)
}

// share writes a loss, with what it is a part of where there is one.
func share(lost, all int) string {
	if lost == 0 {
		return "0"
	}
	return fmt.Sprintf("%d of %d", lost, all)
}

func optional(samples []sample, figure func(*sample) *float64) string {
	if figure(&samples[0]) == nil {
		return ""
	}
	return fmt.Sprintf("%.1f", each(samples, func(s *sample) float64 { return *figure(s) }).Median)
}
