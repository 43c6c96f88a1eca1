package engineio

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// ServeHTTP answers one request of the protocol: a handshake, a poll, a POST, a
// WebSocket handshake, or a CORS preflight.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		s.unavailable(w, errClosed)
		return
	}
	defer s.running.Done()
	if s.config.CORS != nil && s.config.CORS.Apply(w, r) {
		return
	}
	query := r.URL.Query()
	upgrade := isWebSocket(r)
	c, refusal := s.verify(r, query, upgrade)
	switch {
	case refusal != nil && refusal.Code == UnknownSession && s.isElsewhere(w, r, query.Get("sid"), upgrade):
	case refusal != nil:
		s.refuse(w, r, refusal)
	case c != nil && upgrade:
		s.serveUpgrade(w, r, c)
	case c != nil && r.Method == http.MethodGet:
		s.servePoll(w, r, c)
	case c != nil:
		s.servePost(w, r, c)
	case upgrade:
		s.openWebSocket(w, r)
	default:
		s.openPolling(w, r)
	}
}

// verify finds what is wrong with a request, in the order in which engine.io
// looks, and the connection that it is for: none for a handshake.
func (s *Server) verify(r *http.Request, query url.Values, upgrade bool) (*Conn, *Refusal) {
	transport := Transport(query.Get("transport"))
	if !s.config.allows(transport) {
		return nil, refuse(UnknownTransport, "transport "+string(transport))
	}
	if upgrade && transport != WebSocket {
		return nil, refuse(BadRequest, "a WebSocket handshake for transport "+string(transport))
	}
	if id := query.Get("sid"); id != "" {
		return s.verifySession(r, id, query.Get("EIO"), transport, upgrade)
	}
	switch {
	case r.Method != http.MethodGet:
		return nil, refuse(BadHandshakeMethod, "method "+r.Method)
	case transport == WebSocket && !upgrade:
		return nil, refuse(BadRequest, "transport websocket without a WebSocket handshake")
	}
	if s.config.AllowRequest != nil {
		if err := s.config.AllowRequest(r); err != nil {
			return nil, forbid(err)
		}
	}
	if version := query.Get("EIO"); version != "4" {
		return nil, refuse(UnsupportedProtocolVersion, "EIO="+version)
	}
	return nil, nil
}

// verifySession is verify for a request with the id of a connection.
func (s *Server) verifySession(r *http.Request, id, version string, transport Transport, upgrade bool) (*Conn, *Refusal) {
	c := s.lookup(id)
	switch {
	case c == nil || c.gone():
		return nil, refuse(UnknownSession, "sid "+id)
	case !upgrade && c.Transport() != transport:
		return nil, refuse(BadRequest, "transport "+string(transport)+" on a connection that uses "+string(c.Transport()))
	case !upgrade && r.Method != http.MethodGet && r.Method != http.MethodPost:
		return nil, refuse(BadRequest, "method "+r.Method)
	case !upgrade && transport == WebSocket:
		return nil, refuse(BadRequest, "transport websocket without a WebSocket handshake")
	case version != "4":
		return nil, refuse(BadRequest, "EIO="+version+" on a connection of version 4")
	}
	return c, nil
}

// isElsewhere lets Config.Elsewhere answer a request for a connection that is not
// here, for as long as a poll or the handshake of a WebSocket may take.
func (s *Server) isElsewhere(w http.ResponseWriter, r *http.Request, id string, upgrade bool) bool {
	if s.config.Elsewhere == nil || r.Method != http.MethodGet && r.Method != http.MethodPost {
		return false
	}
	limit := s.config.PingInterval + s.config.PingTimeout + s.config.CloseTimeout
	if upgrade {
		limit = s.config.UpgradeTimeout
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	defer context.AfterFunc(s.elsewhere, cancel)()
	return s.config.Elsewhere(w, r.WithContext(ctx), id)
}

// refuse answers a refused request as engine.io does.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	s.refused(r, refusal)
	status := http.StatusBadRequest
	if refusal.Code == Forbidden {
		status = http.StatusForbidden
	}
	answerJSON(w, status, refusal.Code, refusal.Message)
}

// forbid makes a Refusal of AllowRequest's error.
func forbid(err error) *Refusal {
	if own, ok := errors.AsType[*Refusal](err); ok {
		return own
	}
	return &Refusal{Code: Forbidden, Message: err.Error(), Err: err}
}

// refused counts a refused request, and tells who wants to know of it.
func (s *Server) refused(r *http.Request, refusal *Refusal) {
	s.counters.refuse(refusal.Code)
	if s.config.OnRefused != nil {
		s.config.OnRefused(r, refusal)
	}
}

// Why no connection is made now. The texts are the client's to see.
var (
	errClosed = errors.New("The server is shutting down") //nolint:staticcheck // clients read it as a sentence
	errFull   = errors.New("The server is full")          //nolint:staticcheck // clients read it as a sentence
)

// unavailable answers a handshake for which there is no connection. The next one
// should go elsewhere, so it must not come on the same network connection.
func (s *Server) unavailable(w http.ResponseWriter, why error) {
	s.counters.unavailable.Add(1)
	w.Header().Set("Connection", "close")
	answerJSON(w, http.StatusServiceUnavailable, BadRequest, why.Error())
}

// addHeaders lets the application add headers to the answer of a request.
func (s *Server) addHeaders(w http.ResponseWriter, r *http.Request, initial bool) {
	if initial && s.config.InitialHeaders != nil {
		s.config.InitialHeaders(w.Header(), r)
	}
	if s.config.Headers != nil {
		s.config.Headers(w.Header(), r)
	}
}

func answerJSON(w http.ResponseWriter, status int, code RefusalCode, message string) {
	body := marshal(struct {
		Code    RefusalCode `json:"code"`
		Message string      `json:"message"`
	}{code, message})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that does not take its refusal has lost nothing.
	_, _ = w.Write(body)
}

// marshal encodes a struct of strings and numbers, which cannot fail.
func marshal[T any](v T) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}

// isWebSocket says whether the request is a WebSocket handshake (RFC 6455, 4.1).
func isWebSocket(r *http.Request) bool {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return false
	}
	for _, value := range r.Header["Connection"] {
		for token := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
				return true
			}
		}
	}
	return false
}

// openPacket returns the first packet of a new connection.
func (c *Conn) openPacket(transport Transport) *Frame {
	cfg := &c.server.config
	text := marshal(struct {
		SID          string      `json:"sid"`
		Upgrades     []Transport `json:"upgrades"`
		PingInterval int64       `json:"pingInterval"`
		PingTimeout  int64       `json:"pingTimeout"`
		MaxPayload   int         `json:"maxPayload"`
	}{c.id, cfg.upgrades(transport), cfg.PingInterval.Milliseconds(), cfg.PingTimeout.Milliseconds(), cfg.MaxPayload})
	return newPacket(packetOpen, string(text))
}

// setCookie adds the configured cookie with the connection's id.
func (c *Conn) setCookie(h http.Header) {
	template := c.server.config.Cookie
	if template == nil {
		return
	}
	cookie := *template //nolint:gosec // its attributes are the user's to choose
	cookie.Value = c.id
	if cookie.Name == "" {
		cookie.Name = "io"
	}
	if cookie.Path == "" {
		cookie.Path = "/"
	}
	if text := cookie.String(); text != "" {
		h.Add("Set-Cookie", text)
	}
}
