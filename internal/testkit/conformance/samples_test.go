package conformance

import (
	"reflect"
	"testing"

	"github.com/roombus/roombus/domain"
)

func TestSamplesHaveAllKindsAndFields(t *testing.T) {
	names := map[string]bool{}
	kinds := map[domain.Kind]bool{}
	used := map[string]bool{} // fields that are set in some sample
	known := map[string]bool{}
	for _, s := range SampleMessages() {
		if names[s.Name] {
			t.Errorf("two samples have the name %q", s.Name)
		}
		names[s.Name] = true
		kinds[s.Message.Kind()] = true
		noteFields(reflect.ValueOf(s.Message).Elem(), known, used)
	}
	for kind := domain.Kind(1); kind.Valid(); kind++ {
		if !kinds[kind] {
			t.Errorf("no sample is a %s", kind)
		}
	}
	transports := map[string]bool{ // see SampleMessages
		"Message.Publisher": true, "Message.Sequence": true, "Message.Skipped": true, "Message.After": true,
		"Flags.Local": true,
	}
	for field := range known {
		if used[field] == transports[field] {
			t.Errorf("field %s is used by a sample: %t", field, used[field])
		}
	}
}

// noteFields collects the fields of all structs inside of a value, and those that are not zero.
func noteFields(v reflect.Value, known, used map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			noteFields(v.Elem(), known, used)
		}
	case reflect.Slice:
		for i := range v.Len() {
			noteFields(v.Index(i), known, used)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			name := v.Type().Name() + "." + field.Name
			known[name] = true
			used[name] = used[name] || !v.Field(i).IsZero()
			noteFields(v.Field(i), known, used)
		}
	}
}

func TestDifference(t *testing.T) {
	same := SampleMessages()
	for i, s := range SampleMessages() {
		if diff := Difference(s.Message, same[i].Message); diff != "" {
			t.Errorf("%s differs from itself:\n%s", s.Name, diff)
		}
		for _, other := range SampleMessages()[i+1:] {
			if Difference(s.Message, other.Message) == "" && s.Name != "broadcast/event alone" &&
				other.Name != "broadcast/empty lists" {
				t.Errorf("no difference is found between %q and %q", s.Name, other.Name)
			}
		}
	}
	a := &domain.Message{Body: &domain.Ack{Value: JSONValue(`{"b":1.0,"a":{"_placeholder":true,"num":0}}`, []byte{1})}}
	b := &domain.Message{Body: &domain.Ack{Value: JSONValue(`{"a":{"_placeholder":true,"num":1},"b":1}`, []byte{2}, []byte{1})}}
	if diff := Difference(a, b); diff != "" {
		t.Errorf("values that mean the same differ:\n%s", diff)
	}
}
