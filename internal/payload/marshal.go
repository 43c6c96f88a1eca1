package payload

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"

	"github.com/roombus/roombus/domain"
)

// Marshal makes a Value of a Go value.
//
// It encodes as encoding/json does, with its struct tags, methods and formats, but for these: a []byte, wherever it is
// in v, and a named type of []byte without methods of its own become attachments, numbered in the order of the text,
// and nil ones null; a domain.Value anywhere in v is put in as it is, with its attachments, and the zero one is null;
// `<`, `>` and `&` are written as they are. The bytes of attachments are copied, those of a domain.Value are not.
// A domain.Value itself, the zero one too, is returned as it is.
//
// A json.RawMessage or a MarshalJSON method cannot bring placeholders of its own: it would not have their attachments.
func Marshal(v any) (domain.Value, error) {
	if value, ok := v.(domain.Value); ok {
		return value, nil
	}
	b := builder{json: make([]byte, 0, usualSize)}
	if err := b.add(v, 0); err != nil {
		return domain.Value{}, fmt.Errorf("encode %T: %w", v, err)
	}
	value, err := b.value()
	if err != nil {
		return domain.Value{}, fmt.Errorf("encode %T: %w", v, err)
	}
	return value, nil
}

// MarshalEvent makes the packet of an event between a server and its clients, each argument encoded by the rules of
// [Marshal], the whole checked by those of domain.NewPacket.
func MarshalEvent(event string, args ...any) (domain.Packet, error) {
	value, err := marshalArray(event, args)
	if err != nil {
		return domain.Packet{}, err
	}
	return value.Packet()
}

// MarshalServerEvent makes the packet of a server-side emit, as [MarshalEvent] does, but checked by the rules of
// domain.NewServerPacket.
func MarshalServerEvent(event string, args ...any) (domain.Packet, error) {
	value, err := marshalArray(event, args)
	if err != nil {
		return domain.Packet{}, err
	}
	return value.ServerPacket()
}

// MarshalArgs makes the array of arguments that is the payload of an acknowledgement.
func MarshalArgs(args ...any) (domain.Value, error) {
	b := builder{json: append(make([]byte, 0, usualSize), '[')}
	return b.array(args)
}

// usualSize is the room, in bytes, that is made for what may be short: nearly all answers are.
const usualSize = 64

func marshalArray(event string, args []any) (domain.Value, error) {
	b := builder{json: append(make([]byte, 0, 128), '[')}
	b.json = domain.AppendQuoted(b.json, event)
	if len(args) > 0 {
		b.json = append(b.json, ',')
	}
	return b.array(args)
}

// builder puts a JSON text with placeholders together.
type builder struct {
	json        []byte
	attachments [][]byte
	// placeholders is how many placeholders the text ought to have.
	placeholders int
}

// array adds the elements and the end of an array.
func (b *builder) array(elements []any) (domain.Value, error) {
	for i, element := range elements {
		if i > 0 {
			b.json = append(b.json, ',')
		}
		if err := b.add(element, 0); err != nil {
			return domain.Value{}, fmt.Errorf("encode argument %d: %w", i+1, err)
		}
	}
	b.json = append(b.json, ']')
	return b.value()
}

var errForeignPlaceholder = errors.New(
	"a json.RawMessage or MarshalJSON method brought a binary's placeholder; use a domain.Value, which has the binary too")

// value checks the whole.
func (b *builder) value() (domain.Value, error) {
	v, err := domain.NewValue(b.json, b.attachments...)
	if err != nil {
		return domain.Value{}, err
	}
	if v.Placeholders() != b.placeholders {
		return domain.Value{}, errForeignPlaceholder
	}
	return v, nil
}

// add appends a value. The trees of maps and slices that dynamic payloads are made of are walked here, types of the
// program's own by what their declaration holds: encoding/json where there can be no binary, a slower way where there
// can.
func (b *builder) add(v any, depth int) error {
	if depth > domain.MaxDepth {
		return errors.New("nested too deep")
	}
	switch v := v.(type) {
	case nil:
		b.json = append(b.json, "null"...)
	case bool:
		b.json = strconv.AppendBool(b.json, v)
	case string:
		b.json = domain.AppendQuoted(b.json, v)
	case int:
		b.json = strconv.AppendInt(b.json, int64(v), 10)
	case int64:
		b.json = strconv.AppendInt(b.json, v, 10)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("JSON has no number %v", v)
		}
		b.json = domain.AppendNumber(b.json, v)
	case []byte:
		b.addBinary(v)
	case domain.Value:
		b.addValue(v)
	case []any:
		return b.addSlice(v, depth)
	case map[string]any:
		return b.addMap(v, depth)
	default:
		return b.addOther(v)
	}
	return nil
}

