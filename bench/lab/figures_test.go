package lab

import "testing"

func TestSpread(t *testing.T) {
	if got, want := SpreadOf([]float64{3, 1, 2}), (Spread{1, 2, 3}); got != want {
		t.Errorf("of three: %v, want %v", got, want)
	}
	if got, want := SpreadOf([]float64{4, 1, 2, 3}), (Spread{1, 2.5, 4}); got != want {
		t.Errorf("of four: %v, want %v", got, want)
	}
	if got := SpreadOf(nil); got != (Spread{}) {
		t.Errorf("of nothing: %v", got)
	}
}

func TestPercentile(t *testing.T) {
	values := make([]float64, 200)
	for i := range values {
		values[i] = float64(i + 1)
	}
	if p50, p99 := Percentile(values, 50), Percentile(values, 99); p50 != 100 || p99 != 198 {
		t.Errorf("p50 %v and p99 %v of 1 to 200, want 100 and 198", p50, p99)
	}
}

func TestRatiosGoRoundByRound(t *testing.T) {
	if got, want := Ratios([]float64{4, 9, 1}, []float64{2, 3, 0}), (Spread{2, 2.5, 3}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMarkdown(t *testing.T) {
	for digits, want := range map[int]string{
		-2: "1,234,600 (100 to 1,234,600)", 0: "1,234,568 (99 to 1,234,568)", 1: "1234567.8 (99.0 to 1234567.8)",
	} {
		if got := (Spread{99, 1234567.8, 1234567.8}).Markdown(digits); got != want {
			t.Errorf("%d digits: %s, want %s", digits, got, want)
		}
	}
}
