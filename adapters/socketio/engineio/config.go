package engineio

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Transport is the way in which a connection's packets travel.
type Transport string

// The transports.
const (
	Polling   Transport = "polling"
	WebSocket Transport = "websocket"
)

// Config has the settings of a Server. The zero value works and is what
// engine.io of Node.js has by default.
type Config struct {
	// PingInterval is the time between a pong and the next ping. Default 25 s.
	PingInterval time.Duration
	// PingTimeout is how long a client may take to answer a ping. A client
	// that is heard of meanwhile gets it once more, and while the Receiver is
	// busy with one Message the client gets it up to three times more. Default
	// 20 s.
	PingTimeout time.Duration
	// UpgradeTimeout bounds the time from a WebSocket that asks to replace
	// polling to its upgrade packet. Default 10 s.
	UpgradeTimeout time.Duration
	// CloseTimeout bounds how long a connection that is being closed may take
	// to send what is queued and to hear the client's answer. It bounds the
	// writing of a WebSocket handshake too. Default 2 s.
	CloseTimeout time.Duration
	// MaxPayload is the largest POST body and the largest WebSocket message
	// that is accepted, in bytes. Clients are told. Default 1,000,000.
	MaxPayload int
	// QueueBytes bounds what waits to be sent on one connection, in bytes of
	// WebSocket frames. A single frame that is larger is accepted when nothing
	// else waits. Default 4 MiB.
	QueueBytes int
	// QueuePackets bounds the number of frames that wait. Default 32,768.
	QueuePackets int
	// MaxConnections is how many connections there may be at once; a handshake
	// beyond that is refused with status 503, which sends clients and balancers
	// elsewhere. Default: no bound but the system's.
	MaxConnections int
	// CompressFrom is the size in bytes from which on polling answers are
	// compressed, with gzip or deflate as the client's Accept-Encoding says, and
	// messages on WebSockets if Deflate is on. Default 1,024. A negative number
	// compresses nothing.
	CompressFrom int
	// Deflate lets clients use the compression of WebSocket messages
	// (permessage-deflate, RFC 7692), without context takeover: a frame is
	// deflated once for all its recipients, and an idle connection needs no more
	// memory than another. Default: off, as in Node.js.
	Deflate bool
	// Transports lists what clients may use. Default: both.
	Transports []Transport
	// NoUpgrades refuses to replace polling by WebSocket.
	NoUpgrades bool
	// AllowRequest is asked before a handshake. Its error refuses the request
	// with status 403, code 4 and the error's text as message, which the client
	// sees; a *Refusal says code and message itself. WebSockets are not subject
	// to CORS: check the Origin header here if cookies identify your users.
	// Default: all are allowed.
	AllowRequest func(*http.Request) error
	// InitialHeaders may add headers to the answer of a handshake that succeeds,
	// Headers to all answers that do, and is called second. They are not asked
	// about refusals and preflights. They are called on the request's
	// goroutine. Default: no more headers than needed.
	InitialHeaders func(http.Header, *http.Request)
	Headers        func(http.Header, *http.Request)
	// OnRefused is told of every request that is refused, but for those that come
	// while the server does not accept any (see Stats.Unavailable). It is called
	// on the request's goroutine. Default: nobody is told.
	OnRefused func(*http.Request, *Refusal)
	// ConnContext returns the values that a connection's context has, by the
	// request of its handshake: what the handlers around the server have found
	// out, such as who the user is. The request's own context will do; its end is
	// not the connection's, but what it holds stays in memory for as long as the
	// connection. It is called on the request's goroutine. Default: no values.
	ConnContext func(*http.Request) context.Context
	// CORS makes the server answer cross-origin requests. Default: no CORS
	// headers at all, as in Socket.IO.
	CORS *CORS
	// Cookie is a template for a cookie that carries the connection's id, for
	// load balancers that need one. Value is filled in; an empty Name becomes
	// "io", an empty Path "/". The rest is used as it is. Default: no cookie.
	Cookie *http.Cookie
	// IDSuffix is put behind the random part of every connection's id, so that
	// Elsewhere can tell where a connection is: up to 64 characters of URL-safe
	// base64. Default: nothing.
	IDSuffix string
	// Elsewhere is offered each GET and POST for a connection that this server does
	// not have, before it is refused with UnknownSession. It returns true when it
	// has answered, or has hijacked the network connection, and false when it has
	// done neither. The request's context ends when a request for a connection of
	// this server would have been answered at the latest, and when the server
	// closes; what Elsewhere has hijacked is its own. The headers of CORS are set
	// already. It is called on the request's goroutine. Default: there is no
	// elsewhere.
	Elsewhere func(w http.ResponseWriter, r *http.Request, id string) (answered bool)
}