func (b *builder) addBinary(data []byte) {
	if data == nil {
		b.json = append(b.json, "null"...)
		return
	}
	b.json = domain.AppendPlaceholder(b.json, len(b.attachments))
	b.attachments = append(b.attachments, bytes.Clone(data))
	b.placeholders++
}

func (b *builder) addValue(v domain.Value) {
	b.json, b.attachments = v.AppendTo(b.json, b.attachments)
	b.placeholders += v.Placeholders()
}

func (b *builder) addSlice(list []any, depth int) error {
	if list == nil {
		b.json = append(b.json, "null"...)
		return nil
	}
	b.json = append(b.json, '[')
	for i, element := range list {
		if i > 0 {
			b.json = append(b.json, ',')
		}
		if err := b.add(element, depth+1); err != nil {
			return err
		}
	}
	b.json = append(b.json, ']')
	return nil
}

// addMap appends a map in the order of its keys, as encoding/json does.
func (b *builder) addMap(m map[string]any, depth int) error {
	if m == nil {
		b.json = append(b.json, "null"...)
		return nil
	}
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	b.json = append(b.json, '{')
	for i, key := range keys {
		if i > 0 {
			b.json = append(b.json, ',')
		}
		b.json = domain.AppendQuoted(b.json, key)
		b.json = append(b.json, ':')
		if err := b.add(m[key], depth+1); err != nil {
			return err
		}
	}
	b.json = append(b.json, '}')
	return nil
}

func (b *builder) addOther(v any) error {
	if mayHoldBinary(reflect.TypeOf(v)) {
		return b.addWithBinaries(v)
	}
	w := appendWriter{b.json}
	enc := stdjson.NewEncoder(&w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b.json = bytes.TrimSuffix(w.data, []byte("\n"))
	return nil
}

// appendWriter appends to data what is written to it.
type appendWriter struct{ data []byte }

func (w *appendWriter) Write(p []byte) (int, error) {
	w.data = append(w.data, p...)
	return len(p), nil
}

// addWithBinaries encodes with a function that catches the binaries.
func (b *builder) addWithBinaries(v any) error {
	m, ok := marshalers.Get().(*marshaler)
	if !ok {
		m = newMarshaler()
	}
	m.builder = b
	w := appendWriter{b.json}
	err := json.MarshalWrite(&w, v, m.options)
	m.builder = nil
	marshalers.Put(m)
	if err != nil {
		return err
	}
	b.json = w.data
	return nil
}

// marshaler is what the JSON library needs to catch binaries: options that lead to the builder of the call. They are
// used again and again because the library keeps what it learns about types with them.
type marshaler struct {
	builder *builder
	options json.Options
}

var marshalers sync.Pool // of *marshaler

func newMarshaler() *marshaler {
	m := &marshaler{}
	m.options = json.JoinOptions(
		jsonv1.DefaultOptionsV1(),
		jsontext.EscapeForHTML(false),
		jsontext.EscapeForJS(false),
		json.WithMarshalers(json.MarshalToFunc(m.encode)),
	)
	return m
}

// encode is called with a pointer to each value, and leaves to the library all but binaries and Values.
func (m *marshaler) encode(enc *jsontext.Encoder, pointer any) error {
	part := builder{attachments: m.builder.attachments}
	switch p := pointer.(type) {
	case *[]byte:
		part.addBinary(*p)
	case *domain.Value:
		part.addValue(*p)
	default:
		t := reflect.TypeOf(pointer).Elem()
		if !isBinary(t) {
			return errors.ErrUnsupported
		}
		part.addBinary(reflect.ValueOf(pointer).Elem().Bytes())
	}
	m.builder.attachments = part.attachments
	m.builder.placeholders += part.placeholders
	return enc.WriteValue(part.json)
}
