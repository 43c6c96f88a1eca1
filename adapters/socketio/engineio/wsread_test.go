package engineio

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gobwas/ws"
)

// frames joins frames to a client's stream.
func frames(f ...[]byte) []byte { return bytes.Join(f, nil) }

func TestFrameReaderMessages(t *testing.T) {
	long := strings.Repeat("é", 20_000)
	type message struct {
		op      ws.OpCode
		payload string
	}
	tests := []struct {
		name string
		in   []byte
		want []message
	}{
		{"text", clientFrame(ws.OpText, true, "4hello"), []message{{ws.OpText, "4hello"}}},
		{"empty", clientFrame(ws.OpText, true, ""), []message{{ws.OpText, ""}}},
		{"binary", clientFrame(ws.OpBinary, true, "\xff\x00"), []message{{ws.OpBinary, "\xff\x00"}}},
		{"larger than all buffers", clientFrame(ws.OpText, true, long), []message{{ws.OpText, long}}},
		{
			"two in a row",
			frames(clientFrame(ws.OpText, true, "a"), clientFrame(ws.OpText, true, "b")),
			[]message{{ws.OpText, "a"}, {ws.OpText, "b"}},
		},
		{
			"fragments, a character cut in two",
			frames(clientFrame(ws.OpText, false, "a\xc3"), clientFrame(ws.OpContinuation, false, ""), clientFrame(ws.OpContinuation, true, "\xa9b")),
			[]message{{ws.OpText, "aéb"}},
		},
		{
			"large fragments",
			frames(clientFrame(ws.OpBinary, false, long), clientFrame(ws.OpContinuation, true, long)),
			[]message{{ws.OpBinary, long + long}},
		},
		{
			"a ping between fragments",
			frames(clientFrame(ws.OpText, false, "a"), clientFrame(ws.OpPing, true, "p"), clientFrame(ws.OpContinuation, true, "b")),
			[]message{{ws.OpPing, "p"}, {ws.OpText, "ab"}},
		},
	}
	for _, test := range tests {
		for _, source := range []struct {
			name string
			make func(io.Reader) io.Reader
		}{
			{"whole", func(r io.Reader) io.Reader { return r }},
			{"byte by byte", iotest.OneByteReader},
			{"error with data", iotest.DataErrReader},
		} {
			t.Run(test.name+"/"+source.name, func(t *testing.T) {
				ahead := min(3, len(test.in))
				r := newFrameReader(source.make(bytes.NewReader(test.in[ahead:])), test.in[:ahead], 100_000)
				for i, want := range test.want {
					op, payload, err := r.next()
					if err != nil {
						t.Fatalf("message %d: %v", i, err)
					}
					if op != want.op || string(payload) != want.payload {
						t.Fatalf("message %d is %v %.20q, want %v %.20q", i, op, payload, want.op, want.payload)
					}
				}
				if _, _, err := r.next(); !errors.Is(err, io.EOF) {
					t.Errorf("after the last message: %v, want EOF", err)
				}
			})
		}
	}
}

func TestFrameReaderRefuses(t *testing.T) {
	with := func(f []byte, first byte) []byte {
		f = bytes.Clone(f)
		f[0] |= first
		return f
	}
	tests := []struct {
		name string
		in   []byte
		code ws.StatusCode
	}{
		{"an unmasked frame", []byte("\x81\x01a"), ws.StatusProtocolError},
		{"RSV1, without an extension", with(clientFrame(ws.OpText, true, "a"), 0x40), ws.StatusProtocolError},
		{"RSV3", with(clientFrame(ws.OpText, true, "a"), 0x10), ws.StatusProtocolError},
		{"reserved op code 3", clientFrame(3, true, "a"), ws.StatusProtocolError},
		{"reserved op code 11", clientFrame(11, true, "a"), ws.StatusProtocolError},
		{"a fragmented ping", clientFrame(ws.OpPing, false, "a"), ws.StatusProtocolError},
		{"a ping of 126 bytes", clientFrame(ws.OpPing, true, strings.Repeat("a", 126)), ws.StatusProtocolError},
		{"a continuation of nothing", clientFrame(ws.OpContinuation, true, "a"), ws.StatusProtocolError},
		{"a new message inside one", frames(clientFrame(ws.OpText, false, "a"), clientFrame(ws.OpText, true, "b")), ws.StatusProtocolError},
		{"a length with its first bit set", []byte("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04"), ws.StatusProtocolError},
		{"text that is not UTF-8", clientFrame(ws.OpText, true, "\xff"), ws.StatusInvalidFramePayloadData},
		{"text that ends inside a character", clientFrame(ws.OpText, true, "\xc3"), ws.StatusInvalidFramePayloadData},
		{"a message above the limit", clientFrame(ws.OpText, true, strings.Repeat("a", 101)), ws.StatusMessageTooBig},
		{"empty fragments without an end", frames(clientFrame(ws.OpText, false, "a"), bytes.Repeat(clientFrame(ws.OpContinuation, false, ""), maxEmpty+1)), ws.StatusPolicyViolation},
		{"fragments above the limit", frames(clientFrame(ws.OpText, false, strings.Repeat("a", 60)), clientFrame(ws.OpContinuation, true, strings.Repeat("a", 41))), ws.StatusMessageTooBig},
		{"an announced length above all limits", []byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04"), ws.StatusMessageTooBig},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := newFrameReader(bytes.NewReader(test.in), nil, 100).next()
			broken := new(frameError)
			if !errors.As(err, &broken) || broken.code != test.code {
				t.Errorf("error is %v, want code %d", err, test.code)
			}
		})
	}
}

