package main

import (
	"bytes"
	"testing"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

func TestMessageIsWhatTheAdapterStores(t *testing.T) {
	for _, number := range []int{0, 7, 49_999, marker} {
		event := args(number)
		if len(event) != argsSize {
			t.Errorf("the event %d has %d bytes, want %d", number, len(event), argsSize)
		}
		if got, err := numberOf(event); err != nil || got != number {
			t.Errorf("the number of the event %d is %d (%v)", number, got, err)
		}
		packet, err := domain.NewPacket(event)
		if err != nil {
			t.Fatalf("the event %d is no packet: %v", number, err)
		}
		encoded, err := watermill.Encode(&domain.Message{
			Node: "0123456789abcdef", Namespace: namespace, Body: &domain.Broadcast{Target: target, Packet: packet},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := envelope(number); string(got) != string(encoded.Payload) {
			t.Errorf("the peers get\n%s\nand roombus stores\n%s", got, encoded.Payload)
		}
		for name, value := range fields {
			if encoded.Metadata[name] != value {
				t.Errorf("the field %s: the peers get %q, roombus stores %q", name, value, encoded.Metadata[name])
			}
		}
		if got := argsIn(envelope(number)); !bytes.Equal(got, event) {
			t.Errorf("in the envelope stands %s, want %s", got, event)
		}
	}
}

func TestNumberOfRefusesWhatIsNotOurs(t *testing.T) {
	for _, text := range []string{"", `["message"]`, `["other","` + string(args(1)[len(`["other","`):])} {
		if number, err := numberOf([]byte(text)); err == nil {
			t.Errorf("%q has the number %d, want an error", text, number)
		}
	}
	if got := argsIn([]byte(`{"packet":{}}`)); got != nil {
		t.Errorf("in another envelope stands %s, want nothing", got)
	}
}
