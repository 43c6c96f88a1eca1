package text_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/roombus/roombus/cmd/roombus/internal/text"
)

// hostile are texts that would do something to a terminal.
var hostile = map[string]string{
	"\x1b[2J\x1b]0;title\x07":    `\u001b[2J\u001b]0;title\u0007`,
	"\u009b31mred":               `\u009b31mred`, // the eight-bit form of the same
	"a\u202eb":                   `a\u202eb`,     // what follows is written from right to left
	"zero\u200bwidth":            `zero\u200bwidth`,
	"line\nbreak\rback\ttab\x7f": `line\u000abreak\u000dback\u0009tab\u007f`,
	"not\xffUTF-8":               `not\xffUTF-8`,
	"tag\U000e0041":              `tag\U000e0041`,
	"plain ünïcode 🎉 \\":         "plain ünïcode 🎉 \\",
}

func TestVisible(t *testing.T) {
	for given, want := range hostile {
		if got := text.Visible(given); got != want {
			t.Errorf("%q is shown as %q, want %q", given, got, want)
		}
	}
}

func TestName(t *testing.T) {
	for given, want := range map[string]string{
		"lobby": "lobby", "/chat": "/chat", "ü": "ü", "": `""`, "a b": `"a b"`, "a,b": `"a,b"`, `say "x"`: `"say \"x\""`,
		"\x1b[31m": `"\x1b[31m"`, "\u202e": `"\u202e"`, "\xff": `"\xff"`,
	} {
		if got := text.Name(given); got != want {
			t.Errorf("the name %q is shown as %s, want %s", given, got, want)
		}
	}
	if got := text.Names([]string{"a", "b c"}); got != `a,"b c"` {
		t.Errorf("the names are shown as %s", got)
	}
}

func FuzzJSON(f *testing.F) {
	for given := range hostile {
		quoted, err := json.Marshal(given)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(quoted)
	}
	f.Add([]byte("{\n\t\"a\": [1, \"\u009b\U000e0041\"]}"))
	f.Fuzz(func(t *testing.T, given []byte) {
		out := text.JSON(given)
		for _, r := range string(out) {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q still has %U", out, r)
			}
		}
		var want, got any
		if json.Unmarshal(given, &want) != nil {
			return
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q became %q: %v", given, out, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q became %q, which means something else", given, out)
		}
	})
}

func TestShort(t *testing.T) {
	for given, want := range map[string]string{"four": "four", "fives": "fiv…", "äöüß": "äöüß", "äöüßé": "äöü…"} {
		if got := text.Short(given, 4); got != want {
			t.Errorf("%q in 4 characters is %q, want %q", given, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	rows := [][]text.Cell{
		text.Head("name", "empty", ">sockets", "state"),
		{{Text: "north"}, {}, {Text: "7", Right: true}, {Text: "draining", Color: text.Careful}},
		{{Text: "a"}, {}, {Text: "1,234,567", Right: true}},
	}
	want := "" +
		"name     sockets  state\n" +
		"north          7  draining\n" +
		"a      1,234,567\n"
	if got := (text.Palette{}).Table(rows); got != want {
		t.Errorf("the table is\n%swant\n%s", got, want)
	}
	colored := text.Palette{On: true}.Table(rows)
	if !strings.Contains(colored, "\x1b[33mdraining\x1b[0m") {
		t.Errorf("nothing is painted: %q", colored)
	}
}
