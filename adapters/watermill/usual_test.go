package watermill

import (
	"reflect"
	"testing"

	"github.com/roombus/roombus/domain"
)

// FuzzUsualBroadcast: what is read in one go means the same when it is read field by field.
func FuzzUsualBroadcast(f *testing.F) {
	for _, data := range []string{
		`{"packet":{"type":2,"data":["e",{"a":[1,"}"]}]},"opts":{"rooms":["r","\u0073"],"except":["s"],"flags":{}}}`,
		`{"packet":{"type":2,"data":["e"]},"opts":{"rooms":[],"except":[],"flags":{}}}`,
		`{"packet":{"type":2,"data":["e"]},"opts":{"rooms":[1,-2e3],"except":[],"flags":{}}}`,
		`{"packet":{"type":2,"data":[5]},"opts":{"rooms":null,"except":[],"flags":{}}}`,
		`{"packet":{"type":2,"data":["connect"]},"opts":{"rooms":[],"except":[],"flags":{}}}`,
		`{"packet":{"type":2,"data":"e"},"opts":{"rooms":[],"except":[],"flags":{}}}`,
		`{"packet":{"type":2,"data":["e"]},"opts":{"rooms":[],"except":[true],"flags":{}}}`,
		`{"packet":{"type":2,"data":["e"]},"opts":{"rooms":[],"except":[],"flags":{"volatile":true}}}`,
		`{"packet":{"type":2,"data":["e"],"id":1},"opts":{"rooms":[],"except":[],"flags":{}}}`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, err := domain.NewEnvelope(data)
		if err != nil || whole.JSON()[0] != '{' {
			return
		}
		usual := &reading{whole: whole}
		got := usual.usualBroadcast()
		if usual.err != nil {
			t.Errorf("%q: an error is left: %v", data, usual.err)
		}
		if got == nil {
			return
		}
		slow := &reading{whole: whole}
		p := slow.parts()
		want := slow.broadcast(&p)
		if slow.err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\nin one go %+v\nby fields %+v, %v", data, got, want, slow.err)
		}
	})
}

// TestBroadcastsAreWrittenInTheUsualWay: what Encode writes is read in one go.
func TestBroadcastsAreWrittenInTheUsualWay(t *testing.T) {
	packet, err := domain.NewPacket([]byte(`["message","}]"]`))
	if err != nil {
		t.Fatal(err)
	}
	target := domain.Target{Rooms: []string{"a"}, Except: []string{`b"`}}
	encoded, err := Encode(&domain.Message{Node: "n", Namespace: "/", Body: &domain.Broadcast{Target: target, Packet: packet}})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := domain.NewEnvelope(encoded.Payload)
	if err != nil {
		t.Fatal(err)
	}
	r := &reading{whole: whole}
	if b := r.usualBroadcast(); b == nil || !reflect.DeepEqual(b.Target, target) || b.Packet.Event() != "message" {
		t.Errorf("%s was read as %+v", encoded.Payload, b)
	}
}
