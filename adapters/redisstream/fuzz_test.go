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
	fields, err := appendFields(nil, mustEncode(b, broadcast(b, "event")))
	if err != nil {
		b.Fatal(err)
	}
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
