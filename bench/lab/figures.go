package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// Spread is the median of something, with the least and the most.
type Spread struct{ Least, Median, Most float64 }

// SpreadOf is the spread of some values; all zero of none.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Spread{sorted[0], (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[n-1]}
}

// Text is the spread with so many digits: median [least-most].
func (s Spread) Text(digits int) string {
	return fmt.Sprintf("%.*f [%.*f-%.*f]", digits, s.Median, digits, s.Least, digits, s.Most)
}

// Markdown is the spread as it stands in docs/performance.md: median (least to most).
func (s Spread) Markdown(digits int) string {
	return fmt.Sprintf("%s (%s to %s)", number(s.Median, digits), number(s.Least, digits), number(s.Most, digits))
}

// number is a number of so many digits; fewer than none round it to tens, hundreds …; thousands stand apart.
func number(value float64, digits int) string {
	unit := 1.0
	for ; digits < 0; digits++ {
		unit *= 10
	}
	text := fmt.Sprintf("%.*f", digits, float64(int64(value/unit+0.5))*unit)
	if digits > 0 {
		return fmt.Sprintf("%.*f", digits, value)
	}
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// Ratios is the spread of the quotients of two figures, round by round, because the machine is not the same in each. Rounds
// in which the second is not positive have none.
func Ratios(figures, base []float64) Spread {
	var ratios []float64
	for i := range min(len(figures), len(base)) {
		if base[i] > 0 {
			ratios = append(ratios, figures[i]/base[i])
		}
	}
	return SpreadOf(ratios)
}

// Percentile is the least value that so many in a hundred do not exceed; zero of nothing.
func Percentile(sorted []float64, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}

// Save writes all figures of a run as JSON. An empty path is for nobody who wants them.
func Save(path string, report any) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}
