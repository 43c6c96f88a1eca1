package watermill

import (
	"reflect"
	"testing"

	"github.com/roombus/roombus/domain"
)

// TestEchoIsWhatDecodingGives, also when the one who appended uses its rooms for something else.
func TestEchoIsWhatDecodingGives(t *testing.T) {
	packet, err := domain.NewPacket([]byte(`["e",1]`))
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []domain.Target{
		{},
		{Rooms: []string{"a"}},
		{Rooms: []string{"a", "b"}, Except: []string{"c"}, Flags: domain.Flags{Compress: domain.CompressOff}},
	} {
		m := &domain.Message{
			Node: "n", Namespace: "/", Headers: domain.Headers{"traceparent": "p"},
			Body: &domain.Broadcast{Target: target, Packet: packet, Request: "r"},
		}
		var d Draft
		if err := d.encode(m); err != nil {
			t.Fatal(err)
		}
		numbers := []Field{{FieldPublisher, "pub"}, {FieldSequence, "7"}, {FieldSkipped, "2"}}
		echo := &Received{Offset: "1-1", Echo: NewEcho(m), Fields: numbers}
		decoded := &Received{Offset: "1-1", Payload: d.Payload, Fields: append(d.Fields, numbers...)}
		for _, rooms := range [][]string{target.Rooms, target.Except} {
			for i := range rooms {
				rooms[i] = "changed"
			}
		}
		got, err := decodeEntry("s", echo, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := decodeEntry("s", decoded, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the echo is\n%+v %+v\ndecoding gives\n%+v %+v", got, got.Message.Body, want, want.Message.Body)
		}
	}
	if NewEcho(&domain.Message{Body: &domain.Join{}}) != nil {
		t.Error("an echo of something else")
	}
}
