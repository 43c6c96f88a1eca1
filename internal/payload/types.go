package payload

import (
	"encoding"
	stdjson "encoding/json"
	"reflect"
	"sync"

	"github.com/roombus/roombus/domain"
)

var (
	valueType           = reflect.TypeFor[domain.Value]()
	jsonMarshalerType   = reflect.TypeFor[stdjson.Marshaler]()
	textMarshalerType   = reflect.TypeFor[encoding.TextMarshaler]()
	jsonUnmarshalerType = reflect.TypeFor[stdjson.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// isBinary reports whether values of a type are binaries: []byte, and named types of it that do not say how they are
// encoded.
func isBinary(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !hasMethods(t)
}

// hasMethods reports whether a type says itself how it is encoded or decoded.
func hasMethods(t reflect.Type) bool {
	if t.Kind() != reflect.Interface {
		t = reflect.PointerTo(t)
	}
	return t.Implements(jsonMarshalerType) || t.Implements(textMarshalerType) ||
		t.Implements(jsonUnmarshalerType) || t.Implements(textUnmarshalerType)
}

// binaryTypes remembers mayHoldBinary by type. Programs have few types, so it does not grow without end.
var binaryTypes sync.Map // of reflect.Type to bool

// mayHoldBinary reports whether there can be a binary or a domain.Value in a value of a type: whatever has an
// interface in it may hold anything.
func mayHoldBinary(t reflect.Type) bool {
	known, _ := binaryTypes.Load(t)
	if may, ok := known.(bool); ok {
		return may
	}
	may := findBinary(t, map[reflect.Type]bool{})
	binaryTypes.Store(t, may)
	return may
}

func findBinary(t reflect.Type, seen map[reflect.Type]bool) bool {
	if t == valueType || isBinary(t) {
		return true
	}
	if seen[t] || hasMethods(t) {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return findBinary(t.Elem(), seen)
	case reflect.Struct:
		for f := range t.Fields() {
			if (f.IsExported() || f.Anonymous) && findBinary(f.Type, seen) {
				return true
			}
		}
		return false
	default:
		return false
	}
}
