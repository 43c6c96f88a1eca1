package domain

import (
	"bytes"
	"iter"
	"math"
	"strconv"
	"unicode/utf8"
)

// Elements walks over the elements of a JSON array, each a part of the text itself. The text must be one that was
// checked ([Value.JSON] or a part of it); of anything but an array there are no elements.
func Elements(json []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if len(json) == 0 || json[0] != '[' {
			return
		}
		for i := skipSpace(json, 1); i < len(json) && json[i] != ']'; {
			end := skipValue(json, i)
			if !yield(json[i:end:end]) {
				return
			}
			i = skipComma(json, end)
		}
	}
}

// Fields walks over the fields of a JSON object in the order of the text: the key without its quotes and escapes, and
// the value, a part of the text itself. A key that stands there twice comes twice; JavaScript takes the last. The text
// must be one that was checked; of anything but an object there are no fields.
func Fields(json []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		if len(json) == 0 || json[0] != '{' {
			return
		}
		for i := skipSpace(json, 1); i < len(json) && json[i] != '}'; {
			end := skipValue(json, i)
			key := json[i+1 : end-1 : end-1]
			if bytes.IndexByte(key, '\\') >= 0 {
				key = AppendUnquoted(nil, key)
			}
			i = skipSpace(json, skipSpace(json, end)+1)
			end = skipValue(json, i)
			if !yield(key, json[i:end:end]) {
				return
			}
			i = skipComma(json, end)
		}
	}
}

// CutValue cuts a text before what follows its first value. The text must be a part of one that was checked, and begin
// with a value.
func CutValue(json []byte) (value, rest []byte) {
	end := skipValue(json, 0)
	return json[:end:end], json[end:]
}

// skipValue is where the value at i ends, in a text that was checked.
func skipValue(json []byte, i int) int {
	switch json[i] {
	case '"':
		return skipString(json, i)
	case '{', '[':
		return skipContainer(json, i)
	default:
		for i < len(json) && json[i] != ',' && json[i] != ']' && json[i] != '}' && json[i] > ' ' {
			i++
		}
		return i
	}
}

func skipContainer(json []byte, i int) int {
	for depth := 0; ; {
		switch json[i] {
		case '"':
			i = skipString(json, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		i++
		if depth == 0 {
			return i
		}
	}
}

func skipString(json []byte, i int) int {
	for i++; ; i++ {
		n := bytes.IndexByte(json[i:], '"')
		i += n
		backslashes := 0
		for json[i-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i + 1
		}
	}
}

// skipComma is where the next element or the closing bracket stands.
func skipComma(json []byte, i int) int {
	i = skipSpace(json, i)
	if i < len(json) && json[i] == ',' {
		i = skipSpace(json, i+1)
	}
	return i
}

// AppendQuoted appends text as a JSON string, written as JavaScript's JSON.stringify does. A surrogate in three bytes,
// as JavaScript libraries write half an emoji, becomes its escape; other bytes that are not UTF-8 become U+FFFD.
func AppendQuoted[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if plainByte[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if n := runeLength(text[i:]); n > 0 {
				i += n
				continue
			}
		}
		dst = append(dst, text[start:i]...)
		var n int
		dst, n = appendEscaped(dst, text[i:])
		i += n
		start = i
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

// runeLength is the length of the character with which text begins, 0 when that is not UTF-8.
func runeLength[T string | []byte](text T) int {
	end := min(len(text), utf8.UTFMax)
	var head [utf8.UTFMax]byte
	copy(head[:], text[:end])
	r, n := utf8.DecodeRune(head[:end])
	if r == utf8.RuneError && n <= 1 {
		return 0
	}
	return n
}

const hexDigits = "0123456789abcdef"

// appendEscaped appends the byte with which text begins, or the surrogate, and says how many bytes that took.
func appendEscaped[T string | []byte](dst []byte, text T) ([]byte, int) {
	switch c := text[0]; {
	case c == '"', c == '\\':
		return append(dst, '\\', c), 1
	case c == '\b':
		return append(dst, `\b`...), 1
	case c == '\f':
		return append(dst, `\f`...), 1
	case c == '\n':
		return append(dst, `\n`...), 1
	case c == '\r':
		return append(dst, `\r`...), 1
	case c == '\t':
		return append(dst, `\t`...), 1
	case c < ' ':
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15]), 1
	case IsSurrogate(text):
		return append(dst, '\\', 'u', 'd', hexDigits[text[1]>>2&15], hexDigits[text[1]&3<<2|text[2]>>4&3],
			hexDigits[text[2]&15]), 3
	default:
		return append(dst, "\ufffd"...), 1
	}
}

// IsSurrogate reports whether text begins with half of a surrogate pair in three bytes. That is not UTF-8, but it is
// what JavaScript's msgpack writes for half an emoji.
func IsSurrogate[T string | []byte](text T) bool {
	return len(text) >= 3 && text[0] == 0xed && text[1]&0xe0 == 0xa0 && text[2]&0xc0 == 0x80
}

// AppendUnquoted appends the text that the inside of a JSON string means, without its quotes. Half a surrogate pair
// becomes U+FFFD, as JavaScript's TextEncoder has it. The string must be one that was checked.
func AppendUnquoted(dst, inside []byte) []byte {
	for {
		i := bytes.IndexByte(inside, '\\')
		if i < 0 {
			return append(dst, inside...)
		}
		dst = append(dst, inside[:i]...)
		r, n := unescape(inside[i:])
		dst = utf8.AppendRune(dst, r)
		inside = inside[i+n:]
	}
}

// unescape reads the escape with which text begins; two escapes where they are a surrogate pair.
func unescape(text []byte) (rune, int) {
	switch c := text[1]; c {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		const high, low, beyond = 0xd800, 0xdc00, 0xe000
		r := hex4(text[2:])
		if r < high || r >= beyond {
			return r, 6
		}
		if r < low && len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
			if r2 := hex4(text[8:]); low <= r2 && r2 < beyond {
				return (r-high)<<10 + (r2 - low) + 0x10000, 12
			}
		}
		return utf8.RuneError, 6
	default:
		return rune(c), 2
	}
}

// AppendNumber appends a number as JavaScript prints it: the shortest digits that mean it, an exponent from 1e21 up
// and below 1e-6, no sign on zero. NaN and the infinities, which JSON does not have, are appended as their names.
func AppendNumber(dst []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 0):
		if f < 0 {
			dst = append(dst, '-')
		}
		return append(dst, "Infinity"...)
	case f == 0:
		return append(dst, '0')
	case abs >= 1e-6 && abs < 1e21:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// Go writes at least two digits of an exponent, JavaScript no leading zero.
	if n := len(dst); dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
