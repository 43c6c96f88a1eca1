package browser

import (
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// fenceMark begins the console messages by which a page is asked to say all that it
// has to say.
const fenceMark = "roombus testkit fence "

func (p *Page) add(message chromedp.ConsoleMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.console = append(p.console, message)
	close(p.changed)
	p.changed = make(chan struct{})
}

// Console is what the page has written to its console so far, a line a message.
func (p *Page) Console() []string {
	var lines []string
	for _, message := range p.messages() {
		lines = append(lines, describe(message))
	}
	return lines
}

// Errors is what went wrong in the page so far: exceptions that nothing caught,
// console.error, and what the browser itself notes as errors, such as a request that
// failed.
func (p *Page) Errors() []string {
	p.t.Helper()
	p.fence()
	var lines []string
	for _, message := range p.messages() {
		if message.IsException() || message.Type == "error" {
			lines = append(lines, describe(message))
		}
	}
	return lines
}

// WantNoErrors fails the test, without ending it, if there are Errors.
func (p *Page) WantNoErrors() {
	p.t.Helper()
	for _, line := range p.Errors() {
		p.t.Errorf("page %d: %s", p.number, line)
	}
}

func describe(message chromedp.ConsoleMessage) string {
	where := ""
	if message.URL != "" {
		where = fmt.Sprintf(" (%s:%d)", message.URL, message.Line+1)
	}
	return fmt.Sprintf("%s: %s%s", message.Type, message.Text, where)
}

func (p *Page) messages() []chromedp.ConsoleMessage {
	p.mu.Lock()
	defer p.mu.Unlock()
	var messages []chromedp.ConsoleMessage
	for _, message := range p.console {
		if !strings.HasPrefix(message.Text, fenceMark) {
			messages = append(messages, message)
		}
	}
	return messages
}

// fence waits until all that the page has written so far has arrived: it makes the
// page write something more, and waits for that.
func (p *Page) fence() {
	p.t.Helper()
	p.fences++
	mark := fmt.Sprintf("%s%d", fenceMark, p.fences)
	p.Do("console.debug(" + p.quote(mark) + ")")
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		arrived, changed := p.arrived(mark)
		if arrived {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			p.t.Fatalf("page %d: its console did not arrive within %s", p.number, patience)
		}
	}
}

func (p *Page) arrived(text string) (bool, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, message := range p.console {
		if message.Text == text {
			return true, nil
		}
	}
	return false, p.changed
}
