package parser

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// frame is a text, or a binary written as {"$bin": base64}.
type frame struct {
	text   string
	binary []byte
}

func (f *frame) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &f.text)
	}
	var binary struct {
		Data []byte `json:"$bin"`
	}
	err := json.Unmarshal(data, &binary)
	f.binary = binary.Data
	return err
}

// jsPacket is a packet as socket.io-parser has it.
type jsPacket struct {
	Type Type    `json:"type"`
	Nsp  string  `json:"nsp"`
	ID   *uint64 `json:"id"`
	Data any     `json:"data"`
}

type vectorFile struct {
	Decoded []struct {
		Frames  []frame    `json:"frames"`
		Packets []jsPacket `json:"packets"`
		Error   string     `json:"error"`
	} `json:"decoded"`
	Encoded []struct {
		Packet jsPacket `json:"packet"`
		Frames []frame  `json:"frames"`
	} `json:"encoded"`
}

func readVectors(t testing.TB) vectorFile {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Decoded) == 0 || len(file.Encoded) == 0 {
		t.Fatal("testdata/vectors.json is empty")
	}
	return file
}

func newDecoder(t testing.TB, config Config) *Decoder {
	t.Helper()
	d, err := NewDecoder(config)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// decode reads all frames, and stops at the first error.
func decode(d *Decoder, frames []frame) ([]Packet, error) {
	var packets []Packet
	for _, f := range frames {
		var (
			p        Packet
			complete bool
			err      error
		)
		if f.binary != nil {
			p, complete, err = d.AddBinary(f.binary)
		} else {
			p, complete, err = d.Add([]byte(f.text))
		}
		if err != nil {
			return packets, err
		}
		if complete {
			packets = append(packets, p)
		}
	}
	return packets, nil
}

// toJS writes a packet as the vectors have it.
func toJS(t testing.TB, p Packet) jsPacket {
	t.Helper()
	out := jsPacket{Type: p.Type, Nsp: p.Namespace}
	if p.HasID {
		out.ID = &p.ID
	}
	if err := payload.Unmarshal(p.Payload, &out.Data); err != nil {
		t.Fatal(err)
	}
	out.Data = showBinaries(out.Data)
	return out
}

func showBinaries(v any) any {
	switch v := v.(type) {
	case []byte:
		return map[string]any{"$bin": base64.StdEncoding.EncodeToString(v)}
	case []any:
		for i := range v {
			v[i] = showBinaries(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = showBinaries(v[key])
		}
	}
	return v
}

// stricter holds the frames, by the first of them, that socket.io-parser takes and this package does not, or takes
// otherwise, and why.
var stricter = map[string]string{
	"":                    "an empty frame is no CONNECT",
	" ":                   "a space is no CONNECT",
	"2":                   "an event without a name",
	"27":                  "an event without a name",
	"2/admin,":            "an event without a name",
	"2/admin,7":           "an event without a name",
	`2/admin["a"]`:        "an event without a name, in a strange namespace",
	"51-":                 "an event without a name",
	"61-7":                "a binary answer without a payload",
	"0 {}":                "JavaScript takes the space for the id 0",
	`2 ["a"]`:             "JavaScript takes the space for the id 0",
	"2\t[\"a\"]":          "JavaScript takes the tab for the id 0",
	`5+1-["a"]`:           "a number of attachments with a sign",
	`51e0-["a"]`:          "a number of attachments with an exponent",
	`5 1-["a"]`:           "a number of attachments with a space",
	`2["e",` + p(0) + `]`: "a placeholder without attachments, which would break its recipients",
}

func p(num int) string { return fmt.Sprintf(`{"_placeholder":true,"num":%d}`, num) }

func TestDecoderAgreesWithTheReference(t *testing.T) {
	for _, vec := range readVectors(t).Decoded {
		packets, err := decode(newDecoder(t, Config{}), vec.Frames)
		first := vec.Frames[0].text
		reason, known := stricter[first]
		known = known && vec.Frames[0].binary == nil && vec.Error == ""
		got := make([]jsPacket, 0, len(packets))
		for _, p := range packets {
			got = append(got, toJS(t, p))
		}
		agrees := (err != nil) == (vec.Error != "") && (err != nil || reflect.DeepEqual(got, append([]jsPacket{}, vec.Packets...)))
		if agrees == known {
			gotText, _ := json.Marshal(got)
			wantText, _ := json.Marshal(vec.Packets)
			t.Errorf("%q gave %s, %v\nthe reference gives %s %s (known difference: %q)", first, gotText, err, wantText, vec.Error, reason)
		}
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%q gave the error %T", first, err)
		}
	}
}

func TestAppendTextAgreesWithTheReference(t *testing.T) {
	for _, vec := range readVectors(t).Encoded {
		p := Packet{Type: vec.Packet.Type, Namespace: vec.Packet.Nsp}
		if vec.Packet.ID != nil {
			p.ID, p.HasID = *vec.Packet.ID, true
		}
		if vec.Packet.Data != nil {
			v, err := payload.Marshal(hideBinaries(t, vec.Packet.Data))
			if err != nil {
				t.Fatal(err)
			}
			p.Payload = v
		}
		text := AppendText([]byte("4"), p)
		if got := string(text[1:]); got != vec.Frames[0].text {
			t.Errorf("%v became %s, want %s", p.Type, got, vec.Frames[0].text)
		}
		var binaries [][]byte
		for _, f := range vec.Frames[1:] {
			binaries = append(binaries, f.binary)
		}
		if got := p.Payload.Attachments(); len(got) != len(binaries) || len(got) > 0 && !reflect.DeepEqual(got, binaries) {
			t.Errorf("%s has the attachments %q, want %q", text, got, binaries)
		}
		back, err := decode(newDecoder(t, Config{}), vec.Frames)
		if err != nil || len(back) != 1 || !reflect.DeepEqual(toJS(t, back[0]), toJS(t, p)) {
			t.Errorf("%s came back as %v, %v", text, back, err)
		}
	}
}

// hideBinaries is the reverse of showBinaries.
func hideBinaries(t testing.TB, v any) any {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = hideBinaries(t, v[i])
		}
	case map[string]any:
		if text, ok := v["$bin"].(string); ok {
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		for key := range v {
			v[key] = hideBinaries(t, v[key])
		}
	}
	return v
}

