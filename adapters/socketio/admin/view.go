package admin

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// socketView is a socket as the UI wants it.
type socketView struct {
	ID        domain.SocketID `json:"id"`
	ClientID  string          `json:"clientId"`
	Transport string          `json:"transport"`
	Namespace string          `json:"nsp"`
	Data      domain.Value    `json:"data"`
	Handshake handshakeView   `json:"handshake"`
	Rooms     []string        `json:"rooms"`
}

type handshakeView struct {
	Address string            `json:"address"`
	Headers map[string]string `json:"headers"`
	Query   map[string]string `json:"query"`
	Issued  int64             `json:"issued"`
	Secure  bool              `json:"secure"`
	Time    string            `json:"time"`
	URL     string            `json:"url"`
	XDomain bool              `json:"xdomain"`
}

// viewOf is a socket of this node.
func viewOf(s *socketio.Socket, rooms []string, limit int) *socketView {
	data, _ := socketio.Data[domain.Value](s) // none is the zero Value
	return &socketView{
		ID: s.ID(), ClientID: s.ClientID(), Transport: string(s.Transport()), Namespace: s.Namespace().Name(),
		Data: shownData(data, limit), Handshake: viewOfHandshake(s.Handshake()), Rooms: list(rooms),
	}
}

// viewOfRemote is a socket as its node has described it. One whose node knows nothing of the UI is a client of its own.
func viewOfRemote(namespace string, d domain.SocketDetails, limit int) *socketView {
	note := annotationOf(d.Data)
	if note.ClientID == "" {
		note.ClientID = cut(string(d.ID), 12)
	}
	if note.Transport == "" {
		note.Transport = "websocket"
	}
	return &socketView{
		ID: d.ID, ClientID: note.ClientID, Transport: note.Transport, Namespace: namespace,
		Data: shownData(strip(d.Data), limit), Handshake: viewOfHandshake(d.Handshake), Rooms: list(d.Rooms),
	}
}

// list is never null.
func list(rooms []string) []string {
	if rooms == nil {
		return []string{}
	}
	return rooms
}

const (
	// maxHeaders is how many headers of a handshake, and values of its query, are shown, maxHeader how long they may be.
	maxHeaders = 40
	maxHeader  = 512
)

// secretHeaders are not shown: who may look at sockets need not be able to act for their users.
func secretHeaders() []string { return []string{"authorization", "cookie", "proxy-authorization"} }

func viewOfHandshake(h domain.Handshake) handshakeView {
	headers := make(map[string]string, len(h.Headers))
	for name, values := range h.Headers {
		if len(headers) < maxHeaders {
			headers[cut(name, maxHeader)] = cut(strings.Join(values, ", "), maxHeader)
		}
	}
	for _, name := range secretHeaders() {
		if _, ok := headers[name]; ok {
			headers[name] = "(not shown)"
		}
	}
	query := make(map[string]string, len(h.Query))
	for name, values := range h.Query {
		if len(query) < maxHeaders && len(values) > 0 {
			query[cut(name, maxHeader)] = cut(values[0], maxHeader)
		}
	}
	address := h.Address
	for _, name := range []string{"x-forwarded-for", "cf-connecting-ip"} {
		if values := h.Headers[name]; len(values) > 0 && values[0] != "" {
			address = cut(values[0], maxHeader)
		}
	}
	return handshakeView{
		Address: address, Headers: headers, Query: query, Issued: h.Time.UnixMilli(), Secure: h.Secure,
		Time: h.Time.UTC().Format("Mon Jan 02 2006 15:04:05") + " GMT+0000 (Coordinated Universal Time)",
		URL:  cut(h.URL, 4*maxHeader), XDomain: h.CrossDomain,
	}
}

// cut shortens a text to so many bytes, and to whole characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}

// shownData is a socket's data as an object without binaries, of which one packet could not carry many.
func shownData(data domain.Value, limit int) domain.Value {
	show := func(v any) domain.Value {
		shown, err := payload.Marshal(v)
		if err != nil {
			shown, _ = payload.Marshal(struct{}{}) // can always be marshalled
		}
		return shown
	}
	switch {
	case data.IsZero() || string(data.JSON()) == "null":
		return show(struct{}{})
	case data.Size() > limit:
		return show(map[string]string{"(not shown)": fmt.Sprintf("%d bytes", data.Size())})
	}
	if len(data.Attachments()) > 0 {
		var tree any
		if payload.Unmarshal(data, &tree) != nil {
			return show(struct{}{})
		}
		data = show(withoutBinaries(tree))
	}
	if !isObject(data) {
		return show(map[string]domain.Value{"value": data})
	}
	return data
}

func withoutBinaries(v any) any {
	switch v := v.(type) {
	case []byte:
		return fmt.Sprintf("(%d bytes)", len(v))
	case []any:
		for i := range v {
			v[i] = withoutBinaries(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = withoutBinaries(v[key])
		}
	}
	return v
}

func isObject(v domain.Value) bool {
	_, binary := v.Attachment()
	return bytes.HasPrefix(v.JSON(), []byte("{")) && !binary
}

const (
	// listTime bounds how long the nodes may take to tell of their sockets.
	listTime = 5 * time.Second
	// maxListedBytes is how much a UI is told at once: half of what may wait for a client by default.
	maxListedBytes = 2 << 20
	// perSocket is about how many bytes a socket's description has besides its headers, rooms and data.
	perSocket = 512
)

// list are the sockets of all namespaces of this node, on all nodes. Where nodes are missing, those of the others.
func (a *Admin) list(ctx context.Context) []*socketView {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	namespaces := a.io.Namespaces()
	slices.SortFunc(namespaces, func(x, y *socketio.Namespace) int { return strings.Compare(x.Name(), y.Name()) })
	found := make([][]socketio.RemoteSocket, len(namespaces))
	var asking sync.WaitGroup
	places := make(chan struct{}, 8)
	for i, ns := range namespaces {
		asking.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			sockets, err := ns.FetchSockets(ctx)
			if err != nil && a.ctx.Err() == nil {
				a.config.OnError(fmt.Errorf("list the sockets of %s for the Admin UI: %w", ns.Name(), err))
			}
			found[i] = sockets
		})
	}
	asking.Wait()
	views, size := []*socketView{}, 0
	for i, sockets := range found {
		for _, s := range sockets {
			view := viewOfRemote(namespaces[i].Name(), s.Details(), a.config.MaxEventBytes)
			if size += view.size(); len(views) >= a.config.MaxListed || size > maxListedBytes {
				a.counters.unlisted.Add(1)
				continue
			}
			views = append(views, view)
		}
	}
	return views
}

// size is about how many bytes a description takes.
func (v *socketView) size() int {
	size := perSocket + v.Data.Size() + len(v.Handshake.URL)
	for name, value := range v.Handshake.Headers {
		size += len(name) + len(value) + 6
	}
	for name, value := range v.Handshake.Query {
		size += len(name) + len(value) + 6
	}
	for _, room := range v.Rooms {
		size += len(room) + 3
	}
	return size
}
