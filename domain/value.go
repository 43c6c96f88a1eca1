package domain

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// ErrInvalidPayload is what every [PayloadError] is, for errors.Is.
var ErrInvalidPayload = errors.New("invalid payload")

// PayloadError says why a payload was refused, and where. It never quotes the payload.
type PayloadError struct {
	// At is the byte of the JSON text, or of the encoding that was read, at which it went wrong; counted from 0.
	At int
	// Reason is what was wrong.
	Reason string
}

// Error says what was wrong and at which byte.
func (e *PayloadError) Error() string {
	return fmt.Sprintf("invalid payload at byte %d: %s", e.At, e.Reason)
}

// Unwrap returns [ErrInvalidPayload].
func (e *PayloadError) Unwrap() error { return ErrInvalidPayload }

// Value is what JavaScript calls a value: one JSON text in which each binary stands as a placeholder
// `{"_placeholder":true,"num":N}`, and the binaries, its attachments (Socket.IO protocol, revision 5). It is checked
// when it is made and never changed afterwards, so it may be shared, sent and stored without another look.
//
// The zero Value is no value at all, JavaScript's undefined.
type Value struct {
	json        []byte
	attachments [][]byte
}

// NewValue checks a JSON text with placeholders and makes a Value of it. It takes ownership: neither the text nor the
// attachments may be changed afterwards. The text is kept as it is, but for white space around it and for
// placeholders that are written in another way than the usual one.
//
// It refuses, with a [*PayloadError]: what is not JSON (RFC 8259, as strict as JavaScript's JSON.parse), strings that
// are not UTF-8, more than [MaxDepth] arrays and objects in each other, and placeholders that do not name one of the
// attachments by an integer in plain digits, or that have one of their two keys twice. The latter hold also where
// there are no attachments: once values are put together, such a placeholder would name another's binary. An
// attachment may be named several times, or not at all.
func NewValue(json []byte, attachments ...[]byte) (Value, error) {
	return newValue(json, attachments, MaxDepth)
}

// NewEnvelope is [NewValue] for what a transport has wrapped around values: it may be nested up to
// [MaxEnvelopeDepth] deep, so that every value can be read back out of its envelope.
func NewEnvelope(json []byte, attachments ...[]byte) (Value, error) {
	return newValue(json, attachments, MaxEnvelopeDepth)
}

func newValue(json []byte, attachments [][]byte, maxDepth int) (Value, error) {
	checked, err := checkJSON(json, len(attachments), maxDepth)
	if err != nil {
		return Value{}, err
	}
	return Value{json: checked, attachments: slices.Clip(attachments)}, nil
}

// TextValue is the value of a string. Bytes that are not UTF-8 become U+FFFD.
func TextValue(text string) Value {
	return Value{json: AppendQuoted(make([]byte, 0, len(text)+2), text)}
}

// IsZero reports whether v is no value at all. JSON's null is a value.
func (v Value) IsZero() bool { return len(v.json) == 0 }

// JSON is the text, without white space around it; nil for the zero Value. It must not be changed.
func (v Value) JSON() []byte { return v.json }

// Attachments are the binaries, in the order of their numbers. They must not be changed.
func (v Value) Attachments() [][]byte { return v.attachments }

// Size is the length of the text and of all attachments, in bytes.
func (v Value) Size() int {
	size := len(v.json)
	for _, a := range v.attachments {
		size += len(a)
	}
	return size
}

// String describes the value by its size. It does not show the payload, which belongs in no log.
func (v Value) String() string {
	return fmt.Sprintf("value of %d bytes with %d attachments", len(v.json), len(v.attachments))
}

// Text is the string that v is; false when it is none.
func (v Value) Text() (string, bool) {
	if v.IsZero() || v.json[0] != '"' {
		return "", false
	}
	return unquote(v.json), true
}

// unquote is the text that a JSON string means.
func unquote(json []byte) string {
	inside := json[1 : len(json)-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		return string(inside)
	}
	return string(AppendUnquoted(nil, inside))
}

// Attachment is the binary that v is as a whole; false when v is anything but one placeholder.
func (v Value) Attachment() ([]byte, bool) {
	num, ok := PlaceholderNumber(v.json)
	if !ok {
		return nil, false
	}
	return v.attachments[num], true
}