func TestDecoderRefuses(t *testing.T) {
	long := "/" + strings.Repeat("n", 20)
	config := Config{MaxAttachments: 2, MaxNamespaceLength: 20, MaxEventLength: 9, MaxAttachmentBytes: 5}
	tests := []struct {
		name   string
		frames []frame
		want   string
	}{
		{"nothing", []frame{{}}, "an empty packet"},
		{"an unknown type", []frame{{text: "7"}}, "unknown packet type"},
		{"an event without a payload", []frame{{text: "2"}}, "EVENT without one"},
		{"a disconnect with a payload", []frame{{text: "1{}"}}, "DISCONNECT with one"},
		{"CONNECT with an array", []frame{{text: "0[]"}}, "must be an object"},
		{"an answer that is no array", []frame{{text: "31{}"}}, "must be an array"},
		{"CONNECT_ERROR with an array", []frame{{text: "4[]"}}, "an object or a string"},
		{"broken JSON", []frame{{text: `2["a"`}}, "parse packet: invalid payload at byte 4: the text ends too early"},
		{"a long event name", []frame{{text: `2["0123456789"]`}}, "the name of the event is longer than 9 bytes"},
		{"deep JSON", []frame{{text: `2["a",` + strings.Repeat("[", 100) + strings.Repeat("]", 101)}}, "nested too deep"},
		{"a reserved event", []frame{{text: `2["connect"]`}}, "reserves"},
		{"a large id", []frame{{text: `218446744073709551616["a"]`}}, "an ack id that is too large"},
		{"an endless id", []frame{{text: `2` + strings.Repeat("9", 10_000)}}, "an ack id that is too large"},
		{"a long namespace", []frame{{text: "0" + long}}, "illegal namespace: longer than 20 bytes"},
		{"a namespace that is not UTF-8", []frame{{text: "0/\xff,{}"}}, "illegal namespace: not UTF-8"},
		{"too many attachments", []frame{{text: `53-["a"]`}}, "too many attachments: at most 2"},
		{"endless attachments", []frame{{text: `5` + strings.Repeat("9", 10_000) + `-["a"]`}}, "too many attachments"},
		{"no attachments", []frame{{text: `50-["a"]`}}, "at least one"},
		{"no number of attachments", []frame{{text: `5["a"]`}}, "expected their number"},
		{"a placeholder too high", []frame{{text: `51-["a",` + p(1) + `]`}}, "a placeholder that names no attachment"},
		{"a placeholder without attachments", []frame{{text: `2["a",` + p(0) + `]`}}, "a placeholder that names no attachment"},
		{"a placeholder in CONNECT", []frame{{text: `0{"token":` + p(0) + `}`}}, "a placeholder that names no attachment"},
		{"large attachments", []frame{{text: `52-["a"]`}, {binary: []byte("123")}, {binary: []byte("456")}}, "more than 5 bytes"},
		{"a text too early", []frame{{text: `52-["a"]`}, {binary: []byte("1")}, {text: `2["a"]`}}, "a text while 1 attachments are awaited"},
		{"a binary too many", []frame{{text: `51-["a"]`}, {binary: []byte("1")}, {binary: []byte("2")}}, "a binary while none is awaited"},
		{"a binary first", []frame{{binary: []byte("1")}}, "a binary while none is awaited"},
	}
	// Which limit was broken, where it is one that has a name.
	limits := map[string]error{
		"a long event name": ErrEventLength, "a long namespace": ErrNamespaceLength, "large attachments": ErrAttachmentBytes,
		"too many attachments": ErrAttachments, "endless attachments": ErrAttachments,
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := decode(newDecoder(t, config), tt.frames)
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an *Error that says %q", err, tt.want)
			}
			limit := limits[tt.name]
			if limit == nil {
				limit = ErrMalformed
			}
			for _, cause := range []error{ErrAttachments, ErrAttachmentBytes, ErrNamespaceLength, ErrEventLength, ErrMalformed} {
				if errors.Is(err, cause) != errors.Is(cause, limit) {
					t.Errorf("that the error is %q is %v", cause, errors.Is(err, cause))
				}
			}
		})
	}
}

