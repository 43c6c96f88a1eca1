package main

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/roombus/roombus/internal/testkit/browser"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// last is the text of the last message on the page.
const last = `(document.querySelector("#messages li:last-child")?.innerText ?? "")`

func say(page *browser.Page, text string) {
	page.Fill("#body", text)
	page.Click("#send")
}

// The client must be the official one: this is the sum of the file in the npm package socket.io-client 4.8.4.
func TestTheClientOnThePageIsTheOfficialOne(t *testing.T) {
	file, err := web.ReadFile("web/socket.io.min.js")
	if err != nil {
		t.Fatal(err)
	}
	const official = "d5d79a35039e860b32bdef4795528b05c2f788d4b2d9dacc913120e2878f7b3f"
	if sum := fmt.Sprintf("%x", sha256.Sum256(file)); sum != official {
		t.Errorf("web/socket.io.min.js has the SHA-256 sum %s, want %s", sum, official)
	}
}

func TestThePageInMemory(t *testing.T) {
	p := serveWith(t, nil, "--name", "alone")
	page := browser.Open(t, p.url)
	page.WaitText("#state", "connected")
	page.WaitText("#node", "alone")
	page.WaitText("#rooms", "lobby")
	page.WaitText("#sockets", "(you)")
	page.WaitFor(`document.querySelector("#transport").textContent === "websocket"`)

	say(page, "hello <b>there</b>")
	page.WaitFor(last + `.includes("hello <b>there</b>")`)
	page.WaitFor(last + `.includes("on alone")`)
	page.WaitFor(`document.querySelector("#messages li:last-child .offset")?.textContent.length > 0`)

	// Another room; the message stays in its own.
	page.Fill("#join-room", "kitchen")
	page.Type("#join-room", "\n")
	page.WaitText("#talk-title", "kitchen")
	page.WaitText("#messages", "Nothing was said here yet")
	page.Click(`#rooms [data-room="lobby"]`)
	page.WaitText("#messages", "hello")
	page.Click(`#rooms [aria-label="Leave lobby"]`)
	page.WaitText("#talk-title", "kitchen")

	page.Navigate(p.url + "/?transport=polling")
	page.WaitText("#state", "connected")
	page.WaitText("#transport", "polling")
	say(page, "by polling")
	page.WaitFor(last + `.includes("in the log at")`)
	page.WantNoErrors()
	p.stop()
}

func TestThePageOnTwoNodes(t *testing.T) {
	redis := realredis.Start(t)
	north := serveWith(t, nil, "--redis", redis.URL(), "--name", "north")
	south := serveWith(t, nil, "--redis", redis.URL(), "--name", "south")
	b := browser.Start(t)
	one, two := b.Open(north.url), b.Open(south.url)
	for page, node := range map[*browser.Page]string{one: "north", two: "south"} {
		page.WaitText("#state", "connected")
		page.WaitText("#node", node)
		page.WaitText("#rooms", "lobby")
	}
	say(one, "hello south")
	two.WaitFor(last + `.includes("hello south") && ` + last + `.includes("on north")`)
	say(two, "hello north")
	one.WaitFor(last + `.includes("hello north") && ` + last + `.includes("on south")`)
	for _, page := range []*browser.Page{one, two} {
		// A page in the background asks nobody; both are looked at in turn.
		page.Do(`Object.defineProperty(document, "hidden", {get: () => false}); refresh()`)
		page.WaitFor(`["north", "south"].every((n) => document.querySelector("#nodes").innerText.includes(n))`)
		page.WaitFor(`document.querySelectorAll("#sockets li").length === 2`)
		if text := page.Text("#messages"); strings.Count(text, "hello") != 2 {
			t.Errorf("the page shows:\n%s\nwant both messages, each once", text)
		}
		page.WantNoErrors()
	}
	one.Screenshot("two-nodes-north")

	// The server goes and comes back: the page says so.
	south.stop()
	two.WaitText("#state", "reconnecting")
	one.WaitFor(`!document.querySelector("#nodes").innerText.includes("south")`)
	north.stop()
}
