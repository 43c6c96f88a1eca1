package engineio

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

const (
	offer    = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
	accepted = "permessage-deflate;server_no_context_takeover;client_no_context_takeover"
)

// deflatedFrame is a masked frame of a part of a deflated message.
func deflatedFrame(op ws.OpCode, fin bool, payload []byte) []byte {
	frame := clientFrame(op, fin, string(payload))
	frame[0] |= rsv1
	return frame
}

// deflatedText is a text as it goes in a deflated message.
func deflatedText(text string) []byte {
	return bytes.TrimSuffix(flateWriters.compress([]byte(text), compressor.Flush), flushed)
}

func TestDeflateNegotiation(t *testing.T) {
	for _, test := range []struct {
		name   string
		config Config
		header string
		want   string
	}{
		{"off by default", Config{}, offer, ""},
		{"no offer", Config{Deflate: true}, "X-Nothing: 1", ""},
		{"agreed", Config{Deflate: true}, offer, accepted},
		{"a smaller window for the server", Config{Deflate: true}, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10", ""},
		{
			"the second of two", Config{Deflate: true},
			"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10, permessage-deflate", accepted,
		},
		{"another extension", Config{Deflate: true}, "Sec-WebSocket-Extensions: x-shrink", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, test.config, nil)
			client, _ := h.openWebSocket(test.header)
			if got := client.header.Get("Sec-WebSocket-Extensions"); got != test.want {
				t.Errorf("agreed on %q, want %q", got, test.want)
			}
		})
	}
}

func TestDeflatedBothWays(t *testing.T) {
	h := newHost(t, Config{Deflate: true}, &recorder{onMessage: echo})
	client, conn := h.openWebSocket(offer)
	client.inflates = true
	long := strings.Repeat("to be or not to be ", 100)
	expect := func(op ws.OpCode, want string, deflated bool) {
		t.Helper()
		got, payload := client.recv()
		if client.deflated {
			var err error
			if payload, err = inflate(payload, 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		if got != op || string(payload) != want || client.deflated != deflated {
			t.Fatalf("got %v %.20q (%d bytes, deflated %v), want %v %.20q (%d bytes, deflated %v)",
				got, payload, len(payload), client.deflated, op, want, len(want), deflated)
		}
	}

	client.send(deflatedFrame(ws.OpText, true, deflatedText("4"+long)))
	h.expectMessage(long, false)
	expect(ws.OpText, "4"+long, true)

	client.send(deflatedFrame(ws.OpBinary, true, deflatedText(long)))
	h.expectMessage(long, true)
	expect(ws.OpBinary, long, true)

	// In fragments, with a control frame between; only the first has the bit.
	small := deflatedText("4in pieces")
	client.send(deflatedFrame(ws.OpText, false, small[:3]), clientFrame(ws.OpPing, true, "?"), clientFrame(ws.OpContinuation, true, string(small[3:])))
	h.expectMessage("in pieces", false)
	expect(ws.OpPong, "?", false)
	expect(ws.OpText, "4in pieces", false) // below the threshold

	// A client may also send what it has not deflated.
	client.text("4plain")
	h.expectMessage("plain", false)
	expect(ws.OpText, "4plain", false)

	// What does not get smaller goes as it is, and so does what forbids it.
	noise := make([]byte, 2_000)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for _, f := range []*Frame{NewBinaryFrame(noise), NewFrame([]byte(long)).Plain(), NewFrame([]byte(long), noise)} {
		if err := conn.Send(f); err != nil {
			t.Fatal(err)
		}
	}
	expect(ws.OpBinary, string(noise), false)
	expect(ws.OpText, "4"+long, false)
	expect(ws.OpText, "4"+long, true)
	expect(ws.OpBinary, string(noise), false)
}

// TestDeflatedOnce sends one frame to several connections, of which one does not
// deflate.
func TestDeflatedOnce(t *testing.T) {
	h := newHost(t, Config{Deflate: true}, nil)
	f := NewFrame(bytes.Repeat([]byte("x"), 2_000))
	a, toA := h.openWebSocket(offer)
	b, toB := h.openWebSocket(offer)
	c, toC := h.openWebSocket()
	a.inflates, b.inflates = true, true
	for _, conn := range []*Conn{toA, toB, toC} {
		if err := conn.Send(f); err != nil {
			t.Fatal(err)
		}
	}
	_, first := a.recv()
	_, second := b.recv()
	if !a.deflated || !b.deflated || !bytes.Equal(first, second) {
		t.Errorf("deflated %v and %v, as %q and %q", a.deflated, b.deflated, first, second)
	}
	if again := (wireForm{true, 1_024}).of(f); &again[0] != &f.small[0] {
		t.Error("it was deflated again")
	}
	c.expect(ws.OpText, "4"+strings.Repeat("x", 2_000))
}

func TestDeflateRefuses(t *testing.T) {
	bomb := deflatedText("4" + strings.Repeat("0", 1_000_000))
	for _, test := range []struct {
		name   string
		config Config
		send   []byte
		code   ws.StatusCode
		cause  error
	}{
		{"a bomb", Config{Deflate: true, MaxPayload: 10_000}, deflatedFrame(ws.OpText, true, bomb), ws.StatusMessageTooBig, ErrTooLarge},
		{"nonsense", Config{Deflate: true}, deflatedFrame(ws.OpText, true, []byte("\xff\xff\xff")), ws.StatusInvalidFramePayloadData, ErrWebSocket},
		{"a part of a message", Config{Deflate: true}, deflatedFrame(ws.OpText, true, bomb[:10]), ws.StatusInvalidFramePayloadData, ErrWebSocket},
		{"text that is not UTF-8", Config{Deflate: true}, deflatedFrame(ws.OpText, true, deflatedText("4\xff")), ws.StatusInvalidFramePayloadData, ErrBadUTF8},
		{"a deflated ping", Config{Deflate: true}, deflatedFrame(ws.OpPing, true, nil), ws.StatusProtocolError, ErrWebSocket},
		{"a deflated message without agreement", Config{}, deflatedFrame(ws.OpText, true, deflatedText("4")), ws.StatusProtocolError, ErrWebSocket},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, test.config, nil)
			client, _ := h.openWebSocket(offer)
			client.send(test.send)
			client.expectCloseFrame(test.code)
			if e := h.expectClose(ReasonTransportError); !errors.Is(e.err, test.cause) {
				t.Errorf("closed with %v, want %v", e.err, test.cause)
			}
		})
	}
}

// FuzzInflate checks that no message makes inflate panic, that nothing larger than
// the limit comes out, and that what is deflated comes back.
func FuzzInflate(f *testing.F) {
	for _, seed := range []string{"", "\x00", "hello", "\x01\x00\x00\xff\xff", strings.Repeat("a", 3_000)} {
		f.Add([]byte(seed), 1_000)
		f.Add(deflatedText(seed), 1_000)
	}
	f.Fuzz(func(t *testing.T, data []byte, limit int) {
		limit = max(0, min(limit, 1<<16))
		if text, err := inflate(data, limit); err == nil && len(text) > limit {
			t.Fatalf("%d bytes came out, the limit is %d", len(text), limit)
		}
		text, err := inflate(deflatedText(string(data)), limit)
		if fits := len(data) <= limit; fits != (err == nil) || fits && !bytes.Equal(text, data) {
			t.Fatalf("%d bytes with limit %d came back as %d: %v", len(data), limit, len(text), err)
		}
	})
}
