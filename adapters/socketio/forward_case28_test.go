package socketio_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/socketio"
)

// TestCase28_AForwardedRequestIsSigned has strangers pretend to be nodes.
func TestCase28_AForwardedRequestIsSigned(t *testing.T) {
	owner := stops(t, 1, nil)[0]
	v := newWanderer(t)
	v.open(owner)
	target := v.query("polling")
	good := signed(secret, http.MethodPost, target, "192.0.2.1:7", time.Now())
	parts := strings.Split(good, ".")
	with := func(i int, text string) string {
		changed := append([]string(nil), parts...)
		changed[i] = text
		return strings.Join(changed, ".")
	}
	tests := map[string]struct {
		marks  []string
		method string
		target string
		says   string
	}{
		"nothing":               {marks: []string{""}, says: "malformed"},
		"another version":       {marks: []string{with(0, "2")}, says: "malformed"},
		"too few parts":         {marks: []string{strings.Join(parts[:3], ".")}, says: "malformed"},
		"too many parts":        {marks: []string{good + ".x"}, says: "malformed"},
		"no time":               {marks: []string{with(1, "now")}, says: "malformed"},
		"a time beyond numbers": {marks: []string{with(1, "99999999999999999999")}, says: "malformed"},
		"no base64":             {marks: []string{with(2, "=")}, says: "malformed"},
		"no base64 either":      {marks: []string{with(3, "=")}, says: "malformed"},
		"too long":              {marks: []string{with(2, strings.Repeat("A", 1000))}, says: "malformed"},
		"two":                   {marks: []string{good, good}, says: "malformed"},
		"no signature":          {marks: []string{with(3, "")}, says: "not signed"},
		"half a signature":      {marks: []string{with(3, parts[3][:20])}, says: "not signed"},
		"another client":        {marks: []string{with(2, "MTI3LjAuMC4xOjE")}, says: "not signed"},
		"another time":          {marks: []string{with(1, parts[1]+"0")}, says: "not signed"},
		"another secret":        {marks: []string{signed(secret+"x", "POST", target, "", time.Now())}, says: "not signed"},
		"another method":        {marks: []string{signed(secret, "GET", target, "", time.Now())}, says: "not signed"},
		"another query":         {marks: []string{good}, target: target + "&x=1", says: "not signed"},
		"another path":          {marks: []string{good}, target: "/x" + target, says: "not signed"},
		"yesterday":             {marks: []string{signed(secret, "POST", target, "", time.Now().Add(-24*time.Hour))}, says: "apart"},
		"tomorrow":              {marks: []string{signed(secret, "POST", target, "", time.Now().Add(24*time.Hour))}, says: "apart"},
		"another handshake": {
			marks: []string{"1.0.AA.AA"}, method: http.MethodGet, target: "/socket.io/?EIO=4&transport=polling", says: "not signed",
		},
	}
	for name, test := range tests {
		method, to := test.method, test.target
		if method == "" {
			method = http.MethodPost
		}
		if to == "" {
			to = target
		}
		request := method + " " + to + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		for _, m := range test.marks {
			request += "roombus-forwarded: " + m + "\r\n"
		}
		got := raw(t, owner, request+"Content-Length: 2\r\n\r\n40")
		if got.status != http.StatusForbidden || !strings.HasPrefix(got.text, `{"code":4,"message":"`) || !strings.Contains(got.text, test.says) {
			t.Errorf("%s: %d %s, want 403 with words of %q", name, got.status, got.text, test.says)
		}
		if strings.Contains(got.text, secret) {
			t.Errorf("%s: the secret is shown: %s", name, got.text)
		}
	}
	stats := owner.Stats()
	if stats.Forward.Refused != uint64(len(tests)) || stats.Forward.In != 0 || stats.Engine.OpenedPolling != 1 {
		t.Errorf("the node counts %+v", stats.Forward)
	}
	if err := owner.failure(t); !errors.Is(err, socketio.ErrForwardSignature) || strings.Contains(err.Error(), secret) {
		t.Errorf("OnError was told: %v", err)
	}
	// The connection has come to no harm, and a mark that is right is taken.
	got := raw(t, owner, "POST "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRoombus-Forwarded: "+good+
		"\r\nContent-Length: 2\r\n\r\n40")
	if got.status != http.StatusOK || got.text != "ok" || owner.Stats().Forward.In != 1 {
		t.Errorf("a request that is signed: %+v", got)
	}
}

// TestCase28_NothingIsPassedOnTwice has a request with a right mark reach a node that does not have the connection.
func TestCase28_NothingIsPassedOnTwice(t *testing.T) {
	all := stops(t, 2, nil)
	v := newWanderer(t)
	v.open(all[0])
	v.header.Set("Roombus-Forwarded", signed(secret, http.MethodGet, v.query("polling"), "192.0.2.1:7", time.Now()))
	v.wantRefused(all[1])
	if out, in := all[1].Stats().Forward, all[0].Stats().Forward; out.Out != 0 || out.In != 1 || in.In != 0 {
		t.Errorf("the node counts %+v, the owner %+v", out, in)
	}
}