func TestDecoderKeepsIDsExact(t *testing.T) {
	d := newDecoder(t, Config{})
	packet, complete, err := d.Add([]byte(`2/admin?token=1,18446744073709551615["a",1]`))
	if err != nil || !complete {
		t.Fatal(complete, err)
	}
	if packet.ID != 1<<64-1 || !packet.HasID || packet.Namespace != "/admin?token=1" || packet.Event().Event() != "a" {
		t.Errorf("got %+v", packet)
	}
	if got := string(AppendText(nil, packet)); got != `2/admin?token=1,18446744073709551615["a",1]` {
		t.Errorf("came back as %s", got)
	}
}

func TestDecodedEvent(t *testing.T) {
	packets, err := decode(newDecoder(t, Config{}), []frame{
		{text: `52-7["e",` + p(1) + `,` + p(0) + `]`}, {binary: []byte("zero")}, {binary: []byte("one")}, {text: `37[]`},
	})
	if err != nil || len(packets) != 2 {
		t.Fatal(packets, err)
	}
	event := packets[0].Event()
	var first, second []byte
	if err := payload.UnmarshalArgs(event, &first, &second); err != nil {
		t.Fatal(err)
	}
	if event.Event() != "e" || string(first) != "one" || string(second) != "zero" || packets[0].Type != Event {
		t.Errorf("got %v with %q and %q", event, first, second)
	}
	if !packets[1].Event().IsZero() {
		t.Error("an answer has an event")
	}
}

func TestConfig(t *testing.T) {
	for _, config := range []Config{
		{MaxAttachments: -1}, {MaxNamespaceLength: -1}, {MaxEventLength: -1}, {MaxAttachmentBytes: -1}, {MaxAttachments: domain.MaxAttachments + 1},
	} {
		if _, err := NewDecoder(config); err == nil {
			t.Errorf("%+v was accepted", config)
		}
	}
	d := newDecoder(t, Config{})
	if d.config != (Config{MaxAttachments: 10, MaxNamespaceLength: 256, MaxEventLength: 1_024, MaxAttachmentBytes: 10_000_000}) {
		t.Errorf("the defaults are %+v", d.config)
	}
}

func TestTypeString(t *testing.T) {
	if Connect.String() != "CONNECT" || BinaryAck.String() != "BINARY_ACK" || Type(7).String() != "unknown type 7" {
		t.Error(Connect, BinaryAck, Type(7))
	}
}

// FuzzDecoder sends a text, and as many binaries as it asks for. What is accepted must survive a round trip.
func FuzzDecoder(f *testing.F) {
	for _, vec := range readVectors(f).Decoded {
		f.Add([]byte(vec.Frames[0].text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		packet, ok := decodeWhole(t, text)
		if !ok {
			return
		}
		again := AppendText(nil, packet)
		back, ok := decodeWhole(t, again)
		if !ok {
			t.Fatalf("%q became %q, which is refused", text, again)
		}
		if third := AppendText(nil, back); !bytes.Equal(third, again) || back.Event().Event() != packet.Event().Event() {
			t.Fatalf("%q became %q, then %q", text, again, third)
		}
	})
}

func decodeWhole(t *testing.T, text []byte) (Packet, bool) {
	t.Helper()
	d := newDecoder(t, Config{})
	packet, complete, err := d.Add(text)
	for i := 0; !complete && err == nil; i++ {
		if i == domain.MaxAttachments {
			t.Fatalf("%q asks for more than %d attachments", text, i)
		}
		packet, complete, err = d.AddBinary([]byte{byte(i)})
	}
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("%q gave %v", text, err)
	}
	return packet, err == nil
}

func BenchmarkAdd(b *testing.B) {
	d := newDecoder(b, Config{})
	text := []byte(`2/chat,12["message",{"room":"lobby","body":"good morning to all of you","at":1795338738822}]`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, complete, err := d.Add(text); err != nil || !complete {
			b.Fatal(complete, err)
		}
	}
}

func BenchmarkAppendText(b *testing.B) {
	v, err := domain.NewValue([]byte(`["message",{"room":"lobby","body":"good morning to all of you","at":1795338738822}]`))
	if err != nil {
		b.Fatal(err)
	}
	packet := Packet{Type: Event, Namespace: "/chat", Payload: v}
	buf := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendText(buf[:0], packet)
	}
}
