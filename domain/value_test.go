package domain

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func mustValue(t testing.TB, json string, attachments ...string) Value {
	t.Helper()
	v, err := NewValue([]byte(json), byteSlices(attachments)...)
	if err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return v
}

func byteSlices(texts []string) [][]byte {
	var list [][]byte
	for _, text := range texts {
		list = append(list, []byte(text))
	}
	return list
}

// show writes a value with its attachments, for comparison.
func show(v Value) string { return fmt.Sprintf("%s %q", v.JSON(), v.Attachments()) }

func TestZeroValue(t *testing.T) {
	var v Value
	if !v.IsZero() || v.JSON() != nil || v.Size() != 0 || len(v.Attachments()) != 0 {
		t.Errorf("the zero Value is %v", v)
	}
	if _, ok := v.Text(); ok {
		t.Error("the zero Value has a text")
	}
	if _, ok := v.Attachment(); ok {
		t.Error("the zero Value is an attachment")
	}
	if _, err := v.Elements(); err == nil {
		t.Error("the zero Value has elements")
	}
	if mustValue(t, "null").IsZero() {
		t.Error("null counts as no value")
	}
}

func TestValueParts(t *testing.T) {
	const p0, p1, p2 = `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`, `{"_placeholder":true,"num":2}`
	v := mustValue(t, `["e",`+p1+`,{"a":`+p0+`,"b":`+p1+`},[`+p0+`,`+p0+`],{"x":[`+p2+`,`+p0+`,`+p2+`]},1]`,
		"zero", "one", "two", "never named")
	elements, err := v.Elements()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`"e" []`,
		p0 + ` ["one"]`,
		`{"a":` + p0 + `,"b":` + p1 + `} ["zero" "one"]`,
		`[` + p0 + `,` + p0 + `] ["zero"]`,
		`{"x":[` + p0 + `,` + p1 + `,` + p0 + `]} ["two" "zero"]`,
		`1 []`,
	}
	var got []string
	for _, element := range elements {
		got = append(got, show(element))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if data, ok := elements[1].Attachment(); !ok || string(data) != "one" {
		t.Errorf("the second element is the attachment %q, %v, want \"one\"", data, ok)
	}
	if _, ok := elements[2].Attachment(); ok {
		t.Error("an object with placeholders counts as an attachment")
	}
	if v.Size() != len(v.JSON())+len("zeroonetwonever named") {
		t.Errorf("the size is %d", v.Size())
	}
}

func TestPlaceholders(t *testing.T) {
	const p0 = `{"_placeholder":true,"num":0}`
	for json, want := range map[string]int{`[1]`: 0, p0: 1, `[` + p0 + `,{"a":` + p0 + `}]`: 2, `"_placeholder"`: 0} {
		if got := mustValue(t, json, "a", "b").Placeholders(); got != want {
			t.Errorf("%s has %d placeholders, want %d", json, got, want)
		}
	}
	if (Value{}).Placeholders() != 0 {
		t.Error("the zero Value has placeholders")
	}
}

func TestPayloadErrorSaysWhere(t *testing.T) {
	_, err := NewValue([]byte(`["secret",]`))
	if want := "invalid payload at byte 10: expected a value"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAppendTo(t *testing.T) {
	a := mustValue(t, `{"_placeholder":true,"num":0}`, "a")
	b := mustValue(t, `[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, "b0", "b1")
	json, attachments := []byte("["), [][]byte(nil)
	for i, v := range []Value{a, {}, mustValue(t, `"x"`), b, a} {
		if i > 0 {
			json = append(json, ',')
		}
		json, attachments = v.AppendTo(json, attachments)
	}
	all, err := NewValue(append(json, ']'), attachments...)
	if err != nil {
		t.Fatal(err)
	}
	elements, err := all.Elements()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{show(a), "null []", `"x" []`, `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}] ["b1" "b0"]`, show(a)}
	for i, element := range elements {
		if show(element) != want[i] {
			t.Errorf("element %d is %s, want %s", i, show(element), want[i])
		}
	}
}

func TestEnvelopeHoldsTheDeepestValue(t *testing.T) {
	deepest := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	inner := mustValue(t, deepest)
	envelope, err := NewEnvelope([]byte(`{"packet":{"data":[{"x":` + deepest + `}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, packet := range Fields(envelope.JSON()) {
		for _, data := range Fields(packet) {
			for element := range Elements(data) {
				for _, x := range Fields(element) {
					if got := envelope.Part(x); show(got) != show(inner) {
						t.Errorf("came back as %s", show(got))
					}
				}
			}
		}
	}
	tooDeep := strings.Repeat("[", MaxEnvelopeDepth+1) + strings.Repeat("]", MaxEnvelopeDepth+1)
	if _, err := NewEnvelope([]byte(tooDeep)); err == nil {
		t.Error("an envelope may be nested without end")
	}
}

func TestValueStringHidesThePayload(t *testing.T) {
	v := mustValue(t, `"secret"`)
	for _, text := range []string{v.String(), fmt.Sprintf("%+v", v), fmt.Sprintf("%v, %s", v, "an error")} {
		if strings.Contains(text, "secret") || !strings.Contains(text, "8 bytes") {
			t.Errorf("got %q", text)
		}
	}
}

func TestTextValue(t *testing.T) {
	for _, text := range []string{"", "plain", "\"quoted\"\n", "é😀"} {
		v := TextValue(text)
		if got, ok := mustValue(t, string(v.JSON())).Text(); !ok || got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	if _, ok := mustValue(t, "1").Text(); ok {
		t.Error("a number has a text")
	}
}
