package engineio

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRequest checks that a request with anything in its query and headers is
// answered, and not with a failure of the server.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "EIO=4&transport=polling", "Accept-Encoding", "gzip")
	f.Add("GET", "EIO=3&transport=polling", "Origin", "http://example.com")
	f.Add("POST", "EIO=4&transport=polling&sid=x", "Content-Type", "application/octet-stream")
	f.Add("OPTIONS", "transport=websocket&transport=polling", "Access-Control-Request-Headers", "a,b")
	f.Add("GET", "EIO=4&transport=websocket", "Upgrade", "websocket")
	f.Add("PUT", "%zz&;=", "Cookie", "a=\x00")
	f.Fuzz(func(t *testing.T, method, query, name, value string) {
		server, err := NewServer(quiet{}, Config{CORS: &CORS{Origins: []string{"http://example.com"}}})
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{
			Method: method, URL: &url.URL{Path: "/engine.io/", RawQuery: query}, Body: http.NoBody,
			Header: http.Header{name: {value}, "Connection": {"Upgrade"}},
		}
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r.WithContext(t.Context()))
		switch w.Code {
		case http.StatusOK, http.StatusNoContent, http.StatusBadRequest, http.StatusForbidden:
		default: // a WebSocket cannot be made of a recorder
			if !strings.EqualFold(value, "websocket") {
				t.Errorf("%s ?%s: status %d", method, query, w.Code)
			}
		}
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// quiet is a Handler that hears nothing.
type quiet struct{}

func (quiet) Open(*Conn) Receiver { return deaf{} }
