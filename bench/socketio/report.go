package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/roombus/roombus/bench/lab"
)

// report is all that a run has measured.
type report struct {
	Time       time.Time `json:"time"`
	Machine    string    `json:"machine"`
	Go         string    `json:"go"`
	Node       string    `json:"node"`
	Idle       int       `json:"idle"`
	Clients    int       `json:"clients"`
	Broadcasts int       `json:"broadcasts"`
	Samples    []sample  `json:"samples"`
}

// row is a row of the table.
type row struct {
	title  string
	digits int
	figure func(*sample) float64
}

func (r *report) rows() []row {
	return []row{
		{fmt.Sprintf("kB a connection, %d idle, in one room", r.Idle), 1, func(s *sample) float64 { return s.Memory }},
		{
			fmt.Sprintf("deliveries a second, flat out, %d broadcasts to %d clients", r.Broadcasts, r.Clients), -3,
			func(s *sample) float64 { return s.Deliveries },
		},
		{"µs CPU a delivery, flat out", 2, func(s *sample) float64 { return s.DeliveryCPU }},
		{"CPU at 20 broadcasts a second, % of a core", 1, func(s *sample) float64 { return s.PacedCPU }},
		{"p50 at that pace, ms", 2, func(s *sample) float64 { return s.P50 }},
		{"p99 at that pace, ms", 2, func(s *sample) float64 { return s.P99 }},
		{"handshakes a second", -1, func(s *sample) float64 { return s.Handshakes }},
		{"µs CPU a handshake", 0, func(s *sample) float64 { return s.HandshakeCPU }},
		{fmt.Sprintf("acked events a second, %d clients", echoClients), -2, func(s *sample) float64 { return s.Echoes }},
		{"µs CPU an acked event", 1, func(s *sample) float64 { return s.EchoCPU }},
	}
}

// of are the figures of a contender, in the order of the rounds.
func (r *report) of(name string, figure func(*sample) float64) []float64 {
	var figures []float64
	for i := range r.Samples {
		if r.Samples[i].Contender == name {
			figures = append(figures, figure(&r.Samples[i]))
		}
	}
	return figures
}

// write prints the table as it stands in docs/performance.md: medians (least to most), and the medians of the quotients of
// each round.
func (r *report) write(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, Node.js %s, %s; medians (least to most), and of the quotients of each round\n\n",
		r.Machine, r.Go, r.Node, r.Time.Format(time.DateOnly))
	b.WriteString("| |")
	for _, c := range contenders {
		fmt.Fprintf(&b, " %s |", c.title)
	}
	fmt.Fprintf(&b, " %s to that |\n| --- |%s --- |\n", contenders[0].title, strings.Repeat(" --- |", len(contenders)))
	for _, row := range r.rows() {
		fmt.Fprintf(&b, "| %s |", row.title)
		for _, c := range contenders {
			fmt.Fprintf(&b, " %s |", lab.SpreadOf(r.of(c.name, row.figure)).Markdown(row.digits))
		}
		ratios := lab.Ratios(r.of(contenders[0].name, row.figure), r.of(contenders[1].name, row.figure))
		fmt.Fprintf(&b, " %s |\n", ratios.Markdown(2))
	}
	_, err := io.WriteString(out, b.String())
	return err
}
