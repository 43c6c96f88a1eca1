package socketio

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// bundleFiles are the files of the official client that socket.io of Node.js serves, each with its source map.
var bundleFiles = []string{
	"socket.io.js", "socket.io.min.js", "socket.io.msgpack.min.js", "socket.io.esm.min.js",
}

// asset is a file of the client as it is served.
type asset struct {
	content []byte
	etag    string
	mime    string
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
			bundle[name] = asset{content: content, etag: `"` + hex.EncodeToString(sum[:16]) + `"`, mime: mime}
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
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	folder, name := path.Split(r.URL.Path)
	a, ok := io.bundle[name]
	if !ok || !io.answers(folder) {
		return false
	}
	header := w.Header()
	header.Set("Content-Type", a.mime+"; charset=utf-8")
	header.Set("Cache-Control", "public, max-age=0") // to be asked for again, by its ETag; as in Node.js
	header.Set("ETag", a.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
	return true
}

// answers reports whether a path, which ends with a slash, is one at which clients connect.
func (io *Server) answers(path string) bool {
	return io.config.Path == "/" || strings.HasSuffix(path, io.config.Path)
}
