package engineio

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

func TestFrameForms(t *testing.T) {
	long := strings.Repeat("x", 200)
	huge := strings.Repeat("y", 70_000)
	tests := []struct {
		name    string
		frame   *Frame
		wire    string
		polling string
	}{
		{"text", NewFrame([]byte("hello")), "\x81\x064hello", "4hello"},
		{"empty text", NewFrame(nil), "\x81\x014", "4"},
		{"binary", NewBinaryFrame([]byte{1, 2, 3}), "\x82\x03\x01\x02\x03", "bAQID"},
		{"empty binary", NewBinaryFrame(nil), "\x82\x00", "b"},
		{
			"text and attachments stay together", NewFrame([]byte("51-"), []byte{0xff}, []byte{1, 2}),
			"\x81\x04451-\x82\x01\xff\x82\x02\x01\x02", "451-\x1eb/w==\x1ebAQI=",
		},
		{"16-bit length", NewFrame([]byte(long)), "\x81\x7e\x00\xc94" + long, "4" + long},
		{"64-bit length", NewFrame([]byte(huge)), "\x81\x7f\x00\x00\x00\x00\x00\x01\x11\x714" + huge, "4" + huge},
		{"ping", newPacket(packetPing, ""), "\x81\x012", "2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(test.frame.wire); got != test.wire {
				t.Errorf("WebSocket form is %.40q, want %.40q", got, test.wire)
			}
			if got := string(test.frame.polling()); got != test.polling {
				t.Errorf("polling form is %.40q, want %.40q", got, test.polling)
			}
			if test.frame.Len() != len(test.wire) {
				t.Errorf("Len is %d, want %d", test.frame.Len(), len(test.wire))
			}
		})
	}
}

func TestFrameCopiesWhatItIsGiven(t *testing.T) {
	text, attachment := []byte("text"), []byte{1, 2}
	f := NewFrame(text, attachment)
	copy(text, "XXXX")
	copy(attachment, "XX")
	if want := []byte("\x81\x054text\x82\x02\x01\x02"); !bytes.Equal(f.wire, want) {
		t.Errorf("the frame changed with its arguments: %q, want %q", f.wire, want)
	}
}

func TestFramePollingFormIsMadeOnce(t *testing.T) {
	f := NewFrame([]byte("text"), []byte{1})
	var forms [8][]byte
	var wg sync.WaitGroup
	for i := range forms {
		wg.Go(func() { forms[i] = f.polling() })
	}
	wg.Wait()
	for i := range forms {
		if &forms[i][0] != &forms[0][0] {
			t.Fatalf("goroutine %d got a form of its own", i)
		}
	}
}
