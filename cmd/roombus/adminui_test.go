package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/roombus/roombus/internal/testkit/nodejs"
)

// admin's password in these tests is one that must never be seen.
const adminSecret = "ROOMBUS_ADMIN_PASSWORD=geheimnis"

func TestAdminUIUsage(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		env   []string
		words []string
	}{
		"no user":       {nil, []string{adminSecret}, []string{"--admin-user"}},
		"no password":   {[]string{"--admin-user", "root"}, nil, []string{"ROOMBUS_ADMIN_PASSWORD"}},
		"read-only":     {[]string{"--admin-read-only"}, nil, []string{"--admin-user"}},
		"mode":          {[]string{"--admin-user", "root", "--admin-mode", "loud"}, []string{adminSecret}, []string{"--admin-mode", "loud", "development"}},
		"long password": {[]string{"--admin-user", "root"}, []string{"ROOMBUS_ADMIN_PASSWORD=geheimnis" + strings.Repeat("x", 72)}, []string{"81 bytes", "72"}},
		"folder":        {[]string{"--admin-user", "root", "--admin-ui-dir", "/nowhere/at/all"}, []string{adminSecret}, []string{"--admin-ui-dir", "index.html", "ui/dist"}},
		"path":          {[]string{"--admin-user", "root", "--admin-ui-dir", ".", "--path", "/admin-ui"}, []string{adminSecret}, []string{"--path", "taken"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := call(t, test.env, append([]string{"serve", "--addr", "127.0.0.1:0"}, test.args...)...)
			o.wantSentence(t, exitUsage, test.words...)
			if strings.Contains(o.stderr, "geheimnis") {
				t.Errorf("the password is shown: %s", o.stderr)
			}
			if strings.Contains(o.stderr, "clients") { // which a server that has not started yet does not have
				t.Errorf("more is said than what is wrong: %s", o.stderr)
			}
		})
	}
}

func TestTheAdminPasswordIsVeiled(t *testing.T) {
	var out bytes.Buffer
	fmt.Fprint(newVeil("", "geheimnis").writer(&out), "no geheimnis here")
	if got := out.String(); got != "no "+veiled+" here" {
		t.Errorf("written: %s", got)
	}
}

// TestAdminUIIsOff: without flags there is neither the namespace nor the front end.
func TestAdminUIIsOff(t *testing.T) {
	p := serveWith(t, nil)
	if status, _ := p.get("/admin-ui/"); status != http.StatusNotFound {
		t.Errorf("GET /admin-ui/: %d", status)
	}
	clients := nodejs.StartClients(t)
	ui := clients.Dial("ui", p.url, nodejs.ConnectOptions{Namespace: "/admin", NoReconnection: true})
	if e := ui.Wait(nodejs.OfKind(nodejs.ConnectError)); !strings.Contains(e.String(), "Invalid namespace") {
		t.Errorf("refused with %s", e)
	}
	p.stop()
}

func TestAdminUIFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"index.html": "<title>the front end</title>", "js/app.js": "script", "../secret": "secret"} {
		path := filepath.Join(dir, "dist", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret", filepath.Join(dir, "dist", "link")); err != nil {
		t.Fatal(err)
	}
	p := serveWith(t, []string{adminSecret}, "--admin-user", "root", "--admin-ui-dir", filepath.Join(dir, "dist"),
		"--cors-origin", "https://admin.socket.io")
	for path, want := range map[string]string{"/admin-ui/": "front end", "/admin-ui": "front end", "/admin-ui/js/app.js": "script"} {
		if status, body := p.get(path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d %q", path, status, body)
		}
	}
	for _, path := range []string{"/admin-ui/js/", "/admin-ui/../secret", "/admin-ui/%2e%2e/secret", "/admin-ui/link"} {
		if status, body := p.get(path); status == http.StatusOK && strings.Contains(body, "secret") || path == "/admin-ui/js/" && status != http.StatusNotFound {
			t.Errorf("GET %s: %d %q", path, status, body)
		}
	}

	// The UI of another origin sends credentials.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/socket.io/?EIO=4&transport=polling", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]string{"https://admin.socket.io": "true", "https://elsewhere.example": ""} {
		request.Header.Set("Origin", origin)
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Access-Control-Allow-Credentials"); got != want {
			t.Errorf("%s: Access-Control-Allow-Credentials is %q, want %q", origin, got, want)
		}
	}
	p.stop()
}
