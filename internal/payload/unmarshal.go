package payload

import (
	"bytes"
	"errors"
	"reflect"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/roombus/roombus/domain"
)

// Unmarshal decodes a Value into what a pointer points to, the reverse of [Marshal].
//
// It decodes as encoding/json does, but for these: a binary goes into a []byte, or a named type of it, and nothing
// else does; in an `any` it is a []byte; a domain.Value takes any part of v as it is. A json.RawMessage, or a type
// with an UnmarshalJSON method, sees the JSON text alone. Binaries are copied, a domain.Value is not. Malformed struct
// tags, which encoding/json passes over, are errors.
//
// A value of another shape gives a [*ShapeError]; what the pointer points to may then be filled in part. Into anything
// but a domain.Value or an `any`, the zero Value cannot be decoded.
func Unmarshal(v domain.Value, into any) error {
	switch p := into.(type) {
	case *domain.Value:
		*p = v
		return nil
	case *string:
		if text, ok := v.Text(); ok && p != nil {
			*p = text
			return nil
		}
	case *any:
		if *p == nil {
			*p = tree(v.Attachments(), v.JSON())
			return nil
		}
	}
	t := reflect.TypeOf(into)
	if t == nil || t.Kind() != reflect.Pointer || reflect.ValueOf(into).IsNil() {
		return errors.New("decode: the target must be a pointer that is not nil")
	}
	if v.IsZero() {
		return &ShapeError{Expected: describe(t.Elem()), Found: "nothing"}
	}
	options := plainOptions
	if len(v.Attachments()) > 0 || mayHoldBinary(t.Elem()) {
		u, ok := unmarshalers.Get().(*unmarshaler)
		if !ok {
			u = newUnmarshaler()
		}
		u.value = v
		defer u.release()
		options = u.options
	}
	if err := json.Unmarshal(v.JSON(), into, options); err != nil {
		return shapeError(err, v, t.Elem())
	}
	return nil
}

// UnmarshalArgs decodes the arguments of a packet, by the rules of [Unmarshal], one into each pointer. Too few
// arguments are a [*ShapeError]; further ones are ignored, as JavaScript's functions do.
func UnmarshalArgs(p domain.Packet, into ...any) error {
	return unmarshalElements(p.Value(), 1, into)
}

// UnmarshalArray decodes the elements of an array as [UnmarshalArgs] does: the payload of an acknowledgement, which
// has no event name. The zero Value is an empty array.
func UnmarshalArray(v domain.Value, into ...any) error {
	return unmarshalElements(v, 0, into)
}

func unmarshalElements(v domain.Value, skip int, into []any) error {
	if !v.IsZero() && v.JSON()[0] != '[' {
		return &ShapeError{Expected: "array", Found: found(v.JSON())}
	}
	n := -skip
	for element := range domain.Elements(v.JSON()) {
		if n >= 0 && n < len(into) {
			if err := Unmarshal(v.Part(element), into[n]); err != nil {
				if e, ok := errors.AsType[*ShapeError](err); ok {
					e.Argument = n + 1
				}
				return err
			}
		}
		n++
	}
	if n = max(n, 0); n < len(into) {
		return &ShapeError{Expected: plural(len(into), "argument"), Found: strconv.Itoa(n)}
	}
	return nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// plainOptions decode as encoding/json does, but for the errors, which say where they are.
var plainOptions = json.JoinOptions(
	jsonv1.DefaultOptionsV1(),
	jsonv1.ReportErrorsWithLegacySemantics(false),
)

// unmarshaler is what the JSON library needs to put binaries in their places: options that lead to the value of the
// call. They are used again and again because the library keeps what it learns about types with them.
type unmarshaler struct {
	value   domain.Value
	options json.Options
}

var unmarshalers sync.Pool // of *unmarshaler

func newUnmarshaler() *unmarshaler {
	u := &unmarshaler{}
	u.options = json.JoinOptions(plainOptions, json.WithUnmarshalers(json.UnmarshalFromFunc(u.decode)))
	return u
}

func (u *unmarshaler) release() {
	u.value = domain.Value{}
	unmarshalers.Put(u)
}

// mismatchError says that a place and a value do not fit because one of them is a binary; where that was, the library
// adds.
type mismatchError struct{ into reflect.Type }

func (e *mismatchError) Error() string { return "expected " + describe(e.into) }

// decode is called with a pointer to each place before it is filled, and leaves to the library what has nothing to do
// with binaries.
func (u *unmarshaler) decode(dec *jsontext.Decoder, pointer any) error {
	text := u.value.JSON()
	text = text[skipToValue(text, dec.InputOffset()):]
	num, isPlaceholder := domain.PlaceholderNumber(text)
	switch p := pointer.(type) {
	case *domain.Value:
		part, err := dec.ReadValue()
		if err != nil {
			return err
		}
		*p = u.value.Part(text[:len(part):len(part)])
		return nil
	case *any:
		if *p != nil && reflect.TypeOf(*p).Kind() == reflect.Pointer {
			return errors.ErrUnsupported // encoding/json decodes into what it points to
		}
		part, err := dec.ReadValue()
		if err != nil {
			return err
		}
		*p = tree(u.value.Attachments(), text[:len(part)])
		return nil
	}
	t := reflect.TypeOf(pointer).Elem()
	switch {
	case isBinary(t):
		return u.decodeBinary(dec, reflect.ValueOf(pointer).Elem(), num, isPlaceholder)
	case isPlaceholder && t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface && !hasMethods(t):
		return &mismatchError{t}
	default:
		return errors.ErrUnsupported
	}
}

func (u *unmarshaler) decodeBinary(dec *jsontext.Decoder, into reflect.Value, num int, isPlaceholder bool) error {
	switch {
	case isPlaceholder:
		into.SetBytes(bytes.Clone(u.value.Attachments()[num]))
	case dec.PeekKind() == 'n':
		into.SetZero()
	default:
		return &mismatchError{into.Type()}
	}
	return dec.SkipValue()
}

// skipToValue is where the next value begins, at or after a position between two tokens.
func skipToValue(json []byte, at int64) int {
	i := int(at)
	for i < len(json) {
		switch json[i] {
		case ' ', '\t', '\r', '\n', ',', ':':
			i++
		default:
			return i
		}
	}
	return i
}

// tree is what an `any` becomes: nil, bool, float64, string, []byte, []any or map[string]any. A number beyond float64
// is an infinity, as in JavaScript.
func tree(attachments [][]byte, json []byte) any {
	if len(json) == 0 {
		return nil
	}
	switch json[0] {
	case 'n':
		return nil
	case 't':
		return true
	case 'f':
		return false
	case '"':
		return unquote(json)
	case '[':
		list := []any{}
		for element := range domain.Elements(json) {
			list = append(list, tree(attachments, element))
		}
		return list
	case '{':
		if num, ok := domain.PlaceholderNumber(json); ok {
			return bytes.Clone(attachments[num])
		}
		m := map[string]any{}
		for key, value := range domain.Fields(json) {
			m[string(key)] = tree(attachments, value)
		}
		return m
	default:
		f, _ := strconv.ParseFloat(string(json), 64) // out of range it is the infinity
		return f
	}
}

// unquote is the string that a JSON string means.
func unquote(json []byte) string {
	inside := json[1 : len(json)-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		return string(inside)
	}
	return string(domain.AppendUnquoted(nil, inside))
}
