package redisstream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/adapters/watermill"
)

// answerOf is what a server answers to XREAD of one stream, in RESP3 or RESP2.
func answerOf(resp3 bool, entries ...[]string) string {
	var b strings.Builder
	if resp3 {
		b.WriteString("%1\r\n$1\r\ns\r\n")
	} else {
		b.WriteString("*1\r\n*2\r\n$1\r\ns\r\n")
	}
	b.WriteString(rangeOf(entries...))
	return b.String()
}

// rangeOf is what a server answers to XRANGE: of each entry the id comes first, then its fields.
func rangeOf(entries ...[]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(entries))
	for _, entry := range entries {
		b.WriteString("*2\r\n")
		for i, text := range entry {
			if i == 1 {
				fmt.Fprintf(&b, "*%d\r\n", len(entry)-1)
			}
			fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(text), text)
		}
	}
	return b.String()
}

func TestBatchReadsAnswers(t *testing.T) {
	entries := [][]string{
		{"1700000000000-1", "uid", "n", "nsp", "/", "type", "3", "data", `{"a":1}`, "pub", "p", "seq", "7"},
		{"1700000000001-0", "own", "x\r\ny", "_watermill_message_uuid", "u", "data", "/w==", "type", "12"},
		{"1700000000001-1", "data", "!"},
		{"1700000000001-2", "data", ""},
	}
	var b batch
	for name, read := range map[string]func() error{
		"RESP2":  func() error { return b.read([]byte(answerOf(false, entries...))) },
		"RESP3":  func() error { return b.read([]byte(answerOf(true, entries...))) },
		"XRANGE": func() error { return b.readRange([]byte(rangeOf(entries...))) },
	} {
		if err := read(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(b.received) != 4 || len(b.ids) != 4 || b.ids[1] != (entryID{1700000000001, 0}) {
			t.Fatalf("%s: read %+v, ids %v", name, b.received, b.ids)
		}
		first, second := b.received[0], b.received[1]
		if first.Offset != "1700000000000-1" || !first.Time.Equal(time.UnixMilli(1700000000000)) ||
			string(first.Payload) != `{"a":1}` || first.UUID != "" || first.Err != nil {
			t.Errorf("%s: the first entry came as %+v", name, first)
		}
		want := []watermill.Field{{Name: "uid", Value: "n"}, {Name: "nsp", Value: "/"}, {Name: "type", Value: "3"},
			{Name: "pub", Value: "p"}, {Name: "seq", Value: "7"}}
		if !slices.Equal(first.Fields, want) {
			t.Errorf("%s: the first entry has the fields %q, want %q", name, first.Fields, want)
		}
		want = []watermill.Field{{Name: "own", Value: "x\r\ny"}, {Name: "type", Value: "12"}}
		if !slices.Equal(second.Fields, want) || second.UUID != "u" || string(second.Payload) != "\xff" {
			t.Errorf("%s: the second entry came as %+v", name, second)
		}
		var failed *watermill.DecodeError
		if !errors.As(b.received[2].Err, &failed) || failed.Field != FieldData {
			t.Errorf("%s: base64 that is none gave %v, want an error of the field data", name, b.received[2].Err)
		}
		if b.received[3].Err != nil || len(b.received[3].Payload) != 0 {
			t.Errorf("%s: empty data came as %+v", name, b.received[3])
		}
	}
}

// TestBatchOwnsItsTexts overwrites what a batch was read from, and reads the next one in its place.
func TestBatchOwnsItsTexts(t *testing.T) {
	var b batch
	raw := []byte(answerOf(true, []string{"1-1", "nsp", "/chat", "h-x", "y", "data", `{"kept":true}`}))
	if err := b.read(raw); err != nil {
		t.Fatal(err)
	}
	kept, m := b.received[0], b.received[0].Message()
	clear(raw)
	if err := b.read([]byte(answerOf(true, []string{"2-2", "nsp", "/else", "h-z", "w", "data", `{"other":0}`}))); err != nil {
		t.Fatal(err)
	}
	if kept.Offset != "1-1" || string(kept.Payload) != `{"kept":true}` {
		t.Errorf("what was kept of an entry became %+v", kept)
	}
	if m.Metadata["nsp"] != "/chat" || m.Metadata["h-x"] != "y" || string(m.Payload) != `{"kept":true}` {
		t.Errorf("a message that was kept became %v, %s", m.Metadata, m.Payload)
	}
}

func TestBatchWithoutEntries(t *testing.T) {
	b := batch{ids: []entryID{{1, 1}}}
	for _, raw := range []string{"*-1\r\n", "_\r\n", "*0\r\n", "%0\r\n"} {
		if err := b.read([]byte(raw)); err != nil || len(b.ids) != 0 || len(b.received) != 0 {
			t.Errorf("%q: %v with %d entries, want none", raw, err, len(b.ids))
		}
	}
}

func TestBatchRefusals(t *testing.T) {
	var b batch
	for _, raw := range []string{"-NOPERM no\r\n", "!9\r\nNOPERM no\r\n"} {
		err := b.readRange([]byte(raw))
		if !isReply(err) || !redis.HasErrorPrefix(err, "NOPERM") || err.Error() != "NOPERM no" {
			t.Errorf("%q was taken for %v, want what the server answered", raw, err)
		}
	}
	for _, raw := range []string{
		"", "\n", "*1", "+OK\r\n", "*1\r\n*0\r\n$1\r\ns\r\n*0\r\n", "*1\r\n", "%1\r\n$1\r\ns\r\n", "%1\r\n$1\r\ns\r\n*1\r\n*3\r\n", "*1\r\n%1\r\n",
		"%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*1\r\n$1\r\na\r\n",
		"%1\r\n$99\r\ns\r\n", "%1\r\n$-1\r\n", "%1\r\n$99999999999\r\ns\r\n", "%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n:1\r\n",
	} {
		if err := b.read([]byte(raw)); !errors.Is(err, errReply) {
			t.Errorf("%q gave %v, want %v", raw, err, errReply)
		}
	}
}

// TestEntriesAsMapsAndBatches takes all captured and damaged entries on both ways in.
func TestEntriesAsMapsAndBatches(t *testing.T) {
	var all [][]string
	for _, c := range readLines[captured](t, "testdata/wire/v0.2/stream.jsonl") {
		all = append(all, c.pairs(t))
	}
	for _, in := range injections() {
		all = append(all, in.fields)
	}
	var b batch
	for _, pairs := range all {
		if err := b.read([]byte(answerOf(true, append([]string{"1-1"}, pairs...)))); err != nil {
			t.Fatalf("%q: %v", pairs, err)
		}
		got := &b.received[0]
		want, err := unmarshal(valuesOf(pairs))
		if (err == nil) != (got.Err == nil) {
			t.Errorf("%q: as a map %v, in a batch %v", pairs, err, got.Err)
		}
		if err == nil && !got.Message().Equals(want) {
			t.Errorf("%q: in a batch %+v, want %+v", pairs, got.Message(), want)
		}
	}
}

// FuzzAnswer takes any bytes for an answer: nothing panics, and where the end of an answer is found nothing behind it
// is read.
func FuzzAnswer(f *testing.F) {
	for i, c := range readLines[captured](f, "testdata/wire/v0.2/stream.jsonl") {
		f.Add([]byte(answerOf(i%2 == 0, append([]string{"1-1"}, c.pairs(f)...))))
	}
	for _, raw := range []string{"*-1\r\n", "_\r\n", "-ERR\r\n", "!3\r\nERR\r\n", "%1\r\n$-1\r\n*1\r\n*2\r\n"} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var whole, cut batch
		scan := frame{left: 1}
		done, _ := scan.scan(raw)
		err := whole.read(raw)
		if !done {
			return
		}
		if again := cut.read(raw[:scan.at]); (again == nil) != (err == nil) || len(cut.ids) != len(whole.ids) {
			t.Errorf("%q: %v with %d entries, but %v with %d without what follows",
				raw, err, len(whole.ids), again, len(cut.ids))
		}
	})
}

// BenchmarkBatch reads a hundred broadcasts; the figures are those of an entry.
func BenchmarkBatch(b *testing.B) {
	fields := storedPairs(b, mustEncode(b, broadcast(b, "event")))
	const entries = 100
	var all [][]string
	for range entries {
		all = append(all, append([]string{"1700000000000-1"}, fields...))
	}
	raw := []byte(answerOf(true, all...))
	var read batch
	b.ReportAllocs()
	for range b.N/entries + 1 {
		if err := read.read(raw); err != nil {
			b.Fatal(err)
		}
	}
}
