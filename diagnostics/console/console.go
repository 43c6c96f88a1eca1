package console

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync"

	"github.com/roombus/roombus/diagnostics"
)

// Config is what a console can be told: who may see it, above all.
type Config struct {
	// User and Password are what basic authentication wants. A password that is a bcrypt hash (it begins with $2a$, $2b$
	// or $2y$) is taken as one; any other text is hashed at once and not kept.
	User, Password string
	// Open says that everybody may see the page who reaches the handler, because somebody else has checked who comes.
	// Without it a user and a password must be given.
	Open bool
}

// Asker is what the console needs of the diagnostics; *diagnostics.Service has it.
type Asker interface {
	Ask(ctx context.Context, q diagnostics.Question) (*diagnostics.Reply, error)
	AskSelf(q diagnostics.Question) diagnostics.Answer
}

// web is the page: what a browser loads, as it is.
//
//go:embed web
var web embed.FS

// Console is the page as an HTTP handler. Mount it under any path, which it must not see: behind http.StripPrefix.
type Console struct {
	mux       *http.ServeMux
	door      *door
	collector *collector

	cancel context.CancelFunc
	once   sync.Once
}

// New returns a console. Close it before the node.
func New(asker Asker, config Config) (*Console, error) {
	var entrance *door
	switch {
	case config.Open && (config.User != "" || config.Password != ""):
		return nil, errors.New("console.Config: Open lets everybody in, so there is nothing to do for a user and a password; give one or the other")
	case config.Open:
	default:
		var err error
		if entrance, err = newDoor(config.User, config.Password); err != nil {
			return nil, err
		}
	}
	files, err := fs.Sub(web, "web")
	if err != nil {
		return nil, fmt.Errorf("read the console's page: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background()) //nolint:gosec // Close cancels it
	c := &Console{mux: http.NewServeMux(), door: entrance, collector: newCollector(ctx, asker), cancel: cancel}
	c.mux.Handle("GET /", http.FileServerFS(files))
	c.mux.HandleFunc("GET /api/state", c.state)
	c.mux.HandleFunc("GET /api/traces", c.traces)
	c.mux.HandleFunc("GET /api/trace", c.trace)
	return c, nil
}

// Close ends what asks the other nodes. Requests are answered with what was known until then.
func (c *Console) Close() error {
	c.once.Do(c.cancel)
	c.collector.wait()
	return nil
}

// contentPolicy lets the page load and ask nothing but its own server, and nobody frame it.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP serves the page and its API.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", contentPolicy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	// Browsers say from where a request comes. A link to the page is fine, another site's script is not.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" &&
		r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		http.Error(w, "The console answers its own page only.", http.StatusForbidden)
		return
	}
	if c.door != nil && !c.door.opens(w, r) {
		return
	}
	c.mux.ServeHTTP(w, r)
}

// answer writes a JSON answer.
func answer(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "The answer could not be encoded: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(text) // who is gone needs no answer
}
