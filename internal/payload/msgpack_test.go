package payload

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/roombus/roombus/domain"
)

// vector is a value in both encodings, as testdata/generate.mjs had it from @msgpack/msgpack.
type vector struct {
	JSON        string   `json:"json"`
	Attachments [][]byte `json:"attachments"`
	Msgpack     []byte   `json:"msgpack"`
}

type vectorFile struct {
	Written     []vector `json:"written"`
	LongWritten []struct {
		Length int    `json:"length"`
		Size   int    `json:"size"`
		Head   string `json:"head"`
	} `json:"longWritten"`
	Read    []vector `json:"read"`
	Refused []string `json:"refused"`
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
	return file
}

// nodeEntry is the msgpack of one message that a Node.js server wrote to a stream or published.
type nodeEntry struct {
	Adapter  string `json:"adapter"`
	Scenario string `json:"scenario"`
	Type     string `json:"type"`
	JSON     string `json:"json"`
	Msgpack  []byte `json:"msgpack"`
}

func readNodeEntries(t testing.TB) []nodeEntry {
	t.Helper()
	file, err := os.Open("testdata/node.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var entries []nodeEntry
	lines := bufio.NewScanner(file)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		var e nodeEntry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil || len(entries) == 0 {
		t.Fatalf("read %d entries, %v", len(entries), err)
	}
	return entries
}

func mustValue(t testing.TB, json string, attachments ...[]byte) domain.Value {
	t.Helper()
	v, err := domain.NewEnvelope([]byte(json), attachments...)
	if err != nil {
		t.Fatalf("%.100s: %v", json, err)
	}
	return v
}

func TestAppendMsgpackWritesWhatNodeWrites(t *testing.T) {
	for _, vec := range readVectors(t).Written {
		got, err := AppendMsgpack([]byte("before"), mustValue(t, vec.JSON, vec.Attachments...))
		if err != nil {
			t.Errorf("%.100s: %v", vec.JSON, err)
			continue
		}
		if want := append([]byte("before"), vec.Msgpack...); !bytes.Equal(got, want) {
			t.Errorf("%.100s became\n%.200x, want\n%.200x", vec.JSON, got[6:], want[6:])
		}
	}
}

func TestAppendMsgpackOfLongValues(t *testing.T) {
	texts := map[int]string{
		65538:  `"` + strings.Repeat("x", 65536) + `"`,
		131073: "[" + strings.Repeat("1,", 65535) + "1]",
	}
	for _, long := range readVectors(t).LongWritten {
		got, err := AppendMsgpack(nil, mustValue(t, texts[long.Length]))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != long.Size || hex.EncodeToString(got[:8]) != long.Head {
			t.Errorf("got %d bytes from %x on, want %d from %s on", len(got), got[:8], long.Size, long.Head)
		}
	}
	for _, size := range []int{65535, 65536} {
		v := mustValue(t, `{"_placeholder":true,"num":0}`, make([]byte, size))
		data, err := AppendMsgpack(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseMsgpack(data)
		if err != nil || len(back.Attachments()) != 1 || len(back.Attachments()[0]) != size {
			t.Errorf("a binary of %d bytes came back as %v, %v", size, back, err)
		}
	}
}

func TestAppendMsgpackOfTheZeroValue(t *testing.T) {
	if got, err := AppendMsgpack(nil, domain.Value{}); err != nil || !bytes.Equal(got, []byte{0xc0}) {
		t.Errorf("got %x, %v, want c0", got, err)
	}
}

func TestAppendMsgpackDiffersFromNode(t *testing.T) {
	tests := []struct{ name, json, want string }{
		{"keys like integers keep their place", `{"b":1,"1":2}`, "82a16201a13102"},
		{"repeated keys are written twice", `{"a":1,"a":2}`, "82a16101a16102"},
		{"half a surrogate pair is U+FFFD in short strings too", `"\ud83d"`, "a3efbfbd"},
	}
	for _, tt := range tests {
		got, err := AppendMsgpack(nil, mustValue(t, tt.json))
		if err != nil || hex.EncodeToString(got) != tt.want {
			t.Errorf("%s: got %x, %v, want %s", tt.name, got, err, tt.want)
		}
	}
	for _, text := range []string{`{"__proto__":1}`, `[{"a":{"\u005f_proto__":1}}]`} {
		if got, err := AppendMsgpack(nil, mustValue(t, text)); err == nil {
			t.Errorf("%s became %x", text, got)
		}
	}
}

// readDifferently are the results that are written in another way than JavaScript's, with the same meaning.
var readDifferently = map[string]string{
	"82a16101a16102": `{"a":1,"a":2}`,  // of repeated keys both are kept
	"a6eda0bdedb880": `"\ud83d\ude00"`, // a surrogate pair in two halves stays in two halves
}

func TestParseMsgpackReadsWhatNodeReads(t *testing.T) {
	for _, vec := range readVectors(t).Read {
		want := vec.JSON
		if other, ok := readDifferently[hex.EncodeToString(vec.Msgpack)]; ok {
			want = other
		}
		got, err := ParseMsgpack(vec.Msgpack)
		if err != nil {
			t.Errorf("%x: %v", vec.Msgpack, err)
			continue
		}
		if string(got.JSON()) != want || fmt.Sprint(got.Attachments()) != fmt.Sprint(vec.Attachments) {
			t.Errorf("%x became %s %x, want %s %x", vec.Msgpack, got.JSON(), got.Attachments(), want, vec.Attachments)
		}
	}
}

// notReproduced are the entries, by scenario and type, that have something that JSON does not: they mean the same when
// they are written again, but in other bytes.
var notReproduced = map[string]string{
	"broadcast-binary-nested/BROADCAST":                "dates, NaN and infinities",
	"emitter-broadcast-undefined-date/BROADCAST":       "a date",
	"fetch-sockets-binary-data/FETCH_SOCKETS_RESPONSE": "a date",
}

func TestEntriesOfNodeSurviveARoundTrip(t *testing.T) {
	for _, entry := range readNodeEntries(t) {
		t.Run(entry.Adapter+"/"+entry.Scenario+"/"+entry.Type, func(t *testing.T) {
			v, err := ParseMsgpack(entry.Msgpack)
			if err != nil {
				t.Fatal(err)
			}
			if string(v.JSON()) != entry.JSON {
				t.Errorf("read as\n%s, want\n%s", v.JSON(), entry.JSON)
			}
			again, err := AppendMsgpack(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			reason, differs := notReproduced[entry.Scenario+"/"+entry.Type]
			if same := bytes.Equal(again, entry.Msgpack); same == differs {
				t.Errorf("written again it is\n%x, was\n%x (known difference: %q)", again, entry.Msgpack, reason)
			}
		})
	}
}

func TestParseMsgpackRefuses(t *testing.T) {
	tests := []struct{ name, hex, reason string }{
		{"nothing", "", "too early"},
		{"more after the end", "c0c0", "more data"},
		{"an unknown type", "c1", "unknown type"},
		{"an unknown type inside", "91c1", "unknown type"},
		{"a cut text", "a261", "too early"},
		{"a cut number", "cd00", "too early"},
		{"a length beyond the end", "c6ffffffff00", "too early"},
		{"a long text beyond the end", "dbffffffff00", "too early"},
		{"an extension beyond the end", "c9ffffffff05", "too early"},
		{"too many elements announced", "ddffffffff00", "more elements"},
		{"too many fields announced", "dfffffffff0000", "more elements"},
		{"fields of half a byte each", "82a161", "more elements"},
		{"a map key that is nil", "81c0c0", "neither text nor a number"},
		{"a map key that is an array", "8190c0", "neither text nor a number"},
		{"a map key that is binary", "81c40161c0", "neither text nor a number"},
		{"the key __proto__", "81a95f5f70726f746f5f5fc0", "__proto__"},
		{"broken UTF-8", "a1ff", "UTF-8"},
		{"half of half a surrogate pair", "a2eda0", "UTF-8"},
		{"a timestamp of two bytes", "d5ff0000", "timestamp"},
		{"a placeholder", "82ac5f706c616365686f6c646572c3a36e756d00", "placeholder"},
		{"a placeholder with its binary", "9282ac5f706c616365686f6c646572c3a36e756d00c40161", "placeholder"},
		{"too deep", strings.Repeat("91", domain.MaxEnvelopeDepth+1) + "c0", "too deep"},
		{"much too deep", strings.Repeat("91", 100_000), "too deep"},
		{"much too deep in maps", strings.Repeat("8100", 100_000), "too deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := hex.DecodeString(tt.hex)
			if err != nil {
				t.Fatal(err)
			}
			v, err := ParseMsgpack(data)
			var e *domain.PayloadError
			if !errors.As(err, &e) || !strings.Contains(e.Reason, tt.reason) {
				t.Errorf("got %v %s, %v, want an error about %q", v, v.JSON(), err, tt.reason)
			}
		})
	}
	for _, text := range readVectors(t).Refused {
		data, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := ParseMsgpack(data); err == nil {
			t.Errorf("%s, which Node.js refuses, became %s", text, v.JSON())
		}
	}
}

func FuzzParseMsgpack(f *testing.F) {
	for _, entry := range readNodeEntries(f) {
		f.Add(entry.Msgpack)
	}
	file := readVectors(f)
	for _, vec := range append(file.Written, file.Read...) {
		f.Add(vec.Msgpack)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ParseMsgpack(data)
		if err != nil {
			if !errors.Is(err, domain.ErrInvalidPayload) {
				t.Fatalf("%x gave %v", data, err)
			}
			return
		}
		if !json.Valid(v.JSON()) {
			t.Fatalf("%x became %q", data, v.JSON())
		}
		// What was read is written in the shortest form; from there on nothing changes but halves of surrogate pairs.
		once, err := AppendMsgpack(nil, v)
		if err != nil {
			t.Fatalf("%x became %s, which cannot be written: %v", data, v.JSON(), err)
		}
		back, err := ParseMsgpack(once)
		if err != nil {
			t.Fatalf("%x was written as %x, which cannot be read: %v", data, once, err)
		}
		if twice, err := AppendMsgpack(nil, back); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%x was written as %x, then as %x, %v", data, once, twice, err)
		}
	})
}

