package engineio

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORS says which pages of other origins may talk to the server
// (https://fetch.spec.whatwg.org/#http-cors-protocol). It applies to polling;
// browsers don't ask it for WebSockets.
type CORS struct {
	// Origins lists the allowed origins, such as "https://example.com". "*"
	// allows all.
	Origins []string
	// AllowOrigin is asked for an origin that Origins does not list.
	AllowOrigin func(origin string) bool
	// Credentials lets pages send cookies and other credentials.
	Credentials bool
	// Methods is what a preflight is answered. Default GET and POST.
	Methods []string
	// Headers lists the request headers that pages may send. Default: those
	// that the preflight asks for.
	Headers []string
	// ExposedHeaders lists the headers of answers that pages may read, besides
	// those that they always may.
	ExposedHeaders []string
	// MaxAge is how long browsers may keep a preflight's answer. Default: not
	// said.
	MaxAge time.Duration
}

// allows says whether the origin is allowed.
func (c *CORS) allows(origin string) bool {
	if origin == "" {
		return false
	}
	return slices.Contains(c.Origins, "*") || slices.Contains(c.Origins, origin) ||
		c.AllowOrigin != nil && c.AllowOrigin(origin)
}

// Apply writes the headers of the answer to r, and reports whether r is a
// preflight, which it has then answered whole. A Server does it by itself; this is
// for what is served beside it.
func (c *CORS) Apply(w http.ResponseWriter, r *http.Request) (answered bool) {
	h := w.Header()
	origin := r.Header.Get("Origin")
	allowed := c.allows(origin)
	if slices.Contains(c.Origins, "*") {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Add("Vary", "Origin")
		if allowed {
			h.Set("Access-Control-Allow-Origin", origin)
		}
	}
	if allowed && c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.ExposedHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.ExposedHeaders, ","))
	}
	if r.Method != http.MethodOptions {
		return false
	}
	if allowed {
		c.preflight(h, r)
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// preflight writes the headers that only the answer to a preflight has.
func (c *CORS) preflight(h http.Header, r *http.Request) {
	methods := c.Methods
	if len(methods) == 0 {
		methods = []string{http.MethodGet, http.MethodPost}
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ","))
	if len(c.Headers) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(c.Headers, ","))
	} else if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Add("Vary", "Access-Control-Request-Headers")
		h.Set("Access-Control-Allow-Headers", asked)
	}
	if c.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(c.MaxAge/time.Second)))
	}
}
