package payload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/roombus/roombus/domain"
)

// AppendMsgpack appends a value as msgpack: the bytes that @msgpack/msgpack 2.8.0 writes, with its default options, for
// what JavaScript makes of the JSON text. Attachments become bin; numbers are JavaScript's, so that 1.0 is the integer
// 1, integers beyond 2^53 are rounded float64s, and numbers beyond those are infinities; the zero Value is nil.
//
// It differs in three things. Keys stay in the order of the text, also those that look like integers, which JavaScript
// puts first. A key that is there twice is written twice; readers take the last. Half a surrogate pair is written as
// U+FFFD, which JavaScript does in strings of more than 200 characters only.
//
// A key `__proto__` is an error, because Node.js would refuse to read the whole. After an error dst is undefined.
func AppendMsgpack(dst []byte, v domain.Value) ([]byte, error) {
	if v.IsZero() {
		return append(dst, mpNil), nil
	}
	e := msgpackEncoder{dst: dst, attachments: v.Attachments()}
	if err := e.value(v.JSON()); err != nil {
		return dst, err
	}
	return e.dst, nil
}

type msgpackEncoder struct {
	dst         []byte
	attachments [][]byte
}

// value appends a checked text, which is nested no deeper than values may be.
func (e *msgpackEncoder) value(json []byte) error {
	switch json[0] {
	case 'n':
		e.dst = append(e.dst, mpNil)
	case 'f':
		e.dst = append(e.dst, mpFalse)
	case 't':
		e.dst = append(e.dst, mpTrue)
	case '"':
		return e.text(json[1 : len(json)-1])
	case '[':
		return e.array(json)
	case '{':
		if num, ok := domain.PlaceholderNumber(json); ok {
			return e.binary(e.attachments[num])
		}
		return e.object(json)
	default:
		e.number(json)
	}
	return nil
}

func (e *msgpackEncoder) array(json []byte) error {
	head, n := len(e.dst), 0
	e.dst = append(e.dst, mpFixArray)
	for element := range domain.Elements(json) {
		if err := e.value(element); err != nil {
			return err
		}
		n++
	}
	e.setCount(head, n, mpFixArray, mpArray16)
	return nil
}

func (e *msgpackEncoder) object(json []byte) error {
	head, n := len(e.dst), 0
	e.dst = append(e.dst, mpFixMap)
	for key, value := range domain.Fields(json) {
		if string(key) == protoKey {
			return fmt.Errorf("encode as msgpack: the key %s, which Node.js refuses to read", protoKey)
		}
		if err := e.plainText(key); err != nil {
			return err
		}
		if err := e.value(value); err != nil {
			return err
		}
		n++
	}
	e.setCount(head, n, mpFixMap, mpMap16)
	return nil
}

// setCount writes the number of elements into the head of an array or map whose elements are there already. A head of
// one byte was left for it; few arrays need a longer one, and for those the elements move up.
func (e *msgpackEncoder) setCount(head, n int, fix, count16 byte) {
	switch {
	case n < 16:
		e.dst[head] = fix | byte(n)
	case n <= math.MaxUint16:
		e.makeRoom(head, 2)
		e.dst[head] = count16
		binary.BigEndian.PutUint16(e.dst[head+1:], uint16(n))
	default:
		e.makeRoom(head, 4)
		e.dst[head] = count16 + 1
		binary.BigEndian.PutUint32(e.dst[head+1:], uint32(n))
	}
}

func (e *msgpackEncoder) makeRoom(head, n int) {
	end := len(e.dst)
	e.dst = append(e.dst, make([]byte, n)...)
	copy(e.dst[head+1+n:], e.dst[head+1:end])
}

// text appends the inside of a JSON string.
func (e *msgpackEncoder) text(inside []byte) error {
	if bytes.IndexByte(inside, '\\') < 0 {
		return e.plainText(inside)
	}
	return e.plainText(domain.AppendUnquoted(make([]byte, 0, len(inside)), inside))
}

func (e *msgpackEncoder) plainText(text []byte) error {
	switch n := len(text); {
	case n < 32:
		e.dst = append(e.dst, mpFixText|byte(n))
	case n <= math.MaxUint8:
		e.dst = append(e.dst, mpText8, byte(n))
	case n <= math.MaxUint16:
		e.dst = binary.BigEndian.AppendUint16(append(e.dst, mpText16), uint16(n))
	case n <= math.MaxUint32:
		e.dst = binary.BigEndian.AppendUint32(append(e.dst, mpText32), uint32(n))
	default:
		return fmt.Errorf("encode as msgpack: a string of %d bytes is too long", n)
	}
	e.dst = append(e.dst, text...)
	return nil
}

func (e *msgpackEncoder) binary(data []byte) error {
	switch n := len(data); {
	case n <= math.MaxUint8:
		e.dst = append(e.dst, mpBin8, byte(n))
	case n <= math.MaxUint16:
		e.dst = binary.BigEndian.AppendUint16(append(e.dst, mpBin16), uint16(n))
	case n <= math.MaxUint32:
		e.dst = binary.BigEndian.AppendUint32(append(e.dst, mpBin32), uint32(n))
	default:
		return fmt.Errorf("encode as msgpack: a binary of %d bytes is too long", n)
	}
	e.dst = append(e.dst, data...)
	return nil
}

// number appends a JSON number: a safe integer of JavaScript in its shortest form, all others as float64.
func (e *msgpackEncoder) number(json []byte) {
	f, _ := strconv.ParseFloat(string(json), 64) // out of range it is the infinity, as in JavaScript
	const maxSafeInteger = 1<<53 - 1
	if f != math.Trunc(f) || math.Abs(f) > maxSafeInteger {
		e.dst = binary.BigEndian.AppendUint64(append(e.dst, mpFloat64), math.Float64bits(f))
		return
	}
	if n := int64(f); n >= 0 {
		e.positive(uint64(n))
	} else {
		e.negative(n)
	}
}

func (e *msgpackEncoder) positive(n uint64) {
	switch {
	case n <= math.MaxInt8:
		e.dst = append(e.dst, byte(n))
	case n <= math.MaxUint8:
		e.dst = append(e.dst, mpUint8, byte(n))
	case n <= math.MaxUint16:
		e.dst = binary.BigEndian.AppendUint16(append(e.dst, mpUint16), uint16(n))
	case n <= math.MaxUint32:
		e.dst = binary.BigEndian.AppendUint32(append(e.dst, mpUint32), uint32(n))
	default:
		e.dst = binary.BigEndian.AppendUint64(append(e.dst, mpUint64), n)
	}
}

func (e *msgpackEncoder) negative(n int64) {
	switch {
	case n >= -32:
		e.dst = append(e.dst, byte(n))
	case n >= math.MinInt8:
		e.dst = append(e.dst, mpInt8, byte(n))
	case n >= math.MinInt16:
		e.dst = binary.BigEndian.AppendUint16(append(e.dst, mpInt16), uint16(n))
	case n >= math.MinInt32:
		e.dst = binary.BigEndian.AppendUint32(append(e.dst, mpInt32), uint32(n))
	default:
		e.dst = binary.BigEndian.AppendUint64(append(e.dst, mpInt64), uint64(n))
	}
}
