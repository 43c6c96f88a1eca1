package main

import (
	"strings"
	"testing"
)

func TestReportComparesRoundByRound(t *testing.T) {
	r := report{Machine: "a machine", Idle: 10, Clients: 20, Samples: []sample{
		{Contender: "roombus", Round: 1, Memory: 2, Echoes: 80_000},
		{Contender: "nodejs", Round: 1, Memory: 10, Echoes: 40_000},
		{Contender: "nodejs", Round: 2, Memory: 10, Echoes: 20_000},
		{Contender: "roombus", Round: 2, Memory: 4, Echoes: 100_000},
	}}
	var out strings.Builder
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| kB a connection, 10 idle, in one room | 3.0 (2.0 to 4.0) | 10.0 (10.0 to 10.0) | 0.30 (0.20 to 0.40) |",
		"| acked events a second, 100 clients | 90,000 (80,000 to 100,000) | 30,000 (20,000 to 40,000) | 3.50 (2.00 to 5.00) |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, &out)
		}
	}
}