// TestCase28_TheRequestDoesNotSayWhereItGoes: only the membership does.
func TestCase28_TheRequestDoesNotSayWhereItGoes(t *testing.T) {
	called := make(chan string, 100)
	evil := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { called <- r.RequestURI }))
	defer evil.Close()
	host := evil.Listener.Addr().String()
	all := stops(t, 2, nil)
	v := newWanderer(t)
	v.open(all[0])
	v.join(all[0], all[0])
	query := v.query("polling")
	for _, request := range []string{
		"POST http://" + host + query + " HTTP/1.1\r\nHost: " + host,
		"POST " + query + " HTTP/1.1\r\nHost: " + host + "\r\nX-Forwarded-Host: " + host + "\r\nForwarded: host=" + host,
		"POST //" + host + query + " HTTP/1.1\r\nHost: x",
		"POST /@" + host + query + "&x=@" + host + " HTTP/1.1\r\nHost: x",
		"POST /%2f" + host + query + " HTTP/1.1\r\nHost: x",
	} {
		got := raw(t, all[1], request+"\r\nConnection: close\r\nContent-Length: 14\r\n\r\n42[\"say\",\"\xc3\xa4\"]")
		if got.status != http.StatusOK || got.text != "ok" {
			t.Errorf("%q: %+v, want the owner's ok", request, got)
		}
	}
	select {
	case target := <-called:
		t.Errorf("the address of the request was asked for %s", target)
	default:
	}
	if got := all[0].Stats().Forward.In; got != 5 {
		t.Errorf("the owner got %d requests, want 5", got)
	}
}

// TestCase28_NodesWithOtherSecrets: the client begins anew, and both nodes say what is wrong.
func TestCase28_NodesWithOtherSecrets(t *testing.T) {
	all := stops(t, 2, func(i int, c *socketio.Config) {
		if i == 1 {
			c.Forward = &socketio.Forward{Secret: secret + " of another cluster"}
		}
	})
	v := newWanderer(t)
	v.open(all[0])
	v.wantRefused(all[1])
	if err := all[0].failure(t); !errors.Is(err, socketio.ErrForwardSignature) {
		t.Errorf("the owner was told: %v", err)
	}
	err := all[1].failure(t)
	if !errors.Is(err, socketio.ErrForwardFailed) || !strings.Contains(err.Error(), "the same Forward.Secret") {
		t.Errorf("the other was told: %v", err)
	}
	if refused, failed := all[0].Stats().Forward.Refused, all[1].Stats().Forward.Failed; refused != 1 || failed != 1 {
		t.Errorf("%d refused and %d failed, want 1 each", refused, failed)
	}
}

// TestCase28_SecretsCanBeChanged has two nodes in the middle of that.
func TestCase28_SecretsCanBeChanged(t *testing.T) {
	const newer = "the secret that comes after, as long as the other"
	all := stops(t, 2, func(i int, c *socketio.Config) {
		c.Forward = &socketio.Forward{Secret: secret, OldSecrets: []string{newer}}
		if i == 1 {
			c.Forward = &socketio.Forward{Secret: newer, OldSecrets: []string{secret}}
		}
	})
	for i, at := range all {
		v := newWanderer(t)
		v.open(at)
		v.join(all[1-i], all[1-i])
	}
}

// TestCase28_MutualTLS has the nodes talk over TLS, with certificates on both sides.
func TestCase28_MutualTLS(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	certificate := certified.TLS.Certificates[0]
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	certified.Close()
	// The listener between the nodes asks for a certificate. The clients' is another one.
	all := stopsBehind(t, 2, func(inside net.Listener) net.Listener {
		return tls.NewListener(inside, &tls.Config{
			Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAnyClientCert,
		})
	}, func(_ int, c *socketio.Config) {
		c.Forward.TLS = &tls.Config{
			RootCAs: roots, ServerName: "example.com", Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13,
		}
	})
	for _, s := range all {
		public := httptest.NewServer(s.Server)
		t.Cleanup(public.Close)
		s.web = public
	}
	v := newWanderer(t)
	v.open(all[0])
	v.join(all[1], all[1])
	c := v.upgrade(all[1])
	text := strings.Repeat("x", 100_000)
	c.send(`42["say","` + text + `"]`)
	c.want(`42["said","` + text + `"]`)
}

// TestForwardTransport has the requests go through a transport of the user's.
func TestForwardTransport(t *testing.T) {
	own := &countingTransport{calls: make(chan string, 10)}
	all := stops(t, 2, func(_ int, c *socketio.Config) { c.Forward.Transport = own })
	t.Cleanup(own.CloseIdleConnections)
	v := newWanderer(t)
	v.open(all[0])
	v.join(all[1], all[0])
	if got := receive(t, "a call", own.calls); got != all[0].web.URL {
		t.Errorf("the transport was asked for %s, want the owner", got)
	}
	// One that cannot switch protocols.
	own.readOnly = true
	if got, err := v.ask(t.Context(), all[1], http.MethodGet, v.query("websocket"), nil); err != nil || got.status != http.StatusBadRequest {
		t.Fatalf("no WebSocket: %+v (%v)", got, err)
	}
	request := "GET " + v.query("websocket") + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if got := raw(t, all[1], request); got.status != http.StatusBadRequest || got.text != unknownSession {
		t.Errorf("a WebSocket that cannot be: %+v", got)
	}
	if err := all[1].failure(t); !strings.Contains(err.Error(), "cannot be written to") {
		t.Errorf("OnError was told: %v", err)
	}
}

type countingTransport struct {
	http.Transport
	calls    chan string
	readOnly bool
}

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls <- r.URL.Scheme + "://" + r.URL.Host
	response, err := c.Transport.RoundTrip(r)
	if err == nil && c.readOnly {
		response.Body = struct{ io.ReadCloser }{response.Body}
	}
	return response, err
}
