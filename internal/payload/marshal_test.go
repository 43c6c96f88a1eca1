package payload

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
)

type blob []byte // a named binary

type hexText []byte // bytes that say themselves how they are encoded

func (h hexText) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%x", []byte(h)), nil }
func (h *hexText) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "%x", (*[]byte)(h))
	return err
}

type file struct {
	Name   string            `json:"name"`
	Data   []byte            `json:"data,omitempty"`
	Thumb  *[]byte           `json:"thumb,omitempty"`
	Parts  [][]byte          `json:"parts,omitempty"`
	ByName map[string][]byte `json:"byName,omitempty"`
	Blob   blob              `json:"blob,omitempty"`
	Extra  any               `json:"extra,omitempty"`
	hidden int
}

type plain struct {
	Room string     `json:"room"`
	At   time.Time  `json:"at"`
	IP   netip.Addr `json:"ip"`
	Size int8       `json:"size,omitempty"`
	Next *plain     `json:"next,omitempty"`
	Skip string     `json:"-"`
}

func show(v domain.Value) string { return fmt.Sprintf("%s %q", v.JSON(), v.Attachments()) }

const (
	p0 = `{"_placeholder":true,"num":0}`
	p1 = `{"_placeholder":true,"num":1}`
	p2 = `{"_placeholder":true,"num":2}`
	p3 = `{"_placeholder":true,"num":3}`
)

func TestMarshal(t *testing.T) {
	thumb := []byte("thumb")
	inner := mustValue(t, `[`+p1+`,`+p0+`,`+p1+`]`, []byte("i0"), []byte("i1"))
	at := time.Date(2026, 11, 22, 1, 2, 3, 4_000_000, time.UTC)
	tests := []struct {
		name string
		v    any
		want string
	}{
		{"nil", nil, "null []"},
		{"a string", "<é>\n", `"<é>\n" []`},
		{"broken UTF-8", "a\xff", "\"a\ufffd\" []"},
		{"numbers", []any{1, int64(-2), 1.5, 1e21, uint8(3), float32(0.1)}, `[1,-2,1.5,1e+21,3,0.1] []`},
		{"a struct", plain{Room: "<r>", At: at, IP: netip.MustParseAddr("::1"), Skip: "x", Next: &plain{Size: 3}},
			`{"room":"<r>","at":"2026-11-22T01:02:03.004Z","ip":"::1","next":{"room":"","at":"0001-01-01T00:00:00Z","ip":"","size":3}} []`},
		{"a binary", []byte("b"), p0 + ` ["b"]`},
		{"an empty binary", []byte{}, p0 + ` [""]`},
		{"no binary", []byte(nil), `null []`},
		{"a named binary", blob("b"), p0 + ` ["b"]`},
		{"bytes with a method", hexText("b"), `"62" []`},
		{"an array of bytes", [2]byte{1, 2}, `[1,2] []`},
		{"a pointer to a binary", &thumb, p0 + ` ["thumb"]`},
		{"a struct of binaries", file{
			Name: "<n>", Data: []byte("d"), Thumb: &thumb, Parts: [][]byte{[]byte("q"), nil},
			ByName: map[string][]byte{"z": []byte("zz"), "a": []byte("aa")}, hidden: 1,
		}, `{"name":"<n>","data":` + p0 + `,"thumb":` + p1 + `,"parts":[` + p2 + `,null],"byName":{"a":` + p3 +
			`,"z":{"_placeholder":true,"num":4}}} ["d" "thumb" "q" "aa" "zz"]`},
		{"a binary in any", file{Extra: []any{[]byte("e"), blob("f"), map[string]any{"k": []byte("g")}}, Blob: blob("h")},
			`{"name":"","blob":` + p0 + `,"extra":[` + p1 + `,` + p2 + `,{"k":` + p3 + `}]} ["h" "e" "f" "g"]`},
		{"a tree", map[string]any{"b": []byte("1"), "a": []any{[]byte("0"), nil, true}, "c": []file{{Data: []byte("2")}}},
			`{"a":[` + p0 + `,null,true],"b":` + p1 + `,"c":[{"name":"","data":` + p2 + `}]} ["0" "1" "2"]`},
		{"nil collections", []any{[]any(nil), map[string]any(nil), []int(nil), map[string]int(nil)}, `[null,null,null,null] []`},
		{"a value in a tree", []any{[]byte("x"), inner, domain.Value{}},
			`[` + p0 + `,[` + p2 + `,` + p1 + `,` + p2 + `],null] ["x" "i0" "i1"]`},
		{"a value in a struct", struct {
			A []byte
			V domain.Value
			Z *domain.Value `json:",omitempty"`
		}{[]byte("a"), inner, nil}, `{"A":` + p0 + `,"V":[` + p2 + `,` + p1 + `,` + p2 + `]} ["a" "i0" "i1"]`},
		{"raw JSON", map[string]json.RawMessage{"r": json.RawMessage(`{"x":[1,2]}`)}, `{"r":{"x":[1,2]}} []`},
		{"a map of numbers", map[int]string{2: "b", 1: "a"}, `{"1":"a","2":"b"} []`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := Marshal(tt.v)
			if err != nil {
				t.Fatal(err)
			}
			if show(v) != tt.want {
				t.Errorf("got\n%s, want\n%s", show(v), tt.want)
			}
		})
	}
}

