package payload

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
)

func TestUnmarshal(t *testing.T) {
	tests := []struct {
		name        string
		json        string
		attachments []string
		into, want  any
	}{
		{"a string", `"é\n\ud83d\ude00"`, nil, new(string), "é\n😀"},
		{"a number", "42", nil, new(int), 42},
		{"null leaves it", "null", nil, new(int), 0},
		{"a struct, case ignored", `{"ROOM":"r","size":-3,"unknown":[1]}`, nil, new(plain), plain{Room: "r", Size: -3}},
		{"a binary", p0, []string{"b"}, new([]byte), []byte("b")},
		{"an empty binary", p0, []string{""}, new([]byte), []byte{}},
		{"null for a binary", "null", nil, new([]byte), []byte(nil)},
		{"a named binary", p0, []string{"b"}, new(blob), blob("b")},
		{"bytes with a method", `"62"`, nil, new(hexText), hexText("b")},
		{"a struct of binaries",
			`{"name":"n","data":` + p1 + `,"thumb":` + p0 + `,"parts":[` + p2 + `,null],"byName":{"k":` + p0 + `},"blob":` + p2 + `}`,
			[]string{"zero", "one", "two"}, new(file),
			file{Name: "n", Data: []byte("one"), Thumb: new([]byte("zero")), Parts: [][]byte{[]byte("two"), nil},
				ByName: map[string][]byte{"k": []byte("zero")}, Blob: blob("two")}},
		{"binaries in any", `{"name":"","extra":[` + p1 + `,{"k":` + p0 + `},"x",1e3,true,null]}`, []string{"zero", "one"},
			new(file), file{Extra: []any{[]byte("one"), map[string]any{"k": []byte("zero")}, "x", 1000.0, true, nil}}},
		{"any", ` {"a":[1e400,"\u0041",[],{}]} `, nil, new(any),
			map[string]any{"a": []any{math.Inf(1), "A", []any{}, map[string]any{}}}},
		{"a list of any", `[1,` + p0 + `]`, []string{"b"}, new([]any), []any{1.0, []byte("b")}},
		{"raw JSON", `{"x":` + p0 + `}`, []string{"b"}, new(json.RawMessage), json.RawMessage(`{"x":` + p0 + `}`)},
		{"raw JSON inside", `{"r": [1, 2] }`, nil, new(struct{ R json.RawMessage }), struct{ R json.RawMessage }{json.RawMessage("[1, 2]")}},
		{"a time", `"2026-11-22T01:02:03.004Z"`, nil, new(time.Time), time.Date(2026, 11, 22, 1, 2, 3, 4e6, time.UTC)},
		{"the last of a repeated key", `{"room":"a","room":"b"}`, nil, new(plain), plain{Room: "b"}},
		{"half a surrogate pair", `"\ud83d"`, nil, new(string), "\ufffd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var attachments [][]byte
			for _, a := range tt.attachments {
				attachments = append(attachments, []byte(a))
			}
			if err := Unmarshal(mustValue(t, tt.json, attachments...), tt.into); err != nil {
				t.Fatal(err)
			}
			if got := reflect.ValueOf(tt.into).Elem().Interface(); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %#v, want %#v", got, tt.want)
			}
		})
	}
}

func TestUnmarshalTakesPartsAsTheyAre(t *testing.T) {
	v := mustValue(t, `{"a":1,"v": [`+p1+`], "list":[`+p1+`,`+p0+`]}`, []byte("zero"), []byte("one"))
	var into struct {
		V    domain.Value
		List []domain.Value
		None domain.Value
	}
	if err := Unmarshal(v, &into); err != nil {
		t.Fatal(err)
	}
	got := []string{show(into.V), show(into.List[0]), show(into.List[1])}
	want := []string{`[` + p0 + `] ["one"]`, p0 + ` ["one"]`, p0 + ` ["zero"]`}
	if !reflect.DeepEqual(got, want) || !into.None.IsZero() {
		t.Errorf("got %q, want %q", got, want)
	}
	var whole domain.Value
	if err := Unmarshal(v, &whole); err != nil || show(whole) != show(v) {
		t.Errorf("got %s, %v", show(whole), err)
	}
}

