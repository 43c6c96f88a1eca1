package domain

import (
	"bytes"
	"unicode/utf8"
)

// The limits on what is nested.
const (
	// MaxDepth is how deep arrays and objects may be nested in a value: as deep as Node.js' msgpack encoder goes.
	MaxDepth = 100
	// MaxEnvelopeDepth is how deep they may be nested in what a transport wraps around values. It leaves room for
	// the envelope: whatever is a value can be read back out of one.
	MaxEnvelopeDepth = MaxDepth + 8
)

// usualDepth is how deep most texts are nested; deeper ones cost allocations.
const usualDepth = 8

// placeholderHead begins every placeholder of a checked value; the number and a closing brace follow. No string and
// no other object of a JSON text can contain these bytes: inside a string the quotes would be escaped.
const placeholderHead = `{"_placeholder":true,"num":`

// jsonScan checks a JSON text in one pass, without recursion. It accepts what RFC 8259 allows and JavaScript's
// JSON.parse accepts, but refuses strings that are not UTF-8, deep nesting, and placeholders that name no attachment.
type jsonScan struct {
	data        []byte
	at          int
	attachments int
	maxDepth    int
	depth       int
	// usual are the arrays and objects that are open, and deep those in these: clearing memory for all that may be
	// open would cost more than reading a small text.
	usual [usualDepth]jsonFrame
	deep  []jsonFrame
	// odd collects the placeholders that are not written as [placeholderHead] says, in the order in which they end.
	odd []oddPlaceholder
	// reason is what was wrong at at; empty while nothing is.
	reason string
}

// jsonFrame is an array or object that is open.
type jsonFrame struct {
	start int
	// num is the value of the object's key `num` where it is a plain integer, -1 where it is something else.
	num   int32
	flags uint8
}

const (
	frameIsArray  uint8 = 1 << iota
	frameHasMark        // the object has the key `_placeholder`
	frameIsMarked       // and its value is true
	frameHasNum         // the object has the key `num`
)

// oddPlaceholder is a placeholder that has to be rewritten: where it stands, and the attachment that it names.
type oddPlaceholder struct{ start, end, num int }

// What may come next.
type jsonState uint8

const (
	wantValue jsonState = iota
	wantFirstElement
	wantFirstKey
	wantKey
	wantNext
)

// checkJSON checks data and returns its only value without the white space around it, with every placeholder written
// in the one canonical way.
func checkJSON(data []byte, attachments, maxDepth int) ([]byte, error) {
	s := jsonScan{data: data, attachments: attachments, maxDepth: maxDepth}
	s.at = skipSpace(data, 0)
	start := s.at
	for state := wantValue; state != wantNext || s.depth > 0; {
		s.at = skipSpace(data, s.at)
		state = s.step(state)
		if s.reason != "" {
			return nil, &PayloadError{At: s.at, Reason: s.reason}
		}
	}
	end := s.at
	if rest := skipSpace(data, end); rest < len(data) {
		return nil, &PayloadError{At: rest, Reason: "more text after the end of the value"}
	}
	if len(s.odd) > 0 {
		return rewritePlaceholders(data, start, end, s.odd), nil
	}
	return data[start:end:end], nil
}

// step reads one value, key, comma or bracket, and says what may follow.
func (s *jsonScan) step(state jsonState) jsonState {
	if s.at == len(s.data) {
		return s.fail("the text ends too early")
	}
	c := s.data[s.at]
	switch state {
	case wantFirstElement:
		if c == ']' {
			return s.close()
		}
		return s.value(c)
	case wantValue:
		return s.value(c)
	case wantFirstKey:
		if c == '}' {
			return s.close()
		}
		return s.key(c)
	case wantKey:
		return s.key(c)
	default:
		return s.next(c)
	}
}

func (s *jsonScan) fail(reason string) jsonState {
	s.reason = reason
	return wantNext
}

// value reads a string, number or literal, or the bracket that opens an array or object.
func (s *jsonScan) value(c byte) jsonState {
	switch c {
	case '"':
		s.text()
		return wantNext
	case '{':
		return s.push(0, wantFirstKey)
	case '[':
		return s.push(frameIsArray, wantFirstElement)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		s.number()
		return wantNext
	}
}