// maxIDSuffix is how long Config.IDSuffix may be.
const maxIDSuffix = 64

// withDefaults puts defaults in place of zeros. The error names the first setting
// that cannot work.
func (c *Config) withDefaults() error {
	durations := []struct {
		name  string
		value *time.Duration
		deflt time.Duration
	}{
		{"PingInterval", &c.PingInterval, 25 * time.Second},
		{"PingTimeout", &c.PingTimeout, 20 * time.Second},
		{"UpgradeTimeout", &c.UpgradeTimeout, 10 * time.Second},
		{"CloseTimeout", &c.CloseTimeout, 2 * time.Second},
	}
	for _, d := range durations {
		switch {
		case *d.value == 0:
			*d.value = d.deflt
		case *d.value < time.Millisecond:
			return fmt.Errorf("engineio: %s is %v; it must be at least 1ms, the unit in which clients are told", d.name, *d.value)
		}
	}
	numbers := []struct {
		name  string
		value *int
		deflt int
	}{
		{"MaxPayload", &c.MaxPayload, 1_000_000},
		{"QueueBytes", &c.QueueBytes, 4 << 20},
		{"QueuePackets", &c.QueuePackets, 32_768},
	}
	for _, n := range numbers {
		switch {
		case *n.value == 0:
			*n.value = n.deflt
		case *n.value < 0:
			return fmt.Errorf("engineio: %s is %d; it must be positive", n.name, *n.value)
		}
	}
	if c.MaxConnections < 0 {
		return fmt.Errorf("engineio: MaxConnections is %d; it must be positive, or 0 for no bound", c.MaxConnections)
	}
	switch {
	case c.CompressFrom == 0:
		c.CompressFrom = 1_024
	case c.CompressFrom < 0:
		c.CompressFrom = math.MaxInt
	}
	if len(c.Transports) == 0 {
		c.Transports = []Transport{Polling, WebSocket}
	}
	for _, t := range c.Transports {
		if t != Polling && t != WebSocket {
			return fmt.Errorf("engineio: unknown transport %q in Transports; there are %q and %q", t, Polling, WebSocket)
		}
	}
	if len(c.IDSuffix) > maxIDSuffix || strings.Trim(c.IDSuffix, idAlphabet) != "" {
		return fmt.Errorf("engineio: IDSuffix is %q; it may have up to %d letters, digits, - and _", c.IDSuffix, maxIDSuffix)
	}
	if c.CORS != nil {
		if len(c.CORS.Origins) == 0 && c.CORS.AllowOrigin == nil {
			return errors.New("engineio: CORS is set, but allows no origin: set Origins or AllowOrigin")
		}
		if c.CORS.Credentials && slices.Contains(c.CORS.Origins, "*") {
			return errors.New(`engineio: CORS with Credentials cannot allow the origin "*", browsers refuse it: name the origins or set AllowOrigin`)
		}
	}
	return nil
}

// allows says whether clients may use the transport.
func (c *Config) allows(t Transport) bool { return slices.Contains(c.Transports, t) }

// upgrades lists what a connection that began with the transport may change to.
func (c *Config) upgrades(from Transport) []Transport {
	if from != Polling || c.NoUpgrades || !c.allows(WebSocket) {
		return []Transport{}
	}
	return []Transport{WebSocket}
}
