package browser

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Dark says whether the page is shown to somebody who prefers a dark screen.
func (p *Page) Dark(on bool) {
	p.t.Helper()
	scheme := "light"
	if on {
		scheme = "dark"
	}
	p.do("prefer "+scheme, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// Window takes a picture of what the window shows when it is scrolled to an element, and puts it where Screenshot would.
func (p *Page) Window(name, selector string) string {
	p.t.Helper()
	p.Do("document.documentElement.style.scrollBehavior = 'auto'; document.querySelector(" + p.quote(selector) + ").scrollIntoView()")
	dir := os.Getenv("ROOMBUS_SCREENSHOTS")
	if dir == "" {
		dir = p.t.TempDir()
	}
	picture := run(p, "picture of the window at "+selector, chromedp.CaptureScreenshot())
	path := filepath.Join(dir, strings.TrimSuffix(name, ".png")+".png")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatalf("picture: %v", err)
	}
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		p.t.Fatalf("picture: %v", err)
	}
	return path
}