func (s *jsonScan) push(flags uint8, state jsonState) jsonState {
	if s.depth == s.maxDepth {
		return s.fail("nested too deep")
	}
	s.depth++
	if s.depth > usualDepth+len(s.deep) {
		s.deep = append(s.deep, jsonFrame{})
	}
	*s.innermost() = jsonFrame{start: s.at, flags: flags}
	s.at++
	return state
}

func (s *jsonScan) innermost() *jsonFrame {
	if s.depth <= usualDepth {
		return &s.usual[s.depth-1]
	}
	return &s.deep[s.depth-1-usualDepth]
}

// next reads what follows a value inside an array or object.
func (s *jsonScan) next(c byte) jsonState {
	isArray := s.innermost().flags&frameIsArray != 0
	switch {
	case c == ',' && isArray:
		s.at++
		return wantValue
	case c == ',':
		s.at++
		return wantKey
	case c == ']' && isArray, c == '}' && !isArray:
		return s.close()
	case isArray:
		return s.fail("expected a comma or the end of an array")
	default:
		return s.fail("expected a comma or the end of an object")
	}
}

// close ends the innermost array or object; of a placeholder it checks that it names an attachment.
func (s *jsonScan) close() jsonState {
	f := s.innermost()
	s.depth--
	if f.flags&frameIsMarked != 0 {
		if f.flags&frameHasNum == 0 || f.num < 0 || int(f.num) >= s.attachments {
			s.at = f.start
			return s.fail("a placeholder that names no attachment")
		}
		if num := int(f.num); !isCanonicalPlaceholder(s.data[f.start:s.at+1], num) {
			s.addOdd(oddPlaceholder{f.start, s.at + 1, num})
		}
	}
	s.at++
	return wantNext
}

// addOdd remembers p in place of those that stand inside of it.
func (s *jsonScan) addOdd(p oddPlaceholder) {
	for len(s.odd) > 0 && s.odd[len(s.odd)-1].start > p.start {
		s.odd = s.odd[:len(s.odd)-1]
	}
	s.odd = append(s.odd, p)
}

// key reads a key and its colon. The keys of a placeholder are noted in the object's frame, with their values.
func (s *jsonScan) key(c byte) jsonState {
	if c != '"' {
		return s.fail("expected a key in quotes")
	}
	start := s.at
	s.text()
	if s.reason != "" {
		return wantNext
	}
	key := s.data[start+1 : s.at-1]
	s.at = skipSpace(s.data, s.at)
	if s.at == len(s.data) || s.data[s.at] != ':' {
		return s.fail("expected a colon after a key")
	}
	s.at++
	switch {
	case isKey(key, "_placeholder"):
		s.noteMark(start)
	case isKey(key, "num"):
		s.noteNum()
	}
	return wantValue
}

// noteMark notes that an object has the key `_placeholder`, and whether its value is true.
func (s *jsonScan) noteMark(start int) {
	f := s.innermost()
	if f.flags&frameHasMark != 0 {
		s.at = start
		s.fail("the key _placeholder twice in one object")
		return
	}
	f.flags |= frameHasMark
	if i := skipSpace(s.data, s.at); i < len(s.data) && s.data[i] == 't' {
		f.flags |= frameIsMarked
	}
}

// noteNum notes what `num` is. Given twice it is nothing: in an object that is a placeholder that is an error.
func (s *jsonScan) noteNum() {
	f := s.innermost()
	if f.flags&frameHasNum != 0 {
		f.num = -1
		return
	}
	f.flags |= frameHasNum
	f.num = int32(plainInteger(s.data[skipSpace(s.data, s.at):]))
}

func (s *jsonScan) literal(word string) jsonState {
	end := s.at + len(word)
	if end > len(s.data) || string(s.data[s.at:end]) != word {
		return s.fail("expected a value")
	}
	s.at = end
	return wantNext
}