// largestRead notes how much was ever asked for at once.
type largestRead struct {
	io.Reader
	asked int
}

func (r *largestRead) Read(p []byte) (int, error) {
	r.asked = max(r.asked, len(p))
	return r.Reader.Read(p)
}

func TestFrameReaderAllocatesWhatArrives(t *testing.T) {
	header := []byte("\x82\xff\x00\x00\x00\x00\x03\x93\x87\x00\x01\x02\x03\x04") // 60 MB to come
	source := &largestRead{Reader: bytes.NewReader(header)}
	if _, _, err := newFrameReader(source, nil, 1<<30).next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error is %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if source.asked > firstChunk {
		t.Errorf("memory for %d bytes was there before any had come, want at most %d", source.asked, firstChunk)
	}
}

func TestCloseAnswer(t *testing.T) {
	tests := []struct {
		name, payload, answer string
		bad                   bool
	}{
		{"empty", "", "", false},
		{"normal", "\x03\xe8bye", "\x03\xe8", false},
		{"private code", "\x0f\xa0", "\x0f\xa0", false},
		{"one byte", "\x03", "", true},
		{"code 1005", "\x03\xed", "", true},
		{"code 1006", "\x03\xee", "", true},
		{"code 999", "\x03\xe7", "", true},
		{"reason not UTF-8", "\x03\xe8\xff", "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer, err := closeAnswer([]byte(test.payload))
			if (err != nil) != test.bad || string(answer) != test.answer {
				t.Errorf("got %q, %v; want %q, an error: %v", answer, err, test.answer, test.bad)
			}
		})
	}
}

// FuzzFrameReader checks that no input makes the reader panic, return a message
// above the limit or text that is not UTF-8.
func FuzzFrameReader(f *testing.F) {
	f.Add(deflatedFrame(ws.OpText, true, deflatedText("4hello")))
	f.Add(frames(deflatedFrame(ws.OpText, false, deflatedText("4")[:1]), clientFrame(ws.OpContinuation, true, "\x00")))
	f.Add(clientFrame(ws.OpText, true, "4hello"))
	f.Add(frames(clientFrame(ws.OpText, false, "a"), clientFrame(ws.OpPing, true, "p"), clientFrame(ws.OpContinuation, true, "b")))
	f.Add(clientFrame(ws.OpClose, true, "\x03\xe8bye"))
	f.Add(clientFrame(ws.OpBinary, true, strings.Repeat("x", 300)))
	f.Add([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 256
		r := newFrameReader(bytes.NewReader(in), nil, limit)
		r.deflate = len(in)%2 == 0
		for {
			op, payload, err := r.next()
			if err != nil {
				return
			}
			if len(payload) > limit {
				t.Fatalf("a message of %d bytes", len(payload))
			}
			if op == ws.OpText && !bytes.Equal(payload, bytes.ToValidUTF8(payload, nil)) {
				t.Fatalf("text is not UTF-8: %q", payload)
			}
			if op == ws.OpClose {
				if answer, err := closeAnswer(payload); err == nil && len(answer) != 0 && len(answer) != 2 {
					t.Fatalf("close answer %q", answer)
				}
			}
		}
	})
}
