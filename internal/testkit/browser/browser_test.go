package browser

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const document = `<!doctype html>
<title>test</title><link rel="icon" href="data:,">
<h1 id="title">hello</h1>
<input id="name" value="old">
<button id="go" onclick="setTimeout(() => { out.innerText = 'hi ' + document.getElementById('name').value }, 30)">go</button>
<button id="wrong" onclick="console.error('wrong', 1); fetch('/nowhere'); undefined.x">wrong</button>
<p id="out"></p>`

func serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(document))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestPage(t *testing.T) {
	url := serve(t)
	browser := Start(t)
	page := browser.Open(url)
	if got := page.Text("#title"); got != "hello" {
		t.Errorf("the title is %q", got)
	}
	page.Fill("#name", "Bob")
	page.Type("#name", "by “x”")
	page.Click("#go")
	page.WaitText("#out", "hi Bobby “x”")
	page.WaitFor("document.title === 'test'")
	page.Resize(640, 480)
	page.WaitFor("innerWidth === 640 && innerHeight === 480")
	if got := Eval[map[string]int](page, "new Promise(done => setTimeout(done, 5, {a: 1}))"); got["a"] != 1 {
		t.Errorf("evaluated to %v", got)
	}
	page.WantNoErrors()

	// A second page, in front of the first, which still works.
	other := browser.Open(url)
	other.WaitText("#title", "hello")
	page.Do("document.getElementById('name').value = 'Al'")
	page.Do("document.getElementById('go').click()")
	page.WaitText("#out", "hi Al")
	page.Reload()
	if got := page.Text("#out"); got != "" {
		t.Errorf("after a reload the page shows %q", got)
	}
}

func TestErrorsAreCollected(t *testing.T) {
	page := Open(t, serve(t))
	page.Click("#wrong")
	page.Do("fetch('/nowhere').then(() => {})")
	errors := strings.Join(page.Errors(), "\n")
	for _, want := range []string{"wrong 1", "TypeError", "404"} {
		if !strings.Contains(errors, want) {
			t.Errorf("%q is not among the errors:\n%s", want, errors)
		}
	}
}

func TestScreenshot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pictures")
	t.Setenv("ROOMBUS_SCREENSHOTS", dir)
	path := Open(t, serve(t)).Screenshot("first")
	if path != filepath.Join(dir, "first.png") {
		t.Errorf("the path is %s", path)
	}
	if picture, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(picture), "\x89PNG") {
		t.Errorf("no picture: %v", err)
	}
}