func TestUnmarshalCopiesBinaries(t *testing.T) {
	v := mustValue(t, `[`+p0+`,`+p0+`]`, []byte("before"))
	var direct [][]byte
	var dynamic any
	if err := errors.Join(Unmarshal(v, &direct), Unmarshal(v, &dynamic)); err != nil {
		t.Fatal(err)
	}
	copy(direct[0], "after!")
	copy(dynamic.([]any)[0].([]byte), "after!")
	if string(v.Attachments()[0]) != "before" || string(direct[1]) != "before" {
		t.Errorf("the shared attachment is now %q", v.Attachments()[0])
	}
}

func TestUnmarshalOfTheZeroValue(t *testing.T) {
	var number int
	var e *ShapeError
	if err := Unmarshal(domain.Value{}, &number); !errors.As(err, &e) || e.Expected != "number" || e.Found != "nothing" {
		t.Errorf("into an int: %v", err)
	}
	dynamic, value := any(nil), mustValue(t, "1")
	if err := errors.Join(Unmarshal(domain.Value{}, &dynamic), Unmarshal(domain.Value{}, &value)); err != nil {
		t.Error(err)
	}
	if dynamic != nil || !value.IsZero() {
		t.Errorf("got %v and %v", dynamic, value)
	}
}

func TestUnmarshalNeedsAPointer(t *testing.T) {
	for _, into := range []any{nil, 1, plain{}, (*plain)(nil)} {
		if err := Unmarshal(mustValue(t, "1"), into); err == nil || !strings.Contains(err.Error(), "pointer") {
			t.Errorf("into %T: %v", into, err)
		}
	}
}

func TestShapeErrors(t *testing.T) {
	tests := []struct {
		name, json string
		into       any
		want       string
	}{
		{"the kind", `"secret"`, new(int), `expected number, found string`},
		{"a field", `{"size":"secret"}`, new(plain), `field "size": expected number, found string`},
		{"a nested field", `{"next":{"next":{"room":[1]}}}`, new(plain), `field "next.next.room": expected string, found array`},
		{"an element", `[{"room":""},{"room":true}]`, new([]plain), `field "1.room": expected string, found boolean`},
		{"in a map", `{"secret":{"size":{}}}`, new(map[string]plain), `field "*.size": expected number, found object`},
		{"too large", `{"size":300}`, new(plain), `field "size": expected number that fits int8, found number`},
		{"not whole", `{"size":1.5}`, new(plain), `field "size": expected number that fits int8, found number`},
		{"no object", `[1]`, new(plain), `expected object, found array`},
		{"no array", `{"a":1}`, new([]int), `expected array, found object`},
		{"no boolean", `0`, new(bool), `expected boolean, found number`},
		{"a time", `{"at":"secret"}`, new(plain), `field "at": expected time in RFC 3339, found string`},
		{"a type's own method", `{"ip":"secret"}`, new(plain), `field "ip": expected netip.Addr, found string`},
		{"text for a binary", `{"data":"c2VjcmV0"}`, new(file), `field "data": expected binary, found string`},
		{"an array for a binary", `[1,2]`, new([]byte), `expected binary, found array`},
		{"text for a binary in a list", `{"parts":[null, "secret"]}`, new(file), `field "parts.1": expected binary, found string`},
		{"text for a named binary", `{"blob":1}`, new(file), `field "blob": expected binary, found number`},
		{"a binary for a struct", p0, new(plain), `expected object, found binary`},
		{"a binary for a string", `{"room":` + p0 + `}`, new(plain), `field "room": expected string, found binary`},
		{"a binary for a pointer", `{"next":` + p0 + `}`, new(plain), `field "next": expected object, found binary`},
		{"a binary for a map", p0, new(map[string]any), `expected object, found binary`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Unmarshal(mustValue(t, tt.json, []byte("binary")), tt.into)
			var e *ShapeError
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if e.Error() != tt.want {
				t.Errorf("got %q, want %q", e, tt.want)
			}
		})
	}
}

