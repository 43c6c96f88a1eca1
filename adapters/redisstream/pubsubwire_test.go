package redisstream

import (
	"bytes"
	"encoding/base64"
	"reflect"
	"strings"
	"testing"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// published is a line of the file in testdata: a payload that a real Node.js server of the 0.3 line published.
type published struct{ Scenario, TypeName, Channel, PayloadB64 string }

func publishedByNode(t testing.TB) (lines []published, payloads [][]byte) {
	t.Helper()
	lines = readLines[published](t, "testdata/wire/v0.3/pubsub.jsonl")
	for _, line := range lines {
		raw, err := base64.StdEncoding.DecodeString(line.PayloadB64)
		if err != nil {
			t.Fatalf("the fixture %s: %v", line.Scenario, err)
		}
		payloads = append(payloads, raw)
	}
	return lines, payloads
}

// tree is a payload as its JSON text with attachments, for comparing and for messages.
func tree(t testing.TB, raw []byte) domain.Value {
	t.Helper()
	v, err := payload.ParseMsgpack(raw)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return v
}

// TestChannelPayloadsOfNode reads what Node.js has published and writes it again: the same bytes, but for lists of
// sockets, whose handshakes have their headers in another order.
func TestChannelPayloadsOfNode(t *testing.T) {
	lines, payloads := publishedByNode(t)
	same := 0
	for i, raw := range payloads {
		m, err := decodeChannel(raw)
		if err != nil {
			t.Errorf("%s, %s: %v", lines[i].Scenario, lines[i].TypeName, err)
			continue
		}
		if m.Node == "" || !strings.Contains(lines[i].Channel, "#"+m.Namespace+"#") {
			t.Errorf("%s: read as of node %q in %q", lines[i].Scenario, m.Node, m.Namespace)
		}
		again, err := encodeChannel(m)
		if err != nil {
			t.Errorf("%s, %s: write: %v", lines[i].Scenario, lines[i].TypeName, err)
			continue
		}
		if bytes.Equal(raw, again) {
			same++
			continue
		}
		if m.Kind() != domain.KindFetchSocketsReply {
			t.Errorf("%s, %s is written otherwise:\n%s\n%s", lines[i].Scenario, lines[i].TypeName,
				tree(t, raw).JSON(), tree(t, again).JSON())
		}
	}
	if same == 0 {
		t.Error("there are no fixtures")
	}
}

func TestChannelPayloadHasOwnFieldsBehind(t *testing.T) {
	m := &domain.Message{
		Node: "0123456789abcdef", Namespace: "/", After: "1-2",
		Headers: domain.Headers{"traceparent": "00-1", "x": "y"},
		Body:    &domain.AckClientCount{Request: "r", Clients: 3},
	}
	raw, err := encodeChannel(m)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":11,"data":{"requestId":"r","clientCount":3},"uid":"0123456789abcdef","nsp":"/",` +
		`"after":"1-2","h-x":"y","traceparent":"00-1"}`
	if got := string(tree(t, raw).JSON()); got != want {
		t.Errorf("written as %s, want %s", got, want)
	}
	got, err := decodeChannel(raw)
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("read as %+v, %v", got, err)
	}
}

func TestChannelPayloadWithManyHeaders(t *testing.T) {
	m := &domain.Message{Node: "n", Namespace: "/", Headers: domain.Headers{}, Body: &domain.Ack{Request: "r"}}
	for i := range 40 {
		m.Headers["header "+string(rune('A'+i))] = "v"
	}
	raw, err := encodeChannel(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeChannel(raw)
	if err != nil || len(got.Headers) != 40 {
		t.Errorf("read as %+v, %v", got, err)
	}
}

// badPayloads are what must cost no more than itself.
func badPayloads(t testing.TB) map[string][]byte {
	t.Helper()
	bad := map[string][]byte{"empty": {}, "no map": {0x01}, "cut": {0x84, 0xa4}, "JSON": []byte(`{"type":11}`)}
	for name, text := range map[string]string{
		"the type as text":    `{"type":"11","data":{"requestId":"r","clientCount":3},"uid":"u","nsp":"/"}`,
		"a type of no kind":   `{"type":99,"data":{},"uid":"u","nsp":"/"}`,
		"a fraction as type":  `{"type":1.5,"data":{},"uid":"u","nsp":"/"}`,
		"no namespace":        `{"type":11,"data":{"requestId":"r","clientCount":3},"uid":"u"}`,
		"no data":             `{"type":7,"uid":"u","nsp":"/"}`,
		"data of null":        `{"type":7,"data":null,"uid":"u","nsp":"/"}`,
		"data of text":        `{"type":7,"data":"x","uid":"u","nsp":"/"}`,
		"no opts":             `{"type":7,"data":{"requestId":"r"},"uid":"u","nsp":"/"}`,
		"another's namespace": `{"type":11,"data":{"requestId":"r","clientCount":3},"uid":"u","nsp":"/other"}`,
	} {
		v, err := domain.NewValue([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if bad[name], err = payload.AppendMsgpack(nil, v); err != nil {
			t.Fatal(err)
		}
	}
	return bad
}

// FuzzDecodeChannel takes any payload. What can be read can be written, and means the same when it is read again.
func FuzzDecodeChannel(f *testing.F) {
	_, payloads := publishedByNode(f)
	for _, raw := range payloads {
		f.Add(raw)
	}
	for _, raw := range badPayloads(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := decodeChannel(raw)
		if err != nil {
			return
		}
		written, err := encodeChannel(m)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := decodeChannel(written)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%x", err, written)
		}
		if third, err := encodeChannel(again); err != nil || !bytes.Equal(written, third) {
			t.Errorf("written as\n%x\nread and written as\n%x\n%v", written, third, err)
		}
	})
}
