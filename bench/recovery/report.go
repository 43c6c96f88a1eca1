package main

import (
	"fmt"
	"io"
	"slices"
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
	Entries int       `json:"entries"`
	Size    int       `json:"size"`
	Within  float64   `json:"within"`
	Samples []sample  `json:"samples"`
}

func (r *report) write(out io.Writer) error {
	fmt.Fprintf(out, "%s, %s, Redis %s, %s\n\n", r.Machine, r.Go, r.Redis, r.Time.Format(time.DateOnly))
	fmt.Fprintf(out, "Clients come back within %g s; %d entries of %d bytes to look through, none for them; medians [least-most]\n",
		r.Within, r.Entries, r.Size)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "server\tclients\trecovered\tms CPU a client\ttimes roombus\tms CPU of Redis\tconnecting anew, ms CPU\t"+
		"all back after s\tp50 ms\tp99 ms\tmemory MB")
	for i := range contenders {
		c := &contenders[i]
		samples := of(r.Samples, c.name)
		if len(samples) == 0 {
			continue
		}
		column := func(digits int, figure func(*sample) float64) string {
			values := make([]float64, len(samples))
			for i := range samples {
				values[i] = figure(&samples[i])
			}
			return lab.SpreadOf(values).Text(digits)
		}
		recovered, clients := 0, 0
		for _, s := range samples {
			recovered, clients = recovered+s.Recovered, clients+s.Clients
		}
		fmt.Fprintf(table, "%s\t%d\t%d of %d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", c.title, samples[0].Clients, recovered, clients,
			column(2, func(s *sample) float64 { return s.CPU }), r.ratio(c),
			column(2, func(s *sample) float64 { return s.RedisCPU }), column(2, func(s *sample) float64 { return s.Connecting }),
			column(1, func(s *sample) float64 { return s.Seconds }), column(0, func(s *sample) float64 { return s.P50 }),
			column(0, func(s *sample) float64 { return s.P99 }), column(0, func(s *sample) float64 { return s.Resident }))
	}
	return table.Flush()
}

func of(samples []sample, name string) []sample {
	return slices.DeleteFunc(slices.Clone(samples), func(s sample) bool { return s.Contender != name })
}

// ratio is how many times as much CPU a client costs as with roombus, round by round, because the machine is not the same
// in each.
func (r *report) ratio(c *contender) string {
	var ratios []float64
	for _, ours := range of(r.Samples, contenders[0].name) {
		for _, theirs := range of(r.Samples, c.name) {
			if ours.Round == theirs.Round && ours.CPU > 0 && ours.Contender != theirs.Contender {
				ratios = append(ratios, theirs.CPU/ours.CPU)
			}
		}
	}
	if len(ratios) == 0 {
		return ""
	}
	return lab.SpreadOf(ratios).Text(1)
}