func TestUnmarshalArgs(t *testing.T) {
	p, err := domain.NewPacket([]byte(`["e","a",{"size":3},`+p0+`,true]`), []byte("b"))
	if err != nil {
		t.Fatal(err)
	}
	var (
		text   string
		object plain
		data   []byte
		extra  bool
		none   int
	)
	if err := UnmarshalArgs(p, &text, &object, &data); err != nil {
		t.Fatal(err)
	}
	if text != "a" || object.Size != 3 || string(data) != "b" {
		t.Errorf("got %q, %v, %q", text, object, data)
	}
	if err := UnmarshalArgs(p); err != nil {
		t.Errorf("into nothing: %v", err)
	}
	tests := []struct {
		into []any
		want string
	}{
		{[]any{&text, &object, &data, &extra, &none}, "expected 5 arguments, found 4"},
		{[]any{&text, &text}, "argument 2: expected string, found object"},
		{[]any{&text, &struct{ Size string }{}}, `argument 2, field "size": expected string, found number`},
		{[]any{&text, &object, &object}, "argument 3: expected object, found binary"},
	}
	for _, tt := range tests {
		var e *ShapeError
		if err := UnmarshalArgs(p, tt.into...); !errors.As(err, &e) || e.Error() != tt.want {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
	if err := UnmarshalArgs(domain.Packet{}, &text); err == nil || err.Error() != "expected 1 argument, found 0" {
		t.Errorf("of no packet: %v", err)
	}
}

func TestUnmarshalArray(t *testing.T) {
	var text string
	if err := UnmarshalArray(mustValue(t, `["a",1]`), &text); err != nil || text != "a" {
		t.Errorf("got %q, %v", text, err)
	}
	if err := UnmarshalArray(domain.Value{}); err != nil {
		t.Errorf("of nothing: %v", err)
	}
	if err := UnmarshalArray(mustValue(t, "{}")); err == nil || err.Error() != "expected array, found object" {
		t.Errorf("of an object: %v", err)
	}
}

func TestOffsets(t *testing.T) {
	tests := []struct {
		json string
		ends bool
	}{
		{`["hello"]`, true}, {`["e","x"]`, true}, {`["e", "x" , 1 ]`, false}, {`["e","x\""  ]`, true}, {`[1]`, false},
		{`["e",["x"]]`, false}, {`["e",{"a":"x"}]`, false}, {`["e",null]`, false},
	}
	for _, tt := range tests {
		p, err := domain.NewPacket([]byte(tt.json))
		if err != nil {
			t.Fatal(err)
		}
		if EndsInString(p) != tt.ends {
			t.Errorf("%s: ends in a string: %v, want %v", tt.json, !tt.ends, tt.ends)
		}
		with := AppendOffset(p, "1795338738822-0")
		if want := strings.TrimRight(tt.json[:len(tt.json)-1], "") + `,"1795338738822-0"]`; string(with.JSON()) != want || !EndsInString(with) {
			t.Errorf("got %s, want %s", with.JSON(), want)
		}
	}
	if EndsInString(domain.Packet{}) || !AppendOffset(domain.Packet{}, "1-0").IsZero() {
		t.Error("no packet has an offset")
	}
}

// FuzzUnmarshal looks for payloads that a program's types cannot stand, and for errors that quote them.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"name":"n","data":` + p1 + `,"thumb":` + p0 + `,"parts":[` + p0 + `,null],"byName":{"k":` + p0 + `},"extra":[` + p1 + `]}`))
	f.Add([]byte(`{"name":"n","data":"QUJD","blob":` + p0 + `}`))
	f.Add([]byte(`[1,"x",` + p0 + `]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := domain.NewValue(text, []byte("zero"), []byte("one"))
		if err != nil {
			return
		}
		var tree any
		if err := Unmarshal(v, &tree); err != nil {
			t.Fatalf("%s into any: %v", text, err)
		}
		var into file
		err = Unmarshal(v, &into)
		var e *ShapeError
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%s gave %v", text, err)
		}
		if err == nil {
			if _, err := Marshal(into); err != nil && !strings.Contains(err.Error(), "number") {
				t.Fatalf("%s became %#v, which cannot be encoded: %v", text, into, err)
			}
		}
	})
}

func BenchmarkUnmarshalArgs(b *testing.B) {
	p, err := MarshalEvent("message", plain{Room: "lobby"}, file{Name: "x", Data: []byte("data")})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var first plain
		var second file
		if err := UnmarshalArgs(p, &first, &second); err != nil {
			b.Fatal(err)
		}
	}
}