func FuzzAppendMsgpack(f *testing.F) {
	for _, vec := range readVectors(f).Written {
		f.Add([]byte(vec.JSON))
	}
	f.Add([]byte(`["e",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := domain.NewValue(text, []byte("one"), []byte("two"))
		if err != nil {
			return
		}
		data, err := AppendMsgpack(nil, v)
		if err != nil {
			return
		}
		back, err := ParseMsgpack(data)
		if err != nil {
			t.Fatalf("%s became %x, which cannot be read: %v", text, data, err)
		}
		// An infinity becomes null on the way; apart from that both mean the same to JavaScript.
		var want, got any
		if json.Unmarshal(v.JSON(), &want) != nil || v.Placeholders() > 0 {
			return
		}
		if err := json.Unmarshal(back.JSON(), &got); err != nil || fmt.Sprint(got) != fmt.Sprint(normalZero(want)) {
			t.Fatalf("%s came back as %s, %v", v.JSON(), back.JSON(), err)
		}
	})
}

// normalZero replaces -0, which msgpack writes as 0.
func normalZero(v any) any {
	switch v := v.(type) {
	case float64:
		return v + 0
	case []any:
		for i := range v {
			v[i] = normalZero(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = normalZero(v[key])
		}
	}
	return v
}

func BenchmarkMsgpack(b *testing.B) {
	entry, err := base64.StdEncoding.DecodeString("gqZwYWNrZXSCpHR5cGUCpGRhdGGSo2JpbsQEAAH+/6RvcHRzg6Vyb29tc5CmZXhjZXB0kKVmbGFnc4A=")
	if err != nil {
		b.Fatal(err)
	}
	v, err := ParseMsgpack(entry)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseMsgpack(entry); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, 256)
		for b.Loop() {
			if _, err := AppendMsgpack(buf, v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
