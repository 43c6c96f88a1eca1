package socketio

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// bundleFiles are the files of the official client that socket.io of Node.js serves, each with its source map.
var bundleFiles = []string{
	"socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js", "socket.io.esm.min.js",
}

// asset is a file of the client as it is served.
type asset struct {
	content []byte
	etag    string // without its quotes
	mime    string
	// zipped is the content for who takes it compressed, made when the first one asks.
	zipped func() []byte
}

// readBundle reads what a file system has of the client.
func readBundle(from fs.FS) (map[string]asset, error) {
	bundle := make(map[string]asset)
	if from == nil {
		return bundle, nil
	}
	for _, source := range bundleFiles {
		for name, mime := range map[string]string{source: "application/javascript", source + ".map": "application/json"} {
			content, err := fs.ReadFile(from, name)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil:
				return nil, fmt.Errorf("socketio.Config: Client: %w", err)
			}
			sum := sha256.Sum256(content)
			bundle[name] = asset{
				content: content, etag: hex.EncodeToString(sum[:16]), mime: mime,
				zipped: sync.OnceValue(func() []byte { return zip(content) }),
			}
		}
	}
	if len(bundle) == 0 {
		return nil, fmt.Errorf("socketio.Config: Client has none of %s; give the folder client-dist of the npm package socket.io",
			strings.Join(bundleFiles, ", "))
	}
	return bundle, nil
}

// serveBundle answers a request for a file of the client, beside the path where clients connect. It reports false when the
// request is for something else.
func (io *Server) serveBundle(w http.ResponseWriter, r *http.Request) bool {
	folder, name := path.Split(r.URL.Path)
	a, ok := io.bundle[name]
	if !ok || !io.answers(folder) {
		return false
	}
	if cors := io.config.Engine.CORS; cors != nil && cors.Apply(w, r) {
		return true
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	header := w.Header()
	header.Set("Content-Type", a.mime+"; charset=utf-8")
	header.Set("Cache-Control", "public, max-age=0") // to be asked for again, by its ETag; as in Node.js
	header.Add("Vary", "Accept-Encoding")
	content, etag := a.content, a.etag
	if takesGzip(r) {
		header.Set("Content-Encoding", "gzip")
		content, etag = a.zipped(), etag+"-gzip" // other bytes need another tag
	}
	header.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	return true
}

// takesGzip reports whether the client says that it takes gzip. All browsers do.
func takesGzip(r *http.Request) bool {
	for item := range strings.SplitSeq(strings.Join(r.Header["Accept-Encoding"], ","), ",") {
		coding, weight, _ := strings.Cut(strings.ReplaceAll(item, " ", ""), ";")
		if strings.EqualFold(coding, "gzip") {
			return strings.Trim(weight, "q=0.") != "" || weight == ""
		}
	}
	return false
}

// zip compresses. Writing to memory cannot fail.
func zip(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}

// answers reports whether a path, which ends with a slash, is one at which clients connect.
func (io *Server) answers(path string) bool {
	return io.config.Path == "/" || strings.HasSuffix(path, io.config.Path)
}
