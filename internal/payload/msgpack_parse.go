package payload

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/roombus/roombus/domain"
)

// ParseMsgpack reads msgpack as @msgpack/msgpack 2.8.0 does, into the JSON that JavaScript would write of the result:
// bin becomes an attachment, a timestamp the text of its date, NaN and the infinities null, an extension of another
// type an object `{"type":…,"data":<binary>}`; map keys that are numbers become text; numbers are those of JavaScript,
// so that integers beyond 2^53 are rounded. Attachments are parts of data, which the caller hands over.
//
// It refuses, with a [*domain.PayloadError] that says at which byte: data that ends too early or goes on after the
// value, lengths beyond the end, nesting deeper than domain.MaxEnvelopeDepth, text that is not UTF-8 (half a surrogate
// pair, as JavaScript writes it, is taken), other map keys than text and numbers, the key `__proto__`, and a map with a
// key `_placeholder` that is true (case 25 of docs/guarantees.md). Of a map key that is there twice both are kept; who
// reads the JSON takes the last.
func ParseMsgpack(data []byte) (domain.Value, error) {
	d := msgpackDecoder{data: data, json: make([]byte, 0, len(data)+len(data)/2)}
	d.value()
	if d.reason == "" && d.at < len(data) {
		d.fail("more data after the end of the value")
	}
	if d.reason != "" {
		return domain.Value{}, &domain.PayloadError{At: d.at, Reason: d.reason}
	}
	return domain.NewEnvelope(d.json, d.attachments...)
}

// msgpackDecoder reads data from at on and appends to json. Once there is a reason to fail, it does nothing more.
type msgpackDecoder struct {
	data        []byte
	at          int
	depth       int
	json        []byte
	attachments [][]byte
	reason      string
}

func (d *msgpackDecoder) fail(reason string) {
	if d.reason == "" {
		d.reason = reason
	}
}

// take is the next n bytes; nil, and a failure, when there are not that many.
func (d *msgpackDecoder) take(n int) []byte {
	if d.reason != "" {
		return nil
	}
	if n > len(d.data)-d.at {
		d.fail("the data ends too early")
		return nil
	}
	part := d.data[d.at : d.at+n : d.at+n]
	d.at += n
	return part
}

// uint is the next integer of 1, 2, 4 or 8 bytes; 0 after a failure.
func (d *msgpackDecoder) uint(size int) uint64 {
	var n uint64
	for _, c := range d.take(size) {
		n = n<<8 | uint64(c)
	}
	return n
}

// length is the next length or count of 1, 2 or 4 bytes.
func (d *msgpackDecoder) length(size int) int { return int(d.uint(size)) }

// value reads one value and appends its JSON.
func (d *msgpackDecoder) value() {
	head := d.take(1)
	if head == nil {
		return
	}
	switch c := head[0]; {
	case c < mpFixMap, c >= mpNegative:
		d.appendNumber(float64(int8(c)))
	case c < mpFixArray:
		d.object(int(c & 0x0f))
	case c < mpFixText:
		d.array(int(c & 0x0f))
	case c < mpNil:
		d.appendText(d.take(int(c & 0x1f)))
	default:
		d.valueByHead(c)
	}
}

func (d *msgpackDecoder) valueByHead(c byte) {
	switch c {
	case mpNil:
		d.json = append(d.json, "null"...)
	case mpFalse:
		d.json = append(d.json, "false"...)
	case mpTrue:
		d.json = append(d.json, "true"...)
	case mpBin8, mpBin16, mpBin32:
		d.appendBinary(d.take(d.length(1 << (c - mpBin8))))
	case mpExt8, mpExt16, mpExt32:
		d.extension(d.length(1 << (c - mpExt8)))
	case mpArray16, mpArray32:
		d.array(d.length(2 << (c - mpArray16)))
	case mpMap16, mpMap32:
		d.object(d.length(2 << (c - mpMap16)))
	case mpText8, mpText16, mpText32:
		d.appendText(d.take(d.length(1 << (c - mpText8))))
	default:
		if mpFixExt1 <= c && c <= mpFixExt16 {
			d.extension(1 << (c - mpFixExt1))
			return
		}
		if f, ok := d.number(c); ok {
			d.appendNumber(f)
			return
		}
		d.at--
		d.fail("an unknown type byte")
	}
}

// number reads a number whose head is c, false when c is no number's.
func (d *msgpackDecoder) number(c byte) (float64, bool) {
	switch c {
	case mpFloat32:
		return float64(math.Float32frombits(uint32(d.uint(4)))), true
	case mpFloat64:
		return math.Float64frombits(d.uint(8)), true
	case mpUint8, mpUint16, mpUint32, mpUint64:
		return float64(d.uint(1 << (c - mpUint8))), true
	case mpInt8:
		return float64(int8(d.uint(1))), true
	case mpInt16:
		return float64(int16(d.uint(2))), true
	case mpInt32:
		return float64(int32(d.uint(4))), true
	case mpInt64:
		return float64(int64(d.uint(8))), true
	}
	return 0, false
}

