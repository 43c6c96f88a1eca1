package domain

import (
	"encoding/json"
	"math"
	"testing"
)

func TestFieldsInOrder(t *testing.T) {
	v, err := NewValue([]byte(` { "b" : [ 1 , "}" ] , "a\n" : "\\" ,"b":{"x":"]\""} , "" : -1.5 } `))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for key, value := range Fields(v.JSON()) {
		got = append(got, string(key), string(value))
	}
	want := []string{"b", `[ 1 , "}" ]`, "a\n", `"\\"`, "b", `{"x":"]\""}`, "", "-1.5"}
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %q, want %q", got[i], want[i])
		}
	}
}

func TestWalksStopEarly(t *testing.T) {
	for element := range Elements([]byte(`[1,2,3]`)) {
		if string(element) != "1" {
			t.Fatalf("got %s after the end of the loop", element)
		}
		break
	}
	for key := range Fields([]byte(`{"a":1,"b":2}`)) {
		if string(key) != "a" {
			t.Fatalf("got %s after the end of the loop", key)
		}
		break
	}
}

func TestWalksOverOtherValues(t *testing.T) {
	for _, text := range []string{"", "null", `"[1]"`, "1", "[]", "{}", "[ ]", "{ }"} {
		for element := range Elements([]byte(text)) {
			t.Errorf("%s has the element %s", text, element)
		}
		for key := range Fields([]byte(text)) {
			t.Errorf("%s has the field %s", text, key)
		}
	}
}

func TestAppendQuoted(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", `""`},
		{"é😀\u2028<&>\x7f", "\"é😀\u2028<&>\x7f\""},
		{"\"\\\b\f\n\r\t\x00\x1f", `"\"\\\b\f\n\r\t\u0000\u001f"`},
		{"a\xed\xa0\xbd", `"a\ud83d"`},
		{"\xed\xa0\xbd\xed\xb8\x80", `"\ud83d\ude00"`},
		{"\xed\xbf\xbfz", `"\udfffz"`},
		{"a\xffb\xc3", "\"a\ufffdb\ufffd\""},
		{"\xed\xa0", "\"\ufffd\ufffd\""},
	}
	for _, tt := range tests {
		if got := string(AppendQuoted(nil, tt.text)); got != tt.want {
			t.Errorf("%q became %s, want %s", tt.text, got, tt.want)
		}
		if got := string(AppendQuoted([]byte("x"), []byte(tt.text))); got != "x"+tt.want {
			t.Errorf("the bytes of %q became %s, want x%s", tt.text, got, tt.want)
		}
	}
}

func TestAppendUnquoted(t *testing.T) {
	for _, inside := range []string{
		`plain`, `\"\\\/\b\f\n\r\t`, `\u00e9\u20AC`, `\ud83d\ude00`, `\ud83d`, `\ude00`, `\ud83dx`, `\ud83d\n`,
		`\ud83d\ud83d\ude00`, `\ude00\ud83d`, `\u0000`,
	} {
		var want string
		if err := json.Unmarshal([]byte(`"`+inside+`"`), &want); err != nil {
			t.Fatal(err)
		}
		if got := string(AppendUnquoted(nil, []byte(inside))); got != want {
			t.Errorf("%s became %q, want %q", inside, got, want)
		}
	}
}

// The wanted texts are what Node.js 20 prints for String(x).
func TestAppendNumber(t *testing.T) {
	tests := []struct {
		number float64
		want   string
	}{
		{0, "0"}, {math.Copysign(0, -1), "0"}, {1, "1"}, {-1.5, "-1.5"}, {0.1, "0.1"}, {1e20, "100000000000000000000"},
		{1e21, "1e+21"}, {-1e21, "-1e+21"}, {1.5e300, "1.5e+300"}, {1e-6, "0.000001"}, {1e-7, "1e-7"},
		{1.25e-9, "1.25e-9"}, {5e-324, "5e-324"}, {math.MaxFloat64, "1.7976931348623157e+308"},
		{9007199254740993, "9007199254740992"}, {math.MaxUint64, "18446744073709552000"},
		{math.NaN(), "NaN"}, {math.Inf(1), "Infinity"}, {math.Inf(-1), "-Infinity"}, {float64(float32(0.1)), "0.10000000149011612"},
	}
	for _, tt := range tests {
		if got := string(AppendNumber(nil, tt.number)); got != tt.want {
			t.Errorf("%v became %s, want %s", tt.number, got, tt.want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"a\"b\\", "é😀", "\x00\xff", "\xed\xa0\xbd\xed\xb8\x80", `\ud83d`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := AppendQuoted(nil, text)
		v, err := NewValue(quoted)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, quoted, err)
		}
		got, _ := v.Text()
		var want string
		if err := json.Unmarshal(quoted, &want); err != nil || got != want {
			t.Fatalf("%q became %s, which means %q, want %q (%v)", text, quoted, got, want, err)
		}
	})
}
