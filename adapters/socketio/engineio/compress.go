package engineio

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// encoding is a content coding of RFC 9110, 8.4.1.
type encoding string

const (
	identity encoding = ""
	gzipped  encoding = "gzip"
	deflated encoding = "deflate" // which is zlib's format
)

// acceptedEncoding returns what the client likes best of gzip and deflate, gzip
// if it likes both as much, by its Accept-Encoding (RFC 9110, 12.5.3). A client
// that says nothing gets identity, and so does one that likes that better than
// either.
func acceptedEncoding(header []string) encoding {
	weights := map[string]float64{}
	for _, value := range header {
		for item := range strings.SplitSeq(value, ",") {
			coding, parameters, _ := strings.Cut(item, ";")
			weights[strings.ToLower(strings.TrimSpace(coding))] = weight(parameters)
		}
	}
	of := func(coding string) float64 {
		if w, ok := weights[coding]; ok {
			return w
		}
		return weights["*"] // 0 if there is none
	}
	best, most := identity, weights["identity"]
	for _, e := range []encoding{gzipped, deflated} {
		if w := of(string(e)); w > 0 && (w > most || best == identity && w == most) {
			best, most = e, w
		}
	}
	return best
}

// weight returns the q of an item: 1 if it has none, 0 if it is none.
func weight(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || q < 0 || q > 1 {
			return 0
		}
		return q
	}
	return 1
}

// compressor writes what it is given, compressed, to what it was reset to.
type compressor interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// compressors is a pool of one kind of compressor. Each has a few hundred
// kilobytes.
type compressors struct {
	idle sync.Pool
	make func() compressor
}

// All compress for speed: it is the server's processor, and the client's wait.
var (
	gzipWriters  = compressors{make: func() compressor { return must(gzip.NewWriterLevel(nil, gzip.BestSpeed)) }}
	zlibWriters  = compressors{make: func() compressor { return must(zlib.NewWriterLevel(nil, zlib.BestSpeed)) }}
	flateWriters = compressors{make: func() compressor { return must(flate.NewWriter(nil, flate.BestSpeed)) }}
)

// must is for constructors that fail for a level that does not exist, and else
// never.
func must[C compressor](c C, _ error) compressor { return c }

// compress returns a text, compressed, after an end that is Close or Flush.
// Writing to memory cannot fail.
func (c *compressors) compress(text []byte, end func(compressor) error) []byte {
	w, ok := c.idle.Get().(compressor)
	if !ok {
		w = c.make()
	}
	defer c.idle.Put(w)
	var b bytes.Buffer
	w.Reset(&b)
	_, _ = w.Write(text)
	_ = end(w)
	return b.Bytes()
}

// compressAnswer returns the body of a polling answer as the client shall have
// it, and sets the headers that say so. Frames whose packets forbid it are not
// compressed, if no other packet goes with them: that is Node.js' rule.
func (s *Server) compressAnswer(w http.ResponseWriter, r *http.Request, frames []*Frame, body []byte) []byte {
	if len(body) < s.config.CompressFrom || !mayCompress(frames) {
		return body
	}
	w.Header().Add("Vary", "Accept-Encoding")
	e := acceptedEncoding(r.Header["Accept-Encoding"])
	if e == identity {
		return body
	}
	w.Header().Set("Content-Encoding", string(e))
	if e == deflated {
		return zlibWriters.compress(body, compressor.Close)
	}
	return gzipWriters.compress(body, compressor.Close)
}

func mayCompress(frames []*Frame) bool {
	for _, f := range frames {
		if !f.plain {
			return true
		}
	}
	return false
}
