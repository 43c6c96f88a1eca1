package engineio

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestElsewhere has another server's connections asked for.
func TestElsewhere(t *testing.T) {
	asked := make(chan string, 10)
	h := newHost(t, Config{
		IDSuffix: "-here",
		CORS:     &CORS{Origins: []string{"*"}},
		Elsewhere: func(w http.ResponseWriter, r *http.Request, id string) bool {
			asked <- r.Method + " " + id
			if id != "there" {
				return false
			}
			deadline, ok := r.Context().Deadline()
			if limit := time.Until(deadline); !ok || limit > 48*time.Second {
				t.Errorf("the request may take %s (%v)", limit, ok)
			}
			_, _ = io.WriteString(w, "from there")
			return true
		},
	}, nil)
	const query = "EIO=4&transport=polling&sid="
	for _, test := range []struct {
		method, query, sid string
		status             int
		answer             string
		asked              bool
	}{
		{http.MethodGet, query, "there", http.StatusOK, "from there", true},
		{http.MethodPost, query, "there", http.StatusOK, "from there", true},
		{http.MethodGet, query, "nowhere", http.StatusBadRequest, `{"code":1,"message":"Session ID unknown"}`, true},
		{http.MethodPut, query, "there", http.StatusBadRequest, `{"code":1,"message":"Session ID unknown"}`, false},
		{http.MethodGet, "EIO=4&transport=x&sid=", "there", http.StatusBadRequest, `{"code":0,"message":"Transport unknown"}`, false},
	} {
		status, body, header := h.do(test.method, test.query+test.sid, "x")
		if status != test.status || body != test.answer || header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s %s: %d %q %v, want %d %q", test.method, test.sid, status, body, header, test.status, test.answer)
		}
		select {
		case got := <-asked:
			if !test.asked || got != test.method+" "+test.sid {
				t.Errorf("%s %s: Elsewhere was asked for %s", test.method, test.sid, got)
			}
		default:
			if test.asked {
				t.Errorf("%s %s: Elsewhere was not asked", test.method, test.sid)
			}
		}
	}
	status, body, _ := h.do(http.MethodGet, "EIO=4&transport=polling", "")
	c := h.expect("open").conn
	if random, ok := strings.CutSuffix(c.ID(), "-here"); status != http.StatusOK || !ok || len(random) != 20 || !strings.Contains(body, c.ID()) {
		t.Errorf("the id is %q in %s, want twenty characters and the suffix", c.ID(), body)
	}
	h.post(query+c.ID(), "4hello")
	h.expectMessage("hello", false)
	if len(asked) > 0 {
		t.Error("Elsewhere was asked for a connection that is here")
	}
}

// TestElsewhereEndsWithTheServer: Close waits for nobody who is elsewhere.
func TestElsewhereEndsWithTheServer(t *testing.T) {
	waits := make(chan struct{})
	h := newHost(t, Config{Elsewhere: func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		close(waits)
		<-r.Context().Done()
		if !errors.Is(r.Context().Err(), context.Canceled) {
			t.Errorf("the context ended with %v", r.Context().Err())
		}
		return false
	}}, nil)
	answer := h.request(http.MethodGet, "EIO=4&transport=polling&sid=there", "")
	<-waits
	if err := h.server.Close(); err != nil {
		t.Error(err)
	}
	if got := <-answer; !strings.HasPrefix(got, "400 ") {
		t.Errorf("the request was answered %q", got)
	}
}

func TestIDSuffixIsChecked(t *testing.T) {
	for _, suffix := range []string{"a b", "ä", "a=", strings.Repeat("x", 65)} {
		if _, err := NewServer(&recorder{}, Config{IDSuffix: suffix}); err == nil || !strings.Contains(err.Error(), "IDSuffix") {
			t.Errorf("IDSuffix %q: %v", suffix, err)
		}
	}
}
