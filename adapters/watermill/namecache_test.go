package watermill

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/roombus/roombus/domain"
)

func TestNameCache(t *testing.T) {
	var c nameCache
	for i := range 2000 {
		name := "room " + strconv.Itoa(i%700)
		if got := c.text([]byte(name)); got != name {
			t.Fatalf("%q came back as %q", name, got)
		}
	}
	first, second := c.text([]byte("lobby")), c.text([]byte("lobby"))
	if unsafe.StringData(first) != unsafe.StringData(second) {
		t.Error("the same name twice in a row is two strings")
	}
	long := strings.Repeat("x", maxCachedName+1)
	if got := c.text([]byte(long)); got != long {
		t.Errorf("a long name came back as %q", got)
	}
	for _, kept := range c.names {
		if len(kept) > maxCachedName {
			t.Errorf("the cache holds on to a name of %d bytes", len(kept))
		}
	}
}

// BenchmarkDecodeEntry decodes as a tail does: out of fields, into one piece of memory, with known rooms.
func BenchmarkDecodeEntry(b *testing.B) {
	packet, err := domain.NewPacket([]byte(`["message",{"from":"somebody","body":"` + strings.Repeat("x", 60) + `"}]`))
	if err != nil {
		b.Fatal(err)
	}
	encoded, err := Encode(&domain.Message{
		Node: "0123456789abcdef", Namespace: "/", Publisher: "fedcba9876543210", Sequence: 12345,
		Headers: domain.Headers{"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		Body:    &domain.Broadcast{Target: domain.Target{Rooms: []string{"room:1"}}, Packet: packet},
	})
	if err != nil {
		b.Fatal(err)
	}
	received := &Received{Offset: "1-1", Fields: FieldsOf(encoded.Metadata), Payload: encoded.Payload}
	var names nameCache
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeEntry("socket.io", received, &names); err != nil {
			b.Fatal(err)
		}
	}
}

// Headers that say the same are the same; others, and more than fit, are themselves.
func TestSameHeadersAreShared(t *testing.T) {
	var c nameCache
	decoded := func(fields ...Field) domain.Headers {
		var e envelopeFields
		for _, f := range fields {
			e.set(f.Name, f.Value)
		}
		return e.allHeaders(&c)
	}
	parent := Field{"traceparent", "00-1-2-00"}
	first := decoded(parent)
	if again := decoded(parent); reflect.ValueOf(first).Pointer() != reflect.ValueOf(again).Pointer() {
		t.Error("the same headers twice are two maps")
	}
	for _, fields := range [][]Field{
		{},
		{{"traceparent", "00-1-2-01"}},
		{parent, {"tracestate", "a=b"}},
		{parent, {"traceparent", "00-3-4-00"}},
		{parent, {"tracestate", "a=b"}, {"baggage", "c=d"}, {"h-x", "1"}, {"h-y", "2"}},
		{{"baggage", strings.Repeat("x", 10_000)}},
	} {
		want := make(domain.Headers)
		for _, f := range fields {
			if name, ok := headerName(f.Name); ok {
				want[name] = f.Value
			}
		}
		if got := decoded(fields...); len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%v became %v, want %v", fields, got, want)
		}
	}
	if first["traceparent"] != parent.Value || len(first) != 1 {
		t.Errorf("headers that were handed over became %v", first)
	}
}
