package engineio

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"strings"
	"testing"
)

func TestAcceptedEncoding(t *testing.T) {
	for _, test := range []struct {
		header string
		want   encoding
	}{
		{"", identity},
		{"gzip", gzipped},
		{"deflate", deflated},
		{"deflate, gzip", gzipped},
		{"gzip, deflate, br, zstd", gzipped},
		{"GZIP;q=1.0", gzipped},
		{"br", identity},
		{"*", gzipped},
		{"*;q=0.1, gzip;q=0", deflated},
		{"gzip;q=0", identity},
		{"gzip;q=0.2, deflate;q=0.8", deflated},
		{"identity, gzip;q=0.5", identity},
		{"identity;q=0.5, gzip;q=0.5", gzipped},
		{"gzip;q=two", identity},
		{"gzip;q=-1, deflate;q=2", identity},
		{",;,=;q", identity},
	} {
		if got := acceptedEncoding([]string{test.header}); got != test.want {
			t.Errorf("%q: %q, want %q", test.header, got, test.want)
		}
	}
	if got := acceptedEncoding([]string{"br", "gzip"}); got != gzipped {
		t.Errorf("two headers: %q", got)
	}
	if got := acceptedEncoding(nil); got != identity {
		t.Errorf("no header: %q", got)
	}
}

// FuzzAcceptedEncoding checks that no header makes it panic, and that a client
// gets nothing that it has not named.
func FuzzAcceptedEncoding(f *testing.F) {
	for _, seed := range []string{"", "gzip", "deflate;q=0.5, gzip;q=0", "*;q=1", "gzip;q=nan", ";q=,;;"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		e := acceptedEncoding([]string{header})
		if lower := strings.ToLower(header); e != identity && !strings.Contains(lower, string(e)) && !strings.Contains(lower, "*") {
			t.Fatalf("%q accepts %q", header, e)
		}
	})
}

// expanded returns a compressed body.
func expanded(t *testing.T, coding, body string) string {
	t.Helper()
	var r io.Reader = strings.NewReader(body)
	var err error
	switch coding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	}
	if err != nil {
		t.Fatalf("%s: %v", coding, err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", coding, err)
	}
	return string(text)
}

func TestPollingCompression(t *testing.T) {
	long, short := NewFrame(bytes.Repeat([]byte("a"), 1_023)), NewFrame(bytes.Repeat([]byte("b"), 1_022))
	for _, test := range []struct {
		name, accept string
		from         int
		send         []*Frame
		want         string // Content-Encoding
	}{
		{"gzip", "gzip, deflate", 0, []*Frame{long}, "gzip"},
		{"deflate", "deflate", 0, []*Frame{long}, "deflate"},
		{"a client that takes none", "identity", 0, []*Frame{long}, ""},
		{"below the threshold", "gzip", 0, []*Frame{short}, ""},
		{"together above the threshold", "gzip", 0, []*Frame{short, short}, "gzip"},
		{"another threshold", "gzip", 10, []*Frame{short}, "gzip"},
		{"switched off", "gzip", -1, []*Frame{long}, ""},
		{"a packet that forbids it", "gzip", 0, []*Frame{long.Plain()}, ""},
		{"one of two forbids it", "gzip", 0, []*Frame{long.Plain(), short}, "gzip"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, Config{CompressFrom: test.from}, nil)
			query, conn := h.openPolling()
			var want []string
			for _, f := range test.send {
				if err := conn.Send(f); err != nil {
					t.Fatal(err)
				}
				want = append(want, string(f.polling()))
			}
			status, body, header := h.do("GET", query, "", "Accept-Encoding", test.accept)
			if got := header.Get("Content-Encoding"); status != 200 || got != test.want {
				t.Fatalf("status %d, encoding %q, want %q", status, got, test.want)
			}
			if got := expanded(t, test.want, body); got != strings.Join(want, "\x1e") {
				t.Errorf("the payload is %q", got)
			}
			if test.want != "" && !strings.Contains(header.Get("Vary"), "Accept-Encoding") {
				t.Errorf("Vary is %q", header.Get("Vary"))
			}
		})
	}
}
