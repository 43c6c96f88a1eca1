package redisstream

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// captured is a line of the files in testdata: an entry that a real Node.js server wrote.
type captured struct {
	Scenario, Sender, TypeName, EntryID, DataEncoding string
	Fields                                            []struct{ Name, ValueB64 string }
}

func (c *captured) pairs(t testing.TB) (pairs []string) {
	t.Helper()
	for _, field := range c.Fields {
		value, err := base64.StdEncoding.DecodeString(field.ValueB64)
		if err != nil {
			t.Fatalf("the fixture %s: %v", c.EntryID, err)
		}
		pairs = append(pairs, field.Name, string(value))
	}
	return pairs
}

// readLines reads a file of one JSON object a line.
func readLines[T any](t testing.TB, file string) (lines []T) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		var line T
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatalf("%s, line %d: %v", file, len(lines)+1, err)
		}
		lines = append(lines, line)
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func valuesOf(pairs []string) map[string]any {
	values := make(map[string]any)
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return values
}

func decode(t testing.TB, pairs []string) (domain.Message, error) {
	t.Helper()
	m, err := unmarshal(valuesOf(pairs))
	if err != nil {
		return domain.Message{}, err
	}
	return watermill.Decode(m)
}

func encode(t testing.TB, m *domain.Message) (pairs []string) {
	t.Helper()
	encoded, err := watermill.Encode(m)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return storedPairs(t, encoded)
}

// storedPairs are the names and values with which a Watermill message is stored, without its numbers.
func storedPairs(t testing.TB, m *message.Message) (pairs []string) {
	t.Helper()
	var d watermill.Draft
	draft(&d, m)
	e, err := (&Publisher{echoes: newEchoBook("")}).outgoing(&d)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	r := reply{rest: e.words}
	for range e.count {
		word, err := r.bulk()
		if err != nil {
			t.Fatalf("read what was written: %v", err)
		}
		pairs = append(pairs, string(word))
	}
	return pairs
}

// exception says why an entry does not come back byte for byte: then it must mean the same.
func exception(c *captured, m *domain.Message) string {
	switch body := m.Body.(type) {
	case *domain.Broadcast:
		switch {
		case m.Node == domain.EmitterID:
			return "the emitter writes packet.nsp, which readers overwrite, and flags before except"
		case strings.Contains(string(body.Packet.JSON()), "T00:00:00.000Z") && c.DataEncoding != "json":
			return "a msgpack date is text in JSON, and stays text"
		case c.DataEncoding != "json" && len(body.Packet.Attachments()) == 0:
			return "msgpack is written only where there is binary"
		case c.DataEncoding != "json" && (strings.Contains(string(body.Packet.JSON()), "ints") ||
			strings.Contains(string(body.Packet.JSON()), "null")):
			return "NaN and the infinities of msgpack are null in JSON"
		}
	case *domain.FetchSocketsReply:
		return "the keys of headers and query are in alphabetical order"
	}
	return ""
}

// TestCapturedEntries decodes every entry that was captured from Node.js servers of the 0.2 line, and encodes it
// again to the same bytes.
func TestCapturedEntries(t *testing.T) {
	kinds := make(map[domain.Kind]int)
	same, excused := 0, 0
	for _, c := range readLines[captured](t, "testdata/wire/v0.2/stream.jsonl") {
		name := c.Scenario + " " + c.TypeName + " " + c.EntryID
		pairs := c.pairs(t)
		m, err := decode(t, pairs)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		kinds[m.Kind()]++
		got := encode(t, &m)
		want := append([]string{}, pairs...)
		if broadcast, ok := m.Body.(*domain.Broadcast); ok &&
			(broadcast.Request != "" || broadcast.AckID != nil || broadcast.Target.Flags.Volatile) {
			want[5] = "03" // Node.js would replay it as a plain event
		}
		if reflect.DeepEqual(got, want) {
			same++
			continue
		}
		reason := exception(&c, &m)
		if reason == "" {
			t.Errorf("%s came back as\n%q\nwant\n%q", name, got, want)
			continue
		}
		excused++
		again, err := decode(t, got)
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%s (%s) means something else when it comes back: %v", name, reason, err)
		}
	}
	for kind := domain.KindInitialHeartbeat; kind <= domain.KindGoodbye; kind++ {
		if kinds[kind] == 0 {
			t.Errorf("no fixture of a %s", kind)
		}
	}
	if same != 188 || excused != 12 {
		t.Errorf("%d entries came back byte for byte and %d by meaning, want 188 and 12", same, excused)
	}
}

// TestCapturedSessions reads every session that a Node.js server stored, and writes it so that a Node.js server reads
// the same.
func TestCapturedSessions(t *testing.T) {
	type line struct {
		Sessions []struct{ Key, ValueText string }
	}
	count := 0
	for _, l := range readLines[line](t, "testdata/wire/v0.2/sessions.jsonl") {
		for _, stored := range l.Sessions {
			count++
			id := domain.SessionID(strings.TrimPrefix(stored.Key, DefaultSessionKeyPrefix))
			s, err := decodeSession(id, stored.ValueText)
			if err != nil {
				t.Fatalf("%s: %v", stored.Key, err)
			}
			if s.Owner != "" || s.Socket == "" || len(s.Stays) != 3 || len(s.Data.Attachments()) != 1 {
				t.Errorf("%s: read as %+v", stored.Key, s)
			}
			value, err := encodeSession(s)
			if err != nil {
				t.Fatalf("%s: %v", stored.Key, err)
			}
			want, got := nodeReads(t, stored.ValueText), nodeReads(t, value)
			if !reflect.DeepEqual(want, got) {
				t.Errorf("%s: Node.js would read %q, want %q", stored.Key, got, want)
			}
		}
	}
	if count < 2 {
		t.Errorf("only %d sessions among the fixtures", count)
	}
}

// nodeReads is what a Node.js server takes from a session's value, by key.
func nodeReads(t testing.TB, value string) map[string]string {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := payload.ParseMsgpack(data)
	if err != nil {
		t.Fatal(err)
	}
	reads := make(map[string]string)
	for key, part := range domain.Fields(whole.JSON()) {
		switch string(key) {
		case "sid", "pid", "rooms", "data":
			reads[string(key)] = string(part)
		}
	}
	return reads
}

func TestMarshalKeepsAnyMessage(t *testing.T) {
	for _, m := range []*message.Message{
		{UUID: "1", Metadata: message.Metadata{}, Payload: []byte("plain text")},
		{UUID: "2", Metadata: message.Metadata{"b": "2", "a": "1", "c": ""}, Payload: []byte(`{"json":true}`)},
		{UUID: "3", Metadata: message.Metadata{"type": "x"}, Payload: []byte{0, 0xff, 0xfe}},
		{Metadata: message.Metadata{"k": "v"}},
	} {
		values, err := Marshaller{}.Marshal("topic", m)
		if err != nil {
			t.Fatalf("marshal %q: %v", m.UUID, err)
		}
		got, err := Marshaller{}.Unmarshal(values)
		if err != nil {
			t.Fatalf("unmarshal %q: %v", m.UUID, err)
		}
		if !got.Equals(m) {
			t.Errorf("%+v came back as %+v", m, got)
		}
	}
	_, err := Marshaller{}.Marshal("topic", &message.Message{Metadata: message.Metadata{FieldData: "x"}})
	if err == nil {
		t.Error("metadata under the payload's name were taken")
	}
}

func mustEncode(t testing.TB, m *domain.Message) *message.Message {
	t.Helper()
	encoded, err := watermill.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}
