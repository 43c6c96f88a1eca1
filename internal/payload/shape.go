package payload

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/roombus/roombus/domain"
)

// ShapeError says that a payload is not of the shape that the program expects. It never quotes the payload.
type ShapeError struct {
	// Argument is the place among the arguments of an event, from 1; 0 when it was not an argument.
	Argument int
	// Field is the path to the place inside the argument, such as "items.3.size"; empty for the whole of it. Of a map
	// the path has a star in place of the key.
	Field string
	// Expected and Found are what the program asked for and what there was, in a few words.
	Expected, Found string
	// Err is the error of a type's own UnmarshalJSON or UnmarshalText method. It may quote the payload, so the text
	// of the ShapeError does not show it.
	Err error
}

// Error says where and what.
func (e *ShapeError) Error() string {
	var b strings.Builder
	if e.Argument > 0 {
		fmt.Fprintf(&b, "argument %d", e.Argument)
	}
	if e.Field != "" {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "field %q", e.Field)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "expected %s, found %s", e.Expected, e.Found)
	return b.String()
}

// Unwrap returns Err.
func (e *ShapeError) Unwrap() error { return e.Err }

// shapeError makes a ShapeError of the JSON library's error about a value that was decoded into a type.
func shapeError(err error, v domain.Value, t reflect.Type) error {
	var e *json.SemanticError
	if !errors.As(err, &e) {
		return fmt.Errorf("decode into a %v: %w", t, err)
	}
	shape := &ShapeError{
		Field: fieldPath(t, e.JSONPointer),
		Found: found(v.JSON()[min(skipToValue(v.JSON(), e.ByteOffset), len(v.JSON())):]),
	}
	var mismatch *mismatchError
	switch {
	case errors.As(e.Err, &mismatch):
		shape.Expected = describe(mismatch.into)
	case e.GoType == nil:
		return fmt.Errorf("decode into a %v: %w", t, err)
	default:
		shape.Expected = describe(e.GoType)
		if shape.Expected == shape.Found {
			shape.Expected = fmt.Sprintf("%s that fits %v", shape.Expected, e.GoType)
		}
		shape.Err = e.Err
	}
	return shape
}

// describe names the JSON that a type is decoded from.
func describe(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case isBinary(t):
		return "binary"
	case t.PkgPath() == "time" && t.Name() == "Time":
		return "time in RFC 3339"
	case hasMethods(t):
		return t.String()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64:
		return "number"
	default:
		return t.String()
	}
}

// found names the kind of the JSON value at the start of a text.
func found(json []byte) string {
	if len(json) == 0 {
		return "nothing"
	}
	switch json[0] {
	case '"':
		return "string"
	case '[':
		return "array"
	case '{':
		if _, ok := domain.PlaceholderNumber(json); ok {
			return "binary"
		}
		return "object"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	default:
		return "number"
	}
}

// fieldPath writes a JSON pointer with dots. The keys of a map are payload, so each is a star; where the type does not
// say what a step is, the path ends in one.
func fieldPath(t reflect.Type, pointer jsontext.Pointer) string {
	var path []string
	for token := range pointer.Tokens() {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		switch t.Kind() {
		case reflect.Slice, reflect.Array:
			path = append(path, token)
			t = t.Elem()
			continue
		case reflect.Map:
			path = append(path, "*")
			t = t.Elem()
			continue
		case reflect.Struct:
			if f, ok := fieldByKey(t, token); ok {
				path = append(path, token)
				t = f.Type
				continue
			}
		default:
		}
		return strings.Join(append(path, "*"), ".")
	}
	return strings.Join(path, ".")
}

// fieldByKey finds the field of a struct that has a key in JSON.
func fieldByKey(t reflect.Type, key string) (reflect.StructField, bool) {
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		if f.IsExported() && strings.EqualFold(name, key) {
			return f, true
		}
	}
	return reflect.StructField{}, false
}
