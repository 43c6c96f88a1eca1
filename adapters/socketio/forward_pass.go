package socketio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// passage is one request on its way to the node that has its connection. A poll and a POST are passed on by
// httputil.ReverseProxy, which begins the WebSocket of an upgrade too; the rest of that is a tunnel's.
type passage struct {
	*forwarder
	w       http.ResponseWriter
	control *http.ResponseController
	target  *url.URL
	body    *passedBody
	err     error
}

var (
	// errTunnelled says that the request has become a tunnel: it is answered.
	errTunnelled = errors.New("the request has become a WebSocket")
	// errMarkRefused is what comes back when the two nodes have different secrets, or clocks.
	errMarkRefused = errors.New("it does not accept what this node passes on; both need the same Forward.Secret, and clocks " +
		"that agree")
)

// quiet is where httputil.ReverseProxy writes what it returns as an error as well.
var quiet = log.New(io.Discard, "", 0)

// pass sends a request to a node and answers it with what comes back. After an error nothing was answered.
func (f *forwarder) pass(w http.ResponseWriter, r *http.Request, address string) error {
	target, err := requestTarget(r)
	if err != nil {
		return err
	}
	target.Scheme, target.Host = f.scheme, address
	p := &passage{forwarder: f, w: w, control: http.NewResponseController(w), target: target}
	p.body = &passedBody{ReadCloser: r.Body, control: p.control, ended: r.ContentLength == 0}
	defer p.body.forget()
	defer context.AfterFunc(r.Context(), p.body.cut)()
	r = r.WithContext(r.Context()) // not the caller's own
	r.Body = p.body
	(&httputil.ReverseProxy{
		Rewrite: p.rewrite, Transport: f.transport, FlushInterval: -1, ErrorLog: quiet, BufferPool: bursts,
		ModifyResponse: p.answered,
		ErrorHandler:   func(_ http.ResponseWriter, _ *http.Request, err error) { p.err = err },
	}).ServeHTTP(w, r)
	if errors.Is(p.err, errTunnelled) {
		return nil
	}
	return p.err
}

// requestTarget is the path and the query of a request as it came to this process, before anybody has taken a prefix off.
// Where it goes is not the request's to say.
func requestTarget(r *http.Request) (*url.URL, error) {
	target := r.RequestURI
	if target == "" {
		target = r.URL.RequestURI()
	}
	u, err := url.ParseRequestURI(target)
	if err != nil || !strings.HasPrefix(u.Path, "/") {
		return nil, fmt.Errorf("the request's target %q has no path", target)
	}
	return &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}, nil
}

// rewrite is httputil.ReverseProxy.Rewrite: the request goes on as it came, with this node's mark.
func (p *passage) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL, r.Out.Host = p.target, r.In.Host
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, ok := r.In.Header[name]; ok { // the balancer's, which the application may look at
			r.Out.Header[name] = values
		}
	}
	r.Out.Header.Set(forwardHeader, p.sign(r.Out.Method, p.target.RequestURI(), r.In.RemoteAddr, time.Now()))
}

// answered is httputil.ReverseProxy.ModifyResponse.
func (p *passage) answered(res *http.Response) error {
	if res.Header.Get(forwardHeader) != "" {
		return errMarkRefused
	}
	// What both nodes would say, CORS above all, is said once.
	for name := range res.Header {
		p.w.Header().Del(name)
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return p.tunnel(res)
	}
	p.out.Add(1)
	p.body.cut() // what has not been read by now nobody wants
	if deadline, ok := res.Request.Context().Deadline(); ok {
		// As in the engine: who cannot set deadlines goes without.
		_ = p.control.SetWriteDeadline(deadline)
	}
	return nil
}

// passedBody is the body of a request that is passed on. A read of it may hang for as long as the client sends nothing, and
// would hold up whoever waits for it: it is cut when nobody wants it any more.
type passedBody struct {
	io.ReadCloser
	control *http.ResponseController

	mu    sync.Mutex
	ended bool // there is nothing more to read
	over  bool // the request is answered, and its connection somebody else's
}

// Read reads on.
func (b *passedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.mu.Lock()
		b.ended = true
		b.mu.Unlock()
	}
	return n, err
}

// cut ends a read that waits, and all later ones; net/http then closes the client's connection after the answer.
func (b *passedBody) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended && !b.over {
		_ = b.control.SetReadDeadline(time.Now())
	}
}

// forget comes before the request's handler returns: nobody may touch the response after that.
func (b *passedBody) forget() {
	b.cut()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	// The next request on the same network connection starts afresh.
	_ = b.control.SetWriteDeadline(time.Time{})
}
