package endtoend

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"regexp"
	"sync"
	"testing"
	"time"
)

const (
	// acceptTime is how long a node may take to answer somebody who connects, before another one is asked.
	acceptTime = time.Second
	// restTime is for how long a node that did not answer is asked last.
	restTime = 3 * time.Second
)

// front is what stands before the nodes: it sends clients that connect to the nodes in turn, to the next one where a
// node does not take them, and what belongs to a session of long-polling to where that began. It knows nothing of
// what goes on in the nodes.
type front struct {
	url string
	// connects gives up on nodes that stand still; waits does not.
	connects, waits *http.Transport

	mu     sync.Mutex
	nodes  []*backend
	turn   int
	sticky map[string]string // session of Engine.IO to address
}

type backend struct {
	addr  string
	until time.Time // resting
}

func startFront(t *testing.T) *front {
	t.Helper()
	f := &front{
		connects: &http.Transport{DisableCompression: true, ResponseHeaderTimeout: acceptTime},
		waits:    &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: clientCount},
		sticky:   make(map[string]string),
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start the front: %v", err)
	}
	f.url = "http://" + listener.Addr().String()
	quiet := log.New(io.Discard, "", 0) // broken connections are what the test is about
	server := &http.Server{
		ReadHeaderTimeout: patience, ErrorLog: quiet,
		Handler: &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host }, Transport: f,
			ErrorLog: quiet, FlushInterval: -1, ModifyResponse: f.began,
		},
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // until it is closed
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close the front: %v", err)
		}
		serving.Wait()
		f.connects.CloseIdleConnections()
		f.waits.CloseIdleConnections()
	})
	return f
}

// add sends clients to a node from now on.
func (f *front) add(addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes = append(f.nodes, &backend{addr: addr})
}

// remove sends no more clients to a node.
func (f *front) remove(addr string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, b := range f.nodes {
		if b.addr == addr {
			f.nodes = append(f.nodes[:i], f.nodes[i+1:]...)
			return
		}
	}
}

// choose are the nodes in the order in which to ask them.
func (f *front) choose() []*backend {
	f.mu.Lock()
	defer f.mu.Unlock()
	var awake, resting []*backend
	for i := range f.nodes {
		b := f.nodes[(f.turn+i)%len(f.nodes)]
		if time.Now().Before(b.until) {
			resting = append(resting, b)
		} else {
			awake = append(awake, b)
		}
	}
	f.turn++
	return append(awake, resting...)
}

var errNobody = errors.New("no node takes the client")

// RoundTrip sends a request to a node.
func (f *front) RoundTrip(r *http.Request) (*http.Response, error) {
	if sid := r.URL.Query().Get("sid"); sid != "" {
		f.mu.Lock()
		addr := f.sticky[sid]
		f.mu.Unlock()
		return f.waits.RoundTrip(to(r, addr))
	}
	failed := errNobody
	for _, b := range f.choose() {
		response, err := f.connects.RoundTrip(to(r, b.addr))
		switch {
		case err != nil:
			failed = errors.Join(failed, err)
		case response.StatusCode == http.StatusServiceUnavailable:
			failed = errors.Join(failed, fmt.Errorf("%s says %s", b.addr, response.Status), response.Body.Close())
		default:
			return response, nil
		}
		f.mu.Lock()
		b.until = time.Now().Add(restTime)
		f.mu.Unlock()
	}
	return nil, failed
}

func to(r *http.Request, addr string) *http.Request {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "http", addr
	return r
}

var openPacket = regexp.MustCompile(`^0\{"sid":"([^"]+)"`)

// began remembers where a session of long-polling began.
func (f *front) began(response *http.Response) error {
	query := response.Request.URL.Query()
	if query.Get("sid") != "" || query.Get("transport") != "polling" || response.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("read a handshake: %w", err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	match := openPacket.FindSubmatch(body)
	if match == nil {
		return fmt.Errorf("a handshake is %q", body)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sticky[string(match[1])] = response.Request.URL.Host
	return nil
}
