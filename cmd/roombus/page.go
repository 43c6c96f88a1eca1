package main

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
)

// web is the page, with the official client: it works where there is no internet. The client is dist/socket.io.min.js
// of socket.io-client 4.8.4, unchanged.
//
//go:embed web
var web embed.FS

// contentPolicy lets the page load and connect to nothing but its own server.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// page returns the handlers of the page and of what it loads. The page connects to the given path.
func page(socketPath string) (index, assets http.Handler, err error) {
	t, err := template.ParseFS(web, "web/index.html")
	if err != nil {
		return nil, nil, fmt.Errorf("read the page: %w", err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, struct{ Path string }{socketPath}); err != nil {
		return nil, nil, fmt.Errorf("write the page: %w", err)
	}
	files, err := fs.Sub(web, "web")
	if err != nil {
		return nil, nil, fmt.Errorf("read the page: %w", err)
	}
	index = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", contentPolicy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(text.Bytes()) // a browser that is gone needs no page
	})
	serveFiles := http.StripPrefix("/assets", http.FileServerFS(files))
	assets = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		serveFiles.ServeHTTP(w, r)
	})
	return index, assets, nil
}