// number reads a number as the grammar of RFC 8259, section 6, has it.
func (s *jsonScan) number() {
	i := s.at
	if i < len(s.data) && s.data[i] == '-' {
		i++
	}
	switch {
	case i < len(s.data) && s.data[i] == '0':
		i++
	case i < len(s.data) && isDigit(s.data[i]):
		i = skipDigits(s.data, i)
	default:
		s.fail("expected a value")
		return
	}
	if i < len(s.data) && s.data[i] == '.' {
		if i = s.digits(i + 1); s.reason != "" {
			return
		}
	}
	if i < len(s.data) && (s.data[i] == 'e' || s.data[i] == 'E') {
		i++
		if i < len(s.data) && (s.data[i] == '+' || s.data[i] == '-') {
			i++
		}
		if i = s.digits(i); s.reason != "" {
			return
		}
	}
	s.at = i
}

// digits skips one digit or more.
func (s *jsonScan) digits(i int) int {
	end := skipDigits(s.data, i)
	if end == i {
		s.at = i
		s.fail("expected a digit")
	}
	return end
}

// text reads a string, quotes included.
func (s *jsonScan) text() {
	data, start := s.data, s.at+1
	ascii := true
	for i := start; ; {
		i = skipPlain(data, i)
		for i < len(data) && plainByte[data[i]] {
			i++
		}
		if i == len(data) {
			s.at = i
			s.fail("a string that does not end")
			return
		}
		switch c := data[i]; {
		case c == '"':
			if !ascii && !utf8.Valid(data[start:i]) {
				s.at = start
				s.fail("a string that is not UTF-8")
				return
			}
			s.at = i + 1
			return
		case c == '\\':
			n := escapeLength(data[i:])
			if n == 0 {
				s.at = i
				s.fail("an unknown escape in a string")
				return
			}
			i += n
		case c < ' ':
			s.at = i
			s.fail("a control character in a string")
			return
		default:
			ascii = false
			i++
		}
	}
}

// plainByte holds the bytes that a string may contain as they are, and that need no look at their neighbours.
var plainByte = func() (table [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// skipPlain skips plain bytes, eight at once, and stops before the eight with the first that is not plain. Each line of
// the condition sets the highest bit of the bytes that it means, and at most also of some behind them.
func skipPlain(data []byte, i int) int {
	const ones, highest = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(data); i += 8 {
		d := data[i : i+8 : i+8]
		x := uint64(d[0]) | uint64(d[1])<<8 | uint64(d[2])<<16 | uint64(d[3])<<24 |
			uint64(d[4])<<32 | uint64(d[5])<<40 | uint64(d[6])<<48 | uint64(d[7])<<56
		quotes, backslashes := x^ones*'"', x^ones*'\\'
		special := x | // not ASCII
			(x-ones*' ')&^x | // control characters
			(quotes-ones)&^quotes |
			(backslashes-ones)&^backslashes
		if special&highest != 0 {
			break
		}
	}
	return i
}

// escapeLength is the length of the escape with which data begins, 0 when it is none.
func escapeLength(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	switch data[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if hex4(data[2:]) >= 0 {
			return 6
		}
	}
	return 0
}

// hex4 is the number that the first four bytes spell in hexadecimal, -1 when they do not.
func hex4(data []byte) rune {
	if len(data) < 4 {
		return -1
	}
	var r rune
	for _, c := range data[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipDigits(data []byte, i int) int {
	for i < len(data) && isDigit(data[i]) {
		i++
	}
	return i
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// isKey compares the inside of a key's quotes with a name, escapes and all.
func isKey(key []byte, name string) bool {
	if len(key) <= len(name) {
		return string(key) == name
	}
	const longestEscape = len(`\u005f`)
	if len(key) > longestEscape*len(name) {
		return false
	}
	return bytes.IndexByte(key, '\\') >= 0 && string(AppendUnquoted(nil, key)) == name
}

// plainInteger reads the number at the start of a text: -1 when it is not a small integer in plain digits.
func plainInteger(data []byte) int {
	end := skipDigits(data, 0)
	if end == 0 || end > 9 {
		return -1
	}
	if end < len(data) && (data[end] == '.' || data[end] == 'e' || data[end] == 'E') {
		return -1
	}
	n := 0
	for _, c := range data[:end] {
		n = n*10 + int(c-'0')
	}
	return n
}
