package domain

import (
	"fmt"
	"strings"
	"testing"
)

func TestPacketEvent(t *testing.T) {
	tests := []struct{ json, event string }{
		{`["message",1]`, "message"},
		{`[ "a b" ]`, "a b"},
		{`[""]`, ""},
		{`["\u0063onnected"]`, "connected"},
		{`["\ud83d\ude00"]`, "😀"},
		{`[1,2]`, "1"},
		{`[1.50]`, "1.5"},
		{`[-0]`, "0"},
		{`[1e21]`, "1e+21"},
		{`[1e999]`, "Infinity"},
		{`["connection"]`, "connection"},
	}
	for _, tt := range tests {
		p, err := NewPacket([]byte(tt.json))
		if err != nil {
			t.Errorf("%s: %v", tt.json, err)
			continue
		}
		if p.Event() != tt.event || string(p.JSON()) != tt.json || p.IsZero() {
			t.Errorf("%s is the event %q with the text %s", tt.json, p.Event(), p.JSON())
		}
	}
}

func TestNewPacketRefuses(t *testing.T) {
	for _, text := range []string{
		"", "{}", `"a"`, "[]", "[ ]", "[null]", "[true]", "[[]]", "[{}]", `["a"`,
		`["connect"]`, `["connect_error"]`, `["disconnect",1]`, `["disconnecting"]`, `["newListener"]`,
		`["removeListener"]`, `[ "\u0063onnect" ]`, `["a",{"_placeholder":true,"num":0}]`,
	} {
		if p, err := NewPacket([]byte(text)); err == nil {
			t.Errorf("%s was accepted as %v", text, p)
		}
	}
}

func TestNewServerPacket(t *testing.T) {
	for _, event := range []string{"connect", "connection", "new_namespace"} {
		if _, err := NewServerPacket(fmt.Appendf(nil, "[%q]", event)); err == nil {
			t.Errorf("the reserved name %s was accepted", event)
		}
	}
	for _, event := range []string{"disconnect", "newListener", "message"} {
		p, err := NewServerPacket(fmt.Appendf(nil, "[%q]", event))
		if err != nil || p.Event() != event {
			t.Errorf("%s became %v, %v", event, p, err)
		}
	}
}

// Case 25 of docs/guarantees.md: Node.js clients refuse more than 10 attachments.
func TestCase25AttachmentsAreLimited(t *testing.T) {
	for n := MaxAttachments - 1; n <= MaxAttachments+1; n++ {
		_, err := NewPacket([]byte(`["e"]`), make([][]byte, n)...)
		if refused := err != nil; refused != (n > MaxAttachments) {
			t.Errorf("%d attachments to clients: %v", n, err)
		}
		if _, err := NewServerPacket([]byte(`["e"]`), make([][]byte, n)...); err != nil {
			t.Errorf("%d attachments between servers: %v", n, err)
		}
	}
}

func TestPacketArgs(t *testing.T) {
	const p0 = `{"_placeholder":true,"num":0}`
	p, err := NewPacket([]byte(`["e",1,`+p0+`,{"_placeholder":true,"num":1}]`), []byte("a"), []byte("b"))
	if err != nil {
		t.Fatal(err)
	}
	args, err := p.Args()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1 []", p0 + ` ["a"]`, p0 + ` ["b"]`}
	if len(args) != len(want) {
		t.Fatalf("got %d arguments, want %d", len(args), len(want))
	}
	for i, arg := range args {
		if show(arg) != want[i] {
			t.Errorf("argument %d is %s, want %s", i, show(arg), want[i])
		}
	}
}

func TestZeroPacket(t *testing.T) {
	var p Packet
	args, err := p.Args()
	if !p.IsZero() || p.Event() != "" || p.Size() != 0 || len(args) != 0 || err != nil {
		t.Errorf("the zero Packet is %v with the arguments %v, %v", p, args, err)
	}
	if !p.Append(TextValue("x")).IsZero() {
		t.Error("appending to the zero Packet makes a packet")
	}
}

func TestPacketAppend(t *testing.T) {
	p, err := NewPacket([]byte(`["e",{"_placeholder":true,"num":0}]`), []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	one := p.Append(TextValue("1-0"))
	left := one.Append(mustValue(t, `[{"_placeholder":true,"num":0}]`, "left"))
	right := one.Append(mustValue(t, `[{"_placeholder":true,"num":0}]`, "right"))
	tests := []struct {
		p    Packet
		want string
	}{
		{p, `["e",{"_placeholder":true,"num":0}] ["a"]`},
		{one, `["e",{"_placeholder":true,"num":0},"1-0"] ["a"]`},
		{left, `["e",{"_placeholder":true,"num":0},"1-0",[{"_placeholder":true,"num":1}]] ["a" "left"]`},
		{right, `["e",{"_placeholder":true,"num":0},"1-0",[{"_placeholder":true,"num":1}]] ["a" "right"]`},
		{p.Append(Value{}), `["e",{"_placeholder":true,"num":0},null] ["a"]`},
	}
	for _, tt := range tests {
		if got := show(tt.p.Value()); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
		if tt.p.Event() != "e" {
			t.Errorf("the event is %q", tt.p.Event())
		}
		if _, err := NewPacket(tt.p.JSON(), tt.p.Attachments()...); err != nil {
			t.Error(err)
		}
	}
}

func TestPacketStringHidesThePayload(t *testing.T) {
	p, err := NewPacket([]byte(`["login","secret"]`))
	if err != nil {
		t.Fatal(err)
	}
	if text := p.String(); strings.Contains(text, "secret") || !strings.Contains(text, "login") {
		t.Errorf("got %q", text)
	}
}