// Elements are the elements of an array, each with its own attachments, renumbered from 0. They share memory with v.
// Of anything but an array it returns a [*PayloadError].
func (v Value) Elements() ([]Value, error) {
	if v.IsZero() || v.json[0] != '[' {
		return nil, &PayloadError{Reason: "expected an array"}
	}
	elements := make([]Value, 0, 4) // most events have fewer arguments
	for json := range Elements(v.json) {
		elements = append(elements, v.Part(json))
	}
	return elements, nil
}

// Part is a part of v as a value of its own, with its own attachments, renumbered from 0. The part is a piece of
// v.JSON() as [Elements] and [Fields] hand it out, and shares memory with v.
func (v Value) Part(json []byte) Value {
	part := Value{json: json}
	if len(v.attachments) == 0 {
		return part
	}
	count, inOrder := 0, true
	for _, num := range placeholders(json) {
		if inOrder = num <= count; !inOrder {
			break
		}
		count = max(count, num+1)
	}
	if inOrder {
		part.attachments = v.attachments[:count:count]
		return part
	}
	numbers := map[int]int{} // of each attachment: its number in v, and in the part
	part.json = renumber(make([]byte, 0, len(json)), json, func(num int) int {
		n, known := numbers[num]
		if !known {
			n = len(numbers)
			numbers[num] = n
			part.attachments = append(part.attachments, v.attachments[num])
		}
		return n
	})
	part.attachments = slices.Clip(part.attachments)
	return part
}

// AppendTo appends v to a JSON text that is being put together, and its attachments to those that the text has so
// far; v's placeholders are renumbered to fit. The zero Value is appended as null. The caller checks the whole in the
// end, with [NewValue].
func (v Value) AppendTo(json []byte, attachments [][]byte) ([]byte, [][]byte) {
	if v.IsZero() {
		return append(json, "null"...), attachments
	}
	if shift := len(attachments); shift > 0 && len(v.attachments) > 0 {
		json = renumber(json, v.json, func(num int) int { return num + shift })
	} else {
		json = append(json, v.json...)
	}
	return json, append(attachments, v.attachments...)
}

// Placeholders is how many placeholders the text has. It is not the number of attachments where one is named several
// times, or not at all.
func (v Value) Placeholders() int {
	if len(v.attachments) == 0 {
		return 0
	}
	return bytes.Count(v.json, []byte(placeholderHead))
}

// PlaceholderNumber is the number of the attachment for which a part of a checked text stands; false when the part is
// anything but one placeholder.
func PlaceholderNumber(json []byte) (int, bool) {
	if !bytes.HasPrefix(json, []byte(placeholderHead)) {
		return 0, false
	}
	return plainInteger(json[len(placeholderHead):]), true
}

// AppendPlaceholder appends the placeholder of an attachment.
func AppendPlaceholder(dst []byte, num int) []byte {
	dst = append(dst, placeholderHead...)
	dst = strconv.AppendInt(dst, int64(num), 10)
	return append(dst, '}')
}

// placeholders walks over the placeholders of a checked text: the position after each one's head, and its number.
func placeholders(json []byte) func(yield func(at, num int) bool) {
	return func(yield func(at, num int) bool) {
		for at := 0; ; {
			i := bytes.Index(json[at:], []byte(placeholderHead))
			if i < 0 {
				return
			}
			at += i + len(placeholderHead)
			if !yield(at, plainInteger(json[at:])) {
				return
			}
		}
	}
}

// renumber appends a checked text with other numbers in its placeholders.
func renumber(dst, json []byte, number func(int) int) []byte {
	done := 0
	for at, num := range placeholders(json) {
		dst = append(dst, json[done:at]...)
		dst = strconv.AppendInt(dst, int64(number(num)), 10)
		done = skipDigits(json, at)
	}
	return append(dst, json[done:]...)
}

// isCanonicalPlaceholder reports whether an object that is a placeholder is written in the usual way.
func isCanonicalPlaceholder(object []byte, num int) bool {
	var usual [len(placeholderHead) + 10]byte
	return bytes.Equal(object, AppendPlaceholder(usual[:0], num))
}

// rewritePlaceholders is data[start:end] with the given placeholders written in the usual way. JavaScript puts the
// binary in the place of the whole object, so whatever else was in it goes.
func rewritePlaceholders(data []byte, start, end int, odd []oddPlaceholder) []byte {
	out := make([]byte, 0, end-start)
	for _, p := range odd {
		out = append(out, data[start:p.start]...)
		out = AppendPlaceholder(out, p.num)
		start = p.end
	}
	return append(out, data[start:end]...)
}
