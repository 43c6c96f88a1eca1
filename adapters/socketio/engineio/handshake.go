package engineio

import (
	"crypto/tls"
	"encoding/binary"
	"net/http"
	"net/url"
	"time"
)

// packedHandshake is a Handshake in a third of the memory: a connection keeps it
// for as long as it lives, and few are ever asked for it.
type packedHandshake struct {
	// text has method, URL, host, address, and pairs of header names and
	// values, each with its length before it.
	text string
	time time.Time
	tls  *tls.ConnectionState
}

func packHandshake(r *http.Request, now time.Time) packedHandshake {
	var text []byte
	add := func(s string) { text = append(binary.AppendUvarint(text, uint64(len(s))), s...) }
	address := "/"
	if r.URL != nil { // it is never nil in a server's request, and may be in one that was made up
		address = r.URL.String()
	}
	for _, s := range []string{r.Method, address, r.Host, r.RemoteAddr} {
		add(s)
	}
	for name, values := range r.Header {
		for _, value := range values {
			add(name)
			add(value)
		}
	}
	return packedHandshake{text: string(text), time: now, tls: r.TLS}
}

func (p *packedHandshake) unpack() *Handshake {
	rest := []byte(p.text)
	next := func() string {
		n, digits := binary.Uvarint(rest)
		from, to := digits, digits+int(n)
		s := string(rest[from:to])
		rest = rest[to:]
		return s
	}
	h := &Handshake{Method: next(), Header: make(http.Header), Time: p.time, TLS: p.tls}
	address := next()
	var err error
	if h.URL, err = url.Parse(address); err != nil { // it was one, whoever rewrote it
		h.URL = &url.URL{Opaque: address}
	}
	h.Host, h.RemoteAddr = next(), next()
	for len(rest) > 0 {
		name := next()
		h.Header[name] = append(h.Header[name], next())
	}
	return h
}
