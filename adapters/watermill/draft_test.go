package watermill

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/ports"
)

// keeping is a publisher with all abilities, which copies the last draft, and a subscriber.
type keeping struct {
	fields  []string
	payload string
	message *domain.Message
}

func (k *keeping) Append(_ context.Context, _ string, d *Draft, _ Attempts) (domain.Offset, error) {
	k.fields, k.payload, k.message = nil, string(d.Payload), d.Message
	for _, field := range d.Fields {
		k.fields = append(k.fields, field.Name+"="+field.Value)
	}
	return "1-1", nil
}

func (*keeping) Publish(string, ...*message.Message) error { return nil }

func (*keeping) Subscribe(context.Context, string) (<-chan *message.Message, error) {
	return nil, domain.ErrUnsupported
}

func (*keeping) Tail(context.Context, string, domain.Offset, TailHandler) (ports.Subscription, error) {
	return nil, domain.ErrUnsupported
}

func (*keeping) Compare(a, b domain.Offset) int { return strings.Compare(string(a), string(b)) }

func (*keeping) Close() error { return nil }

// TestDraftsOfALog: fields in the order in which they are stored, in memory that is used again.
func TestDraftsOfALog(t *testing.T) {
	var k keeping
	log, err := NewLog(&k, &k, Config{})
	if err != nil {
		t.Fatal(err)
	}
	packet, err := domain.NewPacket([]byte(`["e"]`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		m       *domain.Message
		fields  []string
		payload string
	}{
		{
			&domain.Message{
				Node: "n", Namespace: "/", After: "1-1", Body: &domain.Broadcast{Packet: packet},
				Headers: domain.Headers{"tracestate": "s", "traceparent": "p", "own": "o"},
			},
			[]string{"uid=n", "nsp=/", "type=3", "after=1-1", "h-own=o", "traceparent=p", "tracestate=s"},
			`{"packet":{"type":2,"data":["e"]},"opts":{"rooms":[],"except":[],"flags":{}}}`,
		},
		{
			&domain.Message{Node: "n", Namespace: "/b", Body: &domain.Join{Rooms: []string{"r"}}},
			[]string{"uid=n", "nsp=/b", "type=4"},
			`{"opts":{"rooms":[],"except":[],"flags":{}},"rooms":["r"]}`,
		},
		{&domain.Message{Node: "n", Namespace: "/", Body: &domain.Goodbye{}}, []string{"uid=n", "nsp=/", "type=13"}, ""},
	} {
		if _, err := log.Append(t.Context(), c.m); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(k.fields, c.fields) || k.payload != c.payload {
			t.Errorf("%s: drafted as\n%q %s\nwant\n%q %s", c.m.Kind(), k.fields, k.payload, c.fields, c.payload)
		}
		if _, isBroadcast := c.m.Body.(*domain.Broadcast); isBroadcast != (k.message == c.m) {
			t.Errorf("%s: the draft has the message %p, of %p", c.m.Kind(), k.message, c.m)
		}
	}
}

// BenchmarkDraft encodes as a Log does for a publisher with abilities.
func BenchmarkDraft(b *testing.B) {
	packet, err := domain.NewPacket([]byte(`["message",{"from":"somebody","body":"` + strings.Repeat("x", 60) + `"}]`))
	if err != nil {
		b.Fatal(err)
	}
	m := &domain.Message{
		Node: "0123456789abcdef", Namespace: "/",
		Body: &domain.Broadcast{Target: domain.Target{Rooms: []string{"room:1"}}, Packet: packet},
	}
	var d Draft
	b.ReportAllocs()
	for b.Loop() {
		if err := d.encode(m); err != nil {
			b.Fatal(err)
		}
	}
}
