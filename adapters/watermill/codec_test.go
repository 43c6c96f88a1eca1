package watermill_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/conformance"
)

// TestSamplesRoundTrip covers every field of every body.
func TestSamplesRoundTrip(t *testing.T) {
	for _, sample := range conformance.SampleMessages() {
		m := *sample.Message
		m.Publisher, m.Sequence, m.Skipped, m.After = "fedcba9876543210", 7, 2, "1-1"
		encoded, err := watermill.Encode(&m)
		if err != nil {
			t.Errorf("%s: encode: %v", sample.Name, err)
			continue
		}
		got, err := watermill.Decode(encoded)
		if err != nil {
			t.Errorf("%s: decode: %v", sample.Name, err)
			continue
		}
		if diff := conformance.Difference(&m, &got); diff != "" {
			t.Errorf("%s came back changed:\n%s", sample.Name, diff)
		}
		if got.Publisher != m.Publisher || got.Sequence != 7 || got.Skipped != 2 {
			t.Errorf("%s: the numbers came back as %q %d %d", sample.Name, got.Publisher, got.Sequence, got.Skipped)
		}
	}
}

func TestEncodedText(t *testing.T) {
	event := conformance.Packet(`["e",{"z":1,  "a":"\u00e9"}]`)
	id := uint64(3)
	for _, c := range []struct {
		title string
		body  domain.Body
		kind  string
		data  string
	}{
		{"the packet's text is copied", &domain.Broadcast{Packet: event}, "3",
			`{"packet":{"type":2,"data":["e",{"z":1,  "a":"\u00e9"}]},"opts":{"rooms":[],"except":[],"flags":{}}}`},
		{"case 20: an acked one is not replayed by Node.js", &domain.Broadcast{Packet: event, Request: "r"}, "03",
			`{"packet":{"type":2,"data":["e",{"z":1,  "a":"\u00e9"}]},"requestId":"r",` +
				`"opts":{"rooms":[],"except":[],"flags":{}}}`},
		{"case 20: nor a direct one with an ack", &domain.Broadcast{Packet: event, AckID: &id}, "03",
			`{"packet":{"type":2,"data":["e",{"z":1,  "a":"\u00e9"}],"id":3},"opts":{"rooms":[],"except":[],"flags":{}}}`},
		{"case 20: nor a volatile one", &domain.Broadcast{
			Packet: event, Target: domain.Target{Flags: domain.Flags{Volatile: true}},
		}, "03", `{"packet":{"type":2,"data":["e",{"z":1,  "a":"\u00e9"}]},` +
			`"opts":{"rooms":[],"except":[],"flags":{"volatile":true}}}`},
		{"an answer that is nothing", &domain.Ack{Request: "r"}, "12", `{"requestId":"r"}`},
		{"an answer that is null", &domain.Ack{Request: "r", Value: conformance.JSONValue("null")}, "12",
			`{"requestId":"r","packet":null}`},
		{"a heartbeat that tells nothing", &domain.Heartbeat{}, "2", ""},
		{"a timeout that is no whole millisecond", &domain.FetchSockets{
			Request: "r", Target: domain.Target{Flags: domain.Flags{Timeout: 1500 * time.Microsecond}},
		}, "7", `{"opts":{"rooms":[],"except":[],"flags":{"timeout":1.5}},"requestId":"r"}`},
	} {
		encoded, err := watermill.Encode(&domain.Message{Node: "n", Namespace: "/", Body: c.body})
		if err != nil {
			t.Errorf("%s: %v", c.title, err)
			continue
		}
		if got := encoded.Metadata[watermill.FieldKind]; got != c.kind {
			t.Errorf("%s: type %q, want %q", c.title, got, c.kind)
		}
		if got := string(encoded.Payload); got != c.data {
			t.Errorf("%s: data\n%s\nwant\n%s", c.title, got, c.data)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	const opts = `"opts":{"rooms":[],"except":[],"flags":{}}`
	for _, c := range []struct{ field, kind, nsp, data, extra string }{
		{"type", "", "/", "", ""},
		{"type", "0", "/", "", ""},
		{"type", "14", "/", "", ""},
		{"type", "-3", "/", "", ""},
		{"nsp", "2", "", "", ""},
		{"data", "3", "/", "", ""},
		{"data", "3", "/", "{", ""},
		{"data", "3", "/", "\x91\x01", ""}, // msgpack, but no map
		{"data.packet", "3", "/", `{` + opts + `}`, ""},
		{"data.packet.data", "3", "/", `{"packet":{"type":2,"data":["connect"]},` + opts + `}`, ""},
		{"data.packet.data", "3", "/", `{"packet":{"type":2,"data":[]},` + opts + `}`, ""},
		{"data.packet.id", "3", "/", `{"packet":{"type":2,"data":["e"],"id":-1},` + opts + `}`, ""},
		// Case 25: a forged placeholder would break every recipient's parser.
		{"data", "3", "/", `{"packet":{"type":2,"data":["e",{"_placeholder":true,"num":9}]},` + opts + `}`, ""},
		{"data.opts.rooms", "4", "/", `{"opts":{"rooms":"a"},"rooms":[]}`, ""},
		{"data.opts", "4", "/", `{"opts":null,"rooms":[]}`, ""},
		{"data.rooms", "5", "/", `{` + opts + `,"rooms":[{}]}`, ""},
		{"data.requestId", "8", "/", `{"sockets":[]}`, ""},
		{"data.sockets", "8", "/", `{"requestId":"r","sockets":{}}`, ""},
		{"data.clientCount", "11", "/", `{"requestId":"r","clientCount":-1}`, ""},
		{"data.requestId", "12", "/", `{"requestId":7}`, ""},
		{"info", "2", "/", "", "["},
		{"info.started", "2", "/", "", `{"started":"yesterday"}`},
	} {
		m := &message.Message{Metadata: message.Metadata{
			watermill.FieldKind: c.kind, watermill.FieldNamespace: c.nsp, watermill.FieldInfo: c.extra,
		}, Payload: []byte(c.data)}
		_, err := watermill.Decode(m)
		var failed *watermill.DecodeError
		if !errors.As(err, &failed) || failed.Field != c.field || !strings.Contains(err.Error(), c.field) {
			t.Errorf("type %q, data %q, info %q: %v; want an error of the field %s", c.kind, c.data, c.extra, err, c.field)
		}
	}
	_, err := watermill.Decode(&message.Message{Metadata: message.Metadata{
		watermill.FieldKind: "2", watermill.FieldNamespace: "/", watermill.FieldSequence: "x",
	}})
	if err == nil {
		t.Error("a sequence that is no number was taken")
	}
}

func benchmarkMessage(b *testing.B) *domain.Message {
	b.Helper()
	return &domain.Message{
		Node: "0123456789abcdef", Namespace: "/",
		Headers: domain.Headers{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		Body: &domain.Broadcast{
			Target: domain.Target{Rooms: []string{"room:1"}},
			Packet: conformance.Packet(`["message",{"from":"somebody","body":"` + strings.Repeat("x", 60) + `"}]`),
		},
	}
}

func BenchmarkEncode(b *testing.B) {
	m := benchmarkMessage(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := watermill.Encode(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	encoded, err := watermill.Encode(benchmarkMessage(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := watermill.Decode(encoded); err != nil {
			b.Fatal(err)
		}
	}
}

// TestIssuedIsKeptToTheMillisecond: what a server says of when a socket came is a whole number of milliseconds, and the
// same after it was read and written again.
func TestIssuedIsKeptToTheMillisecond(t *testing.T) {
	for _, at := range []time.Time{
		time.UnixMilli(1), time.UnixMilli(1795338835330), time.UnixMilli(1795338835999), time.UnixMilli(8640000000000000),
		time.Unix(1795338835, 330_999_999), // rounded down, as Node.js does
	} {
		issuedMs := at.UnixMilli()
		for range 2 {
			encoded, err := watermill.Encode(&domain.Message{Node: "n", Namespace: "/", Body: &domain.FetchSocketsReply{
				Request: "r", Sockets: []domain.SocketDetails{{ID: "s", Handshake: domain.Handshake{Time: at}}},
			}})
			if err != nil {
				t.Fatal(err)
			}
			if text := `"issued":` + strconv.FormatInt(issuedMs, 10) + `,`; !strings.Contains(string(encoded.Payload), text) {
				t.Errorf("%s was written as %s, want %s", at, encoded.Payload, text)
			}
			m, err := watermill.Decode(encoded)
			if err != nil {
				t.Fatal(err)
			}
			at = m.Body.(*domain.FetchSocketsReply).Sockets[0].Handshake.Time
		}
	}
}