// enter goes one level down into an array or map, of which each element takes at least size bytes.
func (d *msgpackDecoder) enter(n, size int) bool {
	switch {
	case d.reason != "":
	case d.depth == domain.MaxEnvelopeDepth:
		d.fail("nested too deep")
	case n > (len(d.data)-d.at)/size:
		d.fail("more elements announced than there is data")
	}
	d.depth++
	return d.reason == ""
}

func (d *msgpackDecoder) array(n int) {
	if !d.enter(n, 1) {
		return
	}
	d.json = append(d.json, '[')
	for i := 0; i < n && d.reason == ""; i++ {
		if i > 0 {
			d.json = append(d.json, ',')
		}
		d.value()
	}
	d.json = append(d.json, ']')
	d.depth--
}

func (d *msgpackDecoder) object(n int) {
	if !d.enter(n, 2) {
		return
	}
	d.json = append(d.json, '{')
	for i := 0; i < n && d.reason == ""; i++ {
		if i > 0 {
			d.json = append(d.json, ',')
		}
		isMark := d.key()
		d.json = append(d.json, ':')
		if isMark && d.at < len(d.data) && d.data[d.at] == mpTrue {
			d.fail("a placeholder, which has no place in msgpack")
		}
		d.value()
	}
	d.json = append(d.json, '}')
	d.depth--
}

// key reads a map's key, and says whether it is the one that marks placeholders.
func (d *msgpackDecoder) key() (isMark bool) {
	start := d.at
	head := d.take(1)
	if head == nil {
		return false
	}
	switch c := head[0]; {
	case c < mpFixMap, c >= mpNegative:
		d.appendKeyNumber(float64(int8(c)))
		return false
	case mpFixText <= c && c < mpNil:
		return d.keyText(start, d.take(int(c&0x1f)))
	case mpText8 <= c && c <= mpText32:
		return d.keyText(start, d.take(d.length(1<<(c-mpText8))))
	default:
		f, ok := d.number(c)
		if !ok {
			d.at = start
			d.fail("a map key that is neither text nor a number")
		}
		d.appendKeyNumber(f)
		return false
	}
}

func (d *msgpackDecoder) keyText(start int, key []byte) (isMark bool) {
	if string(key) == protoKey {
		d.at = start
		d.fail("the key " + protoKey)
	}
	d.appendText(key)
	return string(key) == "_placeholder"
}

func (d *msgpackDecoder) appendKeyNumber(f float64) {
	d.json = append(d.json, '"')
	d.json = domain.AppendNumber(d.json, f)
	d.json = append(d.json, '"')
}

func (d *msgpackDecoder) appendNumber(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		d.json = append(d.json, "null"...)
		return
	}
	d.json = domain.AppendNumber(d.json, f)
}

func (d *msgpackDecoder) appendText(text []byte) {
	if !isText(text) {
		d.fail("a text that is not UTF-8")
		return
	}
	d.json = domain.AppendQuoted(d.json, text)
}

// isText reports whether text is UTF-8, or would be but for halves of surrogate pairs.
func isText(text []byte) bool {
	if utf8.Valid(text) {
		return true
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			if !domain.IsSurrogate(text) {
				return false
			}
			n = 3
		}
		text = text[n:]
	}
	return true
}

func (d *msgpackDecoder) appendBinary(data []byte) {
	d.json = domain.AppendPlaceholder(d.json, len(d.attachments))
	d.attachments = append(d.attachments, data)
}

// extension reads an extension's type and n bytes.
func (d *msgpackDecoder) extension(n int) {
	start := d.at
	kind := int8(d.uint(1))
	data := d.take(n)
	if d.reason != "" {
		return
	}
	if kind != mpTimestamp {
		d.json = fmt.Appendf(d.json, `{"type":%d,"data":`, kind)
		d.appendBinary(data)
		d.json = append(d.json, '}')
		return
	}
	seconds, nanoseconds, ok := timestamp(data)
	if !ok {
		d.at = start
		d.fail("a timestamp of a length that there is not")
		return
	}
	d.json = appendDate(d.json, seconds*1e3+nanoseconds/1e6)
}

// timestamp reads the three forms of a timestamp, as JavaScript's numbers.
func timestamp(data []byte) (seconds, nanoseconds float64, ok bool) {
	switch len(data) {
	case 4:
		return float64(binary.BigEndian.Uint32(data)), 0, true
	case 8:
		n := binary.BigEndian.Uint64(data)
		return float64(n & (1<<34 - 1)), float64(n >> 34), true
	case 12:
		return float64(int64(binary.BigEndian.Uint64(data[4:]))), float64(binary.BigEndian.Uint32(data)), true
	default:
		return 0, 0, false
	}
}
