package inmemory

import (
	"testing"

	"github.com/roombus/roombus/domain"
)

func TestParseOffset(t *testing.T) {
	for text, want := range map[domain.Offset]position{
		"1:0":                           {1, 0},
		"1:1":                           {1, 1},
		"12:345":                        {12, 345},
		"1:18446744073709551615":        {1, 1<<64 - 1},
		"1:18446744073709551616":        {},
		"":                              {},
		":":                             {},
		"1:":                            {},
		":1":                            {},
		"0:1":                           {},
		"01:1":                          {},
		"1:01":                          {},
		"1:00":                          {},
		"+1:1":                          {},
		"1:+1":                          {},
		"1:-1":                          {},
		"1:1\t":                         {},
		"1:1:1":                         {},
		"1_0:1":                         {},
		"1526919030474-55":              {},
		"hello":                         {},
		"１:1" /* a full-width digit */ : {},
	} {
		p, ok := parseOffset(text)
		if p != want || ok != (want != position{}) {
			t.Errorf("parseOffset(%q) = %v, %t; want %v", text, p, ok, want)
		}
		if ok && p.offset() != text {
			t.Errorf("the position of %q is written %q", text, p.offset())
		}
	}
}

func TestCompareDoesNotAllocate(t *testing.T) {
	log := New(Config{}).Member().Log()
	a, b := domain.Offset("1:1234567"), domain.Offset("1:1234568")
	if n := testing.AllocsPerRun(100, func() { log.Compare(a, b) }); n != 0 {
		t.Errorf("Compare allocates %v times", n)
	}
}

// FuzzOffset takes any text for an offset: what is one is written as it was read.
func FuzzOffset(f *testing.F) {
	for _, text := range []string{"1:0", "1:18446744073709551615", "0:1", "01:1", "1:+1", "1-1", ":", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, ok := parseOffset(domain.Offset(text)); ok && string(p.offset()) != text {
			t.Errorf("%q came back as %q", text, p.offset())
		}
	})
}
