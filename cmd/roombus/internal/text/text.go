// Package text puts what a cluster says on a terminal. Names, payloads and errors come from whoever can write to the
// log, so nothing of them may move the cursor, change colours, or turn the direction of writing: what is not a visible
// character is shown as its number.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Visible is s with everything that is no visible character or blank written as \xNN, \uNNNN or \UNNNNNNNN: control
// characters, marks of direction, unassigned ones, and bytes that are not UTF-8.
func Visible(s string) string {
	if isVisible(s) {
		return s
	}
	var out strings.Builder
	for at := 0; at < len(s); {
		r, size := utf8.DecodeRuneInString(s[at:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, s[at])
		case unicode.IsPrint(r):
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		at += size
	}
	return out.String()
}

func isVisible(s string) bool {
	for at := 0; at < len(s); {
		r, size := utf8.DecodeRuneInString(s[at:])
		if !unicode.IsPrint(r) || r == utf8.RuneError && size == 1 {
			return false
		}
		at += size
	}
	return true
}

// Name is a name as it is where that is a word of plain characters, and quoted as Go does where it is empty, or has
// blanks, quotes, commas or anything that is not visible.
func Name(s string) string {
	plain := func(r rune) bool { return r != ' ' && r != ',' && r != '"' && r != '\\' && unicode.IsPrint(r) }
	if s != "" && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return strconv.Quote(s)
}

// Names are names with commas between them.
func Names[T ~string](all []T) string {
	names := make([]string, len(all))
	for i, name := range all {
		names[i] = Name(string(name))
	}
	return strings.Join(names, ",")
}

// JSON is a JSON text of the same meaning in which all characters are visible.
func JSON(text []byte) []byte {
	if isVisible(string(text)) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		switch {
		case r == utf8.RuneError && size == 1:
			out = append(out, `\ufffd`...)
		case unicode.IsPrint(r):
			out = append(out, text[at:at+size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		case r == '\n' || r == '\t' || r == '\r': // between values: inside of a string they cannot stand
			out = append(out, ' ')
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		at += size
	}
	return out
}

// Short is s, or its beginning with an ellipsis, in at most so many characters.
func Short(s string, characters int) string {
	if len(s) <= characters || utf8.RuneCountInString(s) <= characters {
		return s
	}
	at := 0
	for range characters - 1 {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return s[:at] + "…"
}

// Bytes is a number of bytes for people.
func Bytes(n int) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	default:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
}

// Count is a number with the word for what is counted.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