func TestMarshalPassesAValueThrough(t *testing.T) {
	if v, err := Marshal(domain.Value{}); err != nil || !v.IsZero() {
		t.Errorf("the zero Value became %v, %v", v, err)
	}
	in := mustValue(t, p0, []byte("x"))
	if out, err := Marshal(in); err != nil || &out.Attachments()[0][0] != &in.Attachments()[0][0] {
		t.Errorf("the Value was copied: %v", err)
	}
}

func TestMarshalCopiesBinaries(t *testing.T) {
	data := []byte("before")
	v, err := Marshal(file{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	copy(data, "after!")
	if got := string(v.Attachments()[0]); got != "before" {
		t.Errorf("the attachment is now %q", got)
	}
}

// TestMarshalAgreesWithEncodingJSON holds both ways of encoding, that for types without and that for types with
// binaries, against encoding/json.
func TestMarshalAgreesWithEncodingJSON(t *testing.T) {
	type embedded struct{ A, B int }
	type mixed struct {
		embedded
		*plain
		S    string            `json:"s,omitempty"`
		N    int               `json:",string"`
		Z    time.Time         `json:"z,omitzero"`
		D    time.Duration     `json:"d"`
		F    float64           `json:"f"`
		M    map[string]int    `json:"m"`
		L    []string          `json:"l,omitempty"`
		H    hexText           `json:"h"`
		Any  any               `json:"any"`
		P    *int              `json:"p"`
		Arr  [3]byte           `json:"arr"`
		Many map[string]string `json:"many"`
	}
	values := []any{
		mixed{embedded: embedded{1, 2}, N: 3, F: 1e-9, M: map[string]int{"b": 1, "a": 2}, H: hexText("x"), Any: mixedAny{1}},
		mixed{plain: &plain{Room: "r"}, L: []string{"a\u2028"}, Any: []int{1}, Many: map[string]string{"x": "\x01"}},
		[]any{true, "x", 2.5, map[string]any{"z": 1, "a": []string{"b"}}, embedded{3, 4}},
		&embedded{1, 2}, struct{}{}, []plain{{Size: 1}}, map[string]any{},
	}
	for _, v := range values {
		var want strings.Builder
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		// encoding/json escapes U+2028, which JSON does not ask for.
		text := strings.ReplaceAll(strings.TrimSpace(want.String()), `\u2028`, "\u2028")
		got, err := Marshal(v)
		if err != nil {
			t.Errorf("%T: %v", v, err)
			continue
		}
		if plain := strings.ReplaceAll(string(got.JSON()), `\u2028`, "\u2028"); plain != text {
			t.Errorf("got\n%s, want\n%s", plain, text)
		}
	}
}

type mixedAny struct{ X int }

type brokenMarshaler struct{}

func (brokenMarshaler) MarshalJSON() ([]byte, error) { return nil, errors.New("broken on purpose") }

type cycle struct{ Next any }

func TestMarshalRefuses(t *testing.T) {
	deep := any(1)
	for range domain.MaxDepth + 1 {
		deep = []any{deep}
	}
	loop := map[string]any{}
	loop["loop"] = loop
	ring := &cycle{}
	ring.Next = ring
	tests := []struct {
		name string
		v    any
		want string
	}{
		{"a channel", make(chan int), "chan int"},
		{"a channel in a tree", []any{map[string]any{"c": make(chan int)}}, "chan int"},
		{"a channel in a struct", file{Extra: make(chan int)}, "chan int"},
		{"a function", func() {}, "func()"},
		{"NaN", math.NaN(), "NaN"},
		{"an infinity in a struct", struct{ F float64 }{math.Inf(1)}, "Inf"},
		{"a failing method", []any{brokenMarshaler{}}, "broken on purpose"},
		{"too deep", deep, "too deep"},
		{"a loop", loop, "too deep"},
		{"a ring of pointers", ring, "cycle"},
		{"a raw placeholder without its binary", json.RawMessage(p0), "placeholder"},
		{"a raw placeholder beside a binary", []any{[]byte("x"), json.RawMessage(p0)}, "domain.Value"},
		{"the same in a struct", file{Data: []byte("x"), Extra: json.RawMessage(`{"num":0,"\u005fplaceholder":true}`)}, "domain.Value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := Marshal(tt.v)
			if err == nil {
				t.Fatalf("was encoded as %.100s", v.JSON())
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %q, want it to say %q", err, tt.want)
			}
			if _, err := MarshalEvent("e", "fine", tt.v); err == nil {
				t.Error("was encoded as an argument")
			}
		})
	}
}

func TestMarshalEvent(t *testing.T) {
	p, err := MarshalEvent("a \"b\"", 1, []byte("x"), file{Name: "n", Data: []byte("y")}, mustValue(t, p0, []byte("z")))
	if err != nil {
		t.Fatal(err)
	}
	want := `["a \"b\"",1,` + p0 + `,{"name":"n","data":` + p1 + `},` + p2 + `] ["x" "y" "z"]`
	if p.Event() != `a "b"` || show(p.Value()) != want {
		t.Errorf("got %s, want %s", show(p.Value()), want)
	}
	if p, err := MarshalEvent("alone"); err != nil || string(p.JSON()) != `["alone"]` {
		t.Errorf("got %s, %v", p.JSON(), err)
	}
	if _, err := MarshalEvent("disconnect"); !errors.Is(err, domain.ErrInvalidPayload) {
		t.Errorf("a reserved event gave %v", err)
	}
	if _, err := MarshalEvent("e", make([][]byte, 11)); err != nil {
		t.Errorf("nil binaries count as attachments: %v", err)
	}
	eleven := make([]any, domain.MaxAttachments+1)
	for i := range eleven {
		eleven[i] = []byte{byte(i)}
	}
	if _, err := MarshalEvent("e", eleven...); !errors.Is(err, domain.ErrInvalidPayload) {
		t.Errorf("eleven binaries gave %v", err)
	}
	if _, err := MarshalServerEvent("e", eleven...); err != nil {
		t.Errorf("eleven binaries between servers: %v", err)
	}
	if _, err := MarshalServerEvent("connection"); !errors.Is(err, domain.ErrInvalidPayload) {
		t.Errorf("a reserved event between servers gave %v", err)
	}
	if _, err := MarshalEvent("e", 1, make(chan int)); err == nil || !strings.Contains(err.Error(), "argument 2") {
		t.Errorf("the error %v does not name the argument", err)
	}
}

func TestMarshalArgs(t *testing.T) {
	v, err := MarshalArgs()
	if err != nil || string(v.JSON()) != "[]" {
		t.Errorf("got %s, %v", v.JSON(), err)
	}
	v, err = MarshalArgs("ok", []byte("b"))
	if err != nil || show(v) != `["ok",`+p0+`] ["b"]` {
		t.Errorf("got %s, %v", show(v), err)
	}
}

func BenchmarkMarshalEvent(b *testing.B) {
	type message struct {
		Room, Body string
		At         int64
	}
	inputs := []struct {
		name string
		arg  any
	}{
		{"struct", message{"lobby", "good morning to all of you", 1795338738822}},
		{"map", map[string]any{"room": "lobby", "body": "good morning to all of you", "at": 1795338738822}},
		{"value", mustValue(b, `{"room":"lobby","body":"good morning to all of you","at":1795338738822}`)},
		{"struct with binary", file{Name: "a.png", Data: []byte("0123456789")}},
	}
	for _, in := range inputs {
		b.Run(in.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := MarshalEvent("message", in.arg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
