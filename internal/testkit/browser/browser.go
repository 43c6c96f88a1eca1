// Package browser drives a headless Chromium for tests, by the DevTools protocol.
//
//	page := browser.Open(t, url)
//	page.Type("#room", "kitchen")
//	page.Click("#join")
//	page.WaitText("#status", "joined")
//	page.WantNoErrors()
//
// Elements are named by CSS selectors. What is waited for is waited for up to 20 s;
// what fails ends the test, so call the methods from the test's own goroutine. The
// browser ends with the test.
//
// If ROOMBUS_SCREENSHOTS names a directory, screenshots are kept there, among them
// one of each page of a test that failed.
package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/roombus/roombus/internal/testkit/need"
)

const (
	patience     = 20 * time.Second
	pollInterval = 10 * time.Millisecond
	// startTime is how long a browser may take to say where it listens.
	startTime = 60 * time.Second
	width     = 1200
	height    = 800
)

// Browser is a running browser with an empty profile.
type Browser struct {
	t     testing.TB
	ctx   context.Context //nolint:containedctx // chromedp's handle of the browser
	pages int
}

// Start starts a browser without a page. Tests that need one page call [Open].
func Start(t testing.TB) *Browser {
	t.Helper()
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(need.Chromium(t)),
		chromedp.NoSandbox, // tests run as root in containers
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true), // servers of tests have signed their own
		chromedp.WindowSize(width, height),
		chromedp.WSURLReadTimeout(startTime),
	})
	//nolint:usetesting // the test's context ends before the cleanup, which closes the browser in order
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, endBrowser := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := chromedp.Cancel(limited); err != nil {
			t.Logf("close the browser: %v", err)
		}
		endBrowser()
		endAllocator()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return &Browser{t: t, ctx: ctx}
}

// Page is a tab of a browser.
type Page struct {
	t      testing.TB
	ctx    context.Context //nolint:containedctx // chromedp's handle of the tab
	number int
	fences int

	mu      sync.Mutex
	console []chromedp.ConsoleMessage
	changed chan struct{} // closed by the next message
}

// Open starts a browser and opens a page in it.
func Open(t testing.TB, url string) *Page {
	t.Helper()
	return Start(t).Open(url)
}

// Open opens a further page, in a tab of its own. All pages of a browser share its
// cookies and storage. It returns when the page has loaded.
func (b *Browser) Open(url string) *Page {
	b.t.Helper()
	b.pages++
	ctx, cancel := chromedp.NewContext(b.ctx)
	p := &Page{t: b.t, ctx: ctx, number: b.pages, changed: make(chan struct{})}
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		b.t.Fatalf("open a page: %v", err)
	}
	listened := make(chan struct{})
	messages := chromedp.Console(ctx)
	go func() {
		defer close(listened)
		for message, err := range messages {
			if err != nil {
				return // the page is closed
			}
			p.add(message)
		}
	}()
	b.t.Cleanup(func() {
		p.lastWords()
		cancel()
		<-listened
	})
	p.Navigate(url)
	return p
}

// lastWords shows the console of a test that failed, and keeps a screenshot if they
// are wanted.
func (p *Page) lastWords() {
	if !p.t.Failed() {
		return
	}
	for _, message := range p.Console() {
		p.t.Logf("console of page %d: %s", p.number, message)
	}
	if os.Getenv("ROOMBUS_SCREENSHOTS") == "" {
		return
	}
	name := fmt.Sprintf("%s-failed-%d", strings.ReplaceAll(p.t.Name(), "/", "-"), p.number)
	if path, err := p.screenshot(name); err != nil {
		p.t.Logf("screenshot: %v", err)
	} else {
		p.t.Logf("screenshot of page %d: %s", p.number, path)
	}
}

// Navigate loads a URL in the page and waits until it has loaded.
func (p *Page) Navigate(url string) {
	p.t.Helper()
	p.do("load "+url, chromedp.Navigate(url))
}

// Resize makes the page as large as a window of so many pixels would.
func (p *Page) Resize(width, height int64) {
	p.t.Helper()
	p.do("resize", chromedp.EmulateViewport(width, height))
}

// Reload loads the page again.
func (p *Page) Reload() {
	p.t.Helper()
	p.do("reload", chromedp.Reload())
}

// Eval returns the value of a JavaScript expression, of a promise its result.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	return run(p, "evaluate "+expression, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Do runs JavaScript for its effect.
func (p *Page) Do(script string) {
	p.t.Helper()
	p.do("run "+script, chromedp.Evaluate[chromedp.Void](script, chromedp.EvalAwaitPromise))
}

// WaitFor waits until a JavaScript expression is truthy. A navigation meanwhile
// ends the test.
func (p *Page) WaitFor(expression string) {
	p.t.Helper()
	p.do("wait for "+expression, chromedp.Poll[chromedp.Void](expression,
		chromedp.WithPollingInterval(pollInterval), chromedp.WithPollingTimeout(0)))
}

// WaitText waits until an element's visible text contains the text.
func (p *Page) WaitText(selector, text string) {
	p.t.Helper()
	p.WaitFor(fmt.Sprintf("document.querySelector(%s)?.innerText.includes(%s)", p.quote(selector), p.quote(text)))
}

// Text is the visible text of an element, once that is there.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return run(p, "read the text of "+selector, chromedp.Text(chromedp.CSS(selector)))
}

// Click clicks on an element, once that can be seen.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Type types text into an element, once that can be seen, behind what it has. A line
// end is the Enter key.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.do("type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Fill replaces what an input has by typing.
func (p *Page) Fill(selector, text string) {
	p.t.Helper()
	p.do("clear "+selector, chromedp.Clear(chromedp.CSS(selector)))
	p.Type(selector, text)
}

// Screenshot takes a picture of the whole page and returns its path: name.png in the
// directory of ROOMBUS_SCREENSHOTS, or one that goes with the test.
func (p *Page) Screenshot(name string) string {
	p.t.Helper()
	path, err := p.screenshot(name)
	if err != nil {
		p.t.Fatalf("screenshot: %v", err)
	}
	return path
}

func (p *Page) screenshot(name string) (string, error) {
	dir := os.Getenv("ROOMBUS_SCREENSHOTS")
	if dir == "" {
		dir = p.t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, strings.TrimSuffix(name, ".png")+".png")
	return path, os.WriteFile(path, picture, 0o600)
}

// do runs an action without a value.
func (p *Page) do(what string, action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	run(p, what, action)
}

func run[T any](p *Page, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatalf("page %d: %s: %v", p.number, what, err)
	}
	return value
}

// quote writes a string as JavaScript, of which JSON is a part.
func (p *Page) quote(text string) string {
	p.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		p.t.Fatalf("write %q as JavaScript: %v", text, err)
	}
	return string(quoted)
}
