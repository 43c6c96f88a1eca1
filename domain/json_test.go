package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNewValueRefuses(t *testing.T) {
	tests := []struct {
		name, json string
		at         int
		reason     string
	}{
		{"nothing", "", 0, "ends too early"},
		{"white space alone", " \n", 2, "ends too early"},
		{"two values", "1 2", 2, "more text"},
		{"a byte order mark", "\ufeff1", 0, "expected a value"},
		{"an open array", "[1", 2, "ends too early"},
		{"a comma too many", "[1,]", 3, "expected a value"},
		{"a missing comma", "[1 2]", 3, "end of an array"},
		{"the wrong bracket", "[1}", 2, "end of an array"},
		{"the wrong brace", `{"a":1]`, 6, "end of an object"},
		{"a key without quotes", "{a:1}", 1, "expected a key"},
		{"a comma too many in an object", `{"a":1,}`, 7, "expected a key"},
		{"no colon", `{"a" 1}`, 5, "colon"},
		{"no value", `{"a":}`, 5, "expected a value"},
		{"a misspelt literal", "[nulL]", 1, "expected a value"},
		{"a cut literal", "tru", 0, "expected a value"},
		{"not a number", "NaN", 0, "expected a value"},
		{"a plus sign", "+1", 0, "expected a value"},
		{"a lone minus", "-", 0, "expected a value"},
		{"a leading zero", "01", 1, "more text"},
		{"a point without digits", "1.", 2, "expected a digit"},
		{"a point first", ".5", 0, "expected a value"},
		{"an exponent without digits", "1e+", 3, "expected a digit"},
		{"a key without an end", `{"abc`, 5, "does not end"},
		{"a wrong \\u", `"\u12g4"`, 1, "unknown escape"},
		{"a string without an end", `"abc`, 4, "does not end"},
		{"a string that ends in a backslash", `"abc\`, 4, "unknown escape"},
		{"a line break in a string", "\"a\nb\"", 2, "control character"},
		{"an unknown escape", `"a\x"`, 2, "unknown escape"},
		{"a short \\u", `"\u12"`, 1, "unknown escape"},
		{"single quotes", `'a'`, 0, "expected a value"},
		{"a comment", `/**/1`, 0, "expected a value"},
		{"broken UTF-8", "\"a\xffb\"", 1, "not UTF-8"},
		{"a surrogate in UTF-8", "\"\xed\xa0\x80\"", 1, "not UTF-8"},
		{"too deep", strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1), MaxDepth, "too deep"},
		{"much too deep", strings.Repeat(`{"a":`, 100_000), MaxDepth * 5, "too deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewValue([]byte(tt.json))
			checkPayloadError(t, err, tt.at, tt.reason)
			if json.Valid([]byte(tt.json)) && !strings.Contains(tt.reason, "UTF-8") && tt.reason != "too deep" {
				t.Error("encoding/json accepts it")
			}
		})
	}
}

func checkPayloadError(t *testing.T, err error, at int, reason string) {
	t.Helper()
	var e *PayloadError
	if !errors.As(err, &e) || !errors.Is(err, ErrInvalidPayload) {
		t.Fatalf("got the error %v, want a *PayloadError", err)
	}
	if e.At != at || !strings.Contains(e.Reason, reason) {
		t.Errorf("got %q at %d, want %q at %d", e.Reason, e.At, reason, at)
	}
}

func TestNewValueAccepts(t *testing.T) {
	for _, text := range []string{
		"null", "true", "false", "0", "-0", "1.5e-7", "1E9", "1e999", `""`, "[]", "{}", "[[],{}]", `{"":0,"":1}`,
		`"\u0000\"\\\/\b\f\n\r\t\ud83d\ude00\ud83d"`, "\"\u2028é😀\x7f\"",
		` [ 1 , { "a" : [ ] } ] `, `{"_placeholder":false}`, `{"_placeholder":"true","num":9}`, `{"num":1,"num":2}`,
		`"{\"_placeholder\":true,\"num\":9}"`,
		strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth),
	} {
		v, err := NewValue([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := string(v.JSON()); got != strings.Trim(text, " ") {
			t.Errorf("%s became %s", text, got)
		}
	}
}

// Case 25 of docs/guarantees.md: a placeholder is checked where it enters.
func TestCase25_PlaceholdersAreChecked(t *testing.T) {
	const usual = `{"_placeholder":true,"num":1}`
	two := [][]byte{[]byte("a"), []byte("b")}
	tests := []struct{ name, json, want string }{
		{"the usual one", usual, usual},
		{"in an event", `["e",` + usual + `]`, `["e",` + usual + `]`},
		{"white space", `{ "_placeholder" : true , "num" : 1 }`, usual},
		{"the other order", `[{"num":1,"_placeholder":true}]`, "[" + usual + "]"},
		{"escaped keys", `{"\u005fplaceholder":true,"\u006e\u0075m":1}`, usual},
		{"a leading zero is no number", `{"_placeholder":true,"num":01}`, ""},
		{"further keys", `{"_placeholder":true,"x":[` + usual + `],"num":1}`, usual},
		{"two odd ones", `[{"num":0,"_placeholder":true}, {"num":1,"_placeholder":true}]`,
			`[{"_placeholder":true,"num":0}, ` + usual + `]`},
		{"an odd one in an odd one", `[{"num":0,"_placeholder":true,"x":{"num":1,"_placeholder":true}}]`,
			`[{"_placeholder":true,"num":0}]`},
		{"too high", `{"_placeholder":true,"num":2}`, ""},
		{"much too high", `{"_placeholder":true,"num":4294967296}`, ""},
		{"negative", `{"_placeholder":true,"num":-1}`, ""},
		{"minus zero", `{"_placeholder":true,"num":-0}`, ""},
		{"a fraction", `{"_placeholder":true,"num":0.5}`, ""},
		{"an exponent", `{"_placeholder":true,"num":1e0}`, ""},
		{"a string", `{"_placeholder":true,"num":"1"}`, ""},
		{"no number", `{"_placeholder":true}`, ""},
		{"a long key that is none", `{"\u005f\u0070laceholders\u005f\u0070\u006c\u0061\u0063\u0065\u0068\u006f\u006c\u0064":true,"x":` + usual + `}`,
			`{"\u005f\u0070laceholders\u005f\u0070\u006c\u0061\u0063\u0065\u0068\u006f\u006c\u0064":true,"x":` + usual + `}`},
		{"escaped and wrong", `{"\u005fplaceholder":true,"num":9}`, ""},
		{"the mark twice", `{"_placeholder":false,"_placeholder":true,"num":1}`, ""},
		{"the mark taken back", `{"_placeholder":true,"num":1,"_placeholder":false}`, ""},
		{"the number twice", `{"_placeholder":true,"num":1,"num":1}`, ""},
		{"inside of __proto__", `{"__proto__":{"_placeholder":true,"num":9}}`, ""},
		{"inside of a good one", `{"_placeholder":true,"num":1,"x":{"_placeholder":true,"num":9}}`, ""},
		{"misspelt true", `{"_placeholder":trux,"num":1}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := NewValue([]byte(tt.json), two...)
			switch {
			case tt.want == "" && err == nil:
				t.Errorf("was accepted as %s", v.JSON())
			case tt.want != "" && err != nil:
				t.Error(err)
			case string(v.JSON()) != tt.want:
				t.Errorf("became %s, want %s", v.JSON(), tt.want)
			}
			if _, err := NewValue([]byte(tt.json)); err == nil {
				t.Error("was accepted without attachments")
			}
		})
	}
}

