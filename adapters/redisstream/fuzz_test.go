package redisstream

import (
	"reflect"
	"slices"
	"testing"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// FuzzDecode takes an entry through the whole way in. What can be read can be written, and means the same when it is
// read again.
func FuzzDecode(f *testing.F) {
	for _, c := range readLines[captured](f, "testdata/wire/v0.2/stream.jsonl") {
		pairs := c.pairs(f)
		f.Add(field(pairs, "type"), field(pairs, "data"), "")
	}
	for _, in := range injections() {
		f.Add(field(in.fields, "type"), field(in.fields, "data"), "")
	}
	f.Add("2", "", `{"name":"n","started":"2026-11-22T09:11:48Z","capabilities":["a"],"draining":true,"cursor":"1-1"}`)
	f.Fuzz(func(t *testing.T, kind, data, info string) {
		m, err := decode(t, []string{"uid", "u", "nsp", "/", "type", kind, "data", data, "info", info})
		if err != nil {
			return
		}
		pairs := encode(t, &m)
		again, err := decode(t, pairs)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%q", err, pairs)
		}
		if third := encode(t, &again); !reflect.DeepEqual(pairs, third) {
			t.Errorf("written as\n%q\nread and written as\n%q", pairs, third)
		}
	})
}

// field is the value of a field, empty where it is absent.
func field(pairs []string, name string) string {
	if i := slices.Index(pairs, name); i >= 0 {
		return pairs[i+1]
	}
	return ""
}

// FuzzSession takes any text for a stored session.
func FuzzSession(f *testing.F) {
	for _, l := range readLines[struct {
		Sessions []struct{ ValueText string }
	}](f, "testdata/wire/v0.2/sessions.jsonl") {
		for _, s := range l.Sessions {
			f.Add(s.ValueText)
		}
	}
	own, err := encodeSession(&domain.Session{
		ID: "p", Socket: "s", Owner: "0123456789abcdef", Revision: 3, Stays: []domain.Stay{{Room: "r", From: "1-1"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Fuzz(func(t *testing.T, value string) {
		s, err := decodeSession("p", value)
		if err != nil || len(s.Owner) > maxOwner {
			return
		}
		written, err := encodeSession(s)
		if err != nil {
			return // it is nested deeper than is written
		}
		again, err := decodeSession("p", written)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if again.Owner != s.Owner || again.Revision != s.Revision || again.Socket != s.Socket ||
			!reflect.DeepEqual(again.Stays, s.Stays) {
			t.Errorf("%+v came back as %+v", s, again)
		}
	})
}

func BenchmarkUnmarshal(b *testing.B) {
	fields := storedPairs(b, mustEncode(b, broadcast(b, "event")))
	values := make(map[string]any)
	for i := 0; i < len(fields); i += 2 {
		values[fields[i]] = fields[i+1]
	}
	b.ReportAllocs()
	for b.Loop() {
		m, err := unmarshal(values)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := watermill.Decode(m); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzTransaction takes any bytes for the answer to a transaction: when nothing is wrong each message has its id.
func FuzzTransaction(f *testing.F) {
	f.Add([]byte("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$3\r\n1-1\r\n$3\r\n1-2\r\n"), uint8(2))
	f.Add([]byte("+OK\r\n-ASK 3999 127.0.0.1:6381\r\n-EXECABORT discarded\r\n"), uint8(1))
	f.Add([]byte("+OK\r\n+QUEUED\r\n*1\r\n-ERR no\r\n"), uint8(1))
	f.Add([]byte("-NOPERM no\r\n$3\r\n1-1\r\n-ERR EXEC without MULTI\r\n"), uint8(1))
	f.Add([]byte("+OK\r\n+QUEUED\r\n_\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, raw []byte, messages uint8) {
		flush := &flush{writer: &writer{}}
		for range messages % 8 {
			flush.live = append(flush.live, &outgoing{})
		}
		refusal, err := flush.readTransaction(&reply{rest: raw})
		if err != nil || refusal != nil {
			return
		}
		for i, a := range flush.answers {
			if a.id == "" || len(flush.answers) != len(flush.live) {
				t.Errorf("%q: message %d of %d has no id, and nothing is wrong", raw, i, len(flush.live))
			}
		}
	})
}

// FuzzPosition takes any text for a position, which clients can make up.
func FuzzPosition(f *testing.F) {
	one, several := Config{Stream: "s", Streams: 1}, Config{Stream: "s", Streams: 3}
	for _, text := range []string{
		"", "1-1", "1526919030474-55", "18446744073709551615-18446744073709551615", "18446744073709551616-0", "-", "1-", "hello",
		string(Positions{"s-0": "1-1", "s-1": "2-2", "s--1": "3-3"}.Offset()), "s-0@1-1,s-0@2-2", "%zz@1-1", "@",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := one.positionIn(domain.Offset(text), "s")
		if err == nil && !at.none {
			again, err := one.positionIn(at.id.offset(), "s")
			if err != nil || again.id != at.id {
				t.Errorf("%q is read as %+v and written as %s, which is %+v, %v", text, at, at.id.offset(), again, err)
			}
		}
		for _, stream := range several.streams() {
			at, err := several.positionIn(domain.Offset(text), stream)
			if err != nil || at.none || at.foreign {
				continue
			}
			again, err := several.positionIn(Positions{stream: at.id.offset()}.Offset(), stream)
			if err != nil || again.id != at.id {
				t.Errorf("%q is read as %+v in %s, and came back as %+v, %v", text, at, stream, again, err)
			}
		}
	})
}

// FuzzLease takes any text for what a node said when it held its lease.
func FuzzLease(f *testing.F) {
	for _, text := range []string{`{"s":"1-1"}`, `{"s":1,"t":null}`, `[]`, `{`, ``, `"s"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if lease, err := decodeLease("0123456789abcdef", text); (err == nil) != (lease != nil) {
			t.Errorf("%q: %+v and %v", text, lease, err)
		}
	})
}