func FuzzNewValue(f *testing.F) {
	for _, seed := range []string{
		`["e",{"a":[1,-2.5e3,"x\u00e9\n😀"],"b":null}]`, `{"_placeholder":true,"num":1}`, ` [true , false]`,
		`{"num":0,"_placeholder":true,"x":{"_placeholder":true,"num":1}}`, "\"\xff\"", `{"\u005fplaceholder":true}`,
		`[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]`, `"\ud83d\ude00\ud83d"`, `01`, `{"a":1,}`,
	} {
		f.Add([]byte(seed), 2)
	}
	f.Fuzz(func(t *testing.T, data []byte, attachments int) {
		list := make([][]byte, min(max(attachments, 0), 20))
		v, err := NewValue(data, list...)
		var e *PayloadError
		switch {
		case err == nil:
			checkAgainstOracle(t, data, v)
		case !errors.As(err, &e):
			t.Fatalf("%q gave %v, which is no *PayloadError", data, err)
		case e.At < 0 || e.At > len(data):
			t.Fatalf("%q: the error is at %d", data, e.At)
		case strings.Contains(e.Reason, "placeholder"), strings.Contains(e.Reason, "too deep"):
		case json.Valid(data) && utf8.Valid(data):
			t.Fatalf("%q is valid, but: %v", data, err)
		}
	})
}

// checkAgainstOracle compares what was accepted, and the walks over it, with encoding/json.
func checkAgainstOracle(t *testing.T, data []byte, v Value) {
	t.Helper()
	if !json.Valid(data) || !json.Valid(v.JSON()) {
		t.Fatalf("%q was accepted as %q", data, v.JSON())
	}
	again, err := NewValue(v.JSON(), v.Attachments()...)
	if err != nil || !bytes.Equal(again.JSON(), v.JSON()) {
		t.Fatalf("%q became %q, and that %q, %v", data, v.JSON(), again.JSON(), err)
	}
	switch v.JSON()[0] {
	case '[':
		var want []json.RawMessage
		if err := json.Unmarshal(v.JSON(), &want); err != nil {
			t.Fatal(err)
		}
		elements, err := v.Elements()
		if err != nil || len(elements) != len(want) {
			t.Fatalf("%q has %d elements, %v, want %d", data, len(elements), err, len(want))
		}
		for i, element := range elements {
			if len(v.Attachments()) == 0 && string(element.JSON()) != string(want[i]) {
				t.Errorf("element %d of %q is %q, want %q", i, data, element.JSON(), want[i])
			}
			if _, err := NewValue(element.JSON(), element.Attachments()...); err != nil {
				t.Errorf("element %d of %q: %v", i, data, err)
			}
		}
	case '{':
		want := map[string]json.RawMessage{}
		if err := json.Unmarshal(v.JSON(), &want); err != nil {
			t.Fatal(err)
		}
		got := map[string]json.RawMessage{}
		for key, value := range Fields(v.JSON()) {
			got[string(key)] = json.RawMessage(value)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the fields of %q are %q, want %q", data, got, want)
		}
	case '"':
		var want string
		if err := json.Unmarshal(v.JSON(), &want); err != nil {
			t.Fatal(err)
		}
		if got, ok := v.Text(); !ok || got != want {
			t.Errorf("the text of %q is %q, want %q", data, got, want)
		}
	}
}
