package main

import (
	"context"
	"net"
	"net/http"
	"sync"

	coder "github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
	"github.com/roombus/roombus/adapters/socketio/engineio"
)

var candidates = []candidate{
	{"gws", "lxzan/gws 1.8.9 (Broadcaster)", buildGWS},
	{"gobwas", "gobwas/ws 1.5.0 (prepared bytes)", buildGobwas},
	{"gorilla", "gorilla/websocket 1.5.3 (PreparedMessage, write pool)", buildGorilla},
	{"coder", "coder/websocket 1.8.15 (nothing to prepare)", buildCoder},
	{"engineio", "roombus engineio (on gobwas/ws: bounded queue, writer on demand)", buildEngineIO},
}

// gwsHandler notes the connections of gws.
type gwsHandler struct {
	gws.BuiltinEventHandler
	conns group[*gws.Conn]
}

func (h *gwsHandler) OnOpen(c *gws.Conn)           { h.conns.add(c) }
func (h *gwsHandler) OnClose(c *gws.Conn, _ error) { h.conns.remove(c) }

func buildGWS() (http.Handler, func([]byte) error) {
	h := new(gwsHandler)
	upgrader := gws.NewUpgrader(h, &gws.ServerOption{ReadBufferSize: 512, WriteBufferSize: 512})
	serve := func(w http.ResponseWriter, r *http.Request) {
		if c, err := upgrader.Upgrade(w, r); err == nil {
			go c.ReadLoop()
		}
	}
	return http.HandlerFunc(serve), func(text []byte) error {
		b := gws.NewBroadcaster(gws.OpcodeText, text)
		defer func() { _ = b.Close() }() // gives the frame's memory back
		return h.conns.each(b.Broadcast)
	}
}

func buildGobwas() (http.Handler, func([]byte) error) {
	var conns group[net.Conn]
	serve := func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := gobwas.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		conns.add(conn)
		go func() {
			defer conns.remove(conn)
			buffer := make([]byte, 512)
			for {
				if _, err := conn.Read(buffer); err != nil {
					return
				}
			}
		}()
	}
	return http.HandlerFunc(serve), func(text []byte) error {
		frame, err := gobwas.CompileFrame(gobwas.NewTextFrame(text))
		if err != nil {
			return err
		}
		return conns.each(func(c net.Conn) error {
			_, err := c.Write(frame)
			return err
		})
	}
}

func buildGorilla() (http.Handler, func([]byte) error) {
	var conns group[*gorilla.Conn]
	upgrader := gorilla.Upgrader{
		ReadBufferSize: 512, WriteBufferSize: 512, WriteBufferPool: new(sync.Pool),
		CheckOrigin: func(*http.Request) bool { return true },
	}
	serve := func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		conns.add(c)
		go func() {
			defer conns.remove(c)
			for {
				if _, _, err := c.NextReader(); err != nil {
					return
				}
			}
		}()
	}
	return http.HandlerFunc(serve), func(text []byte) error {
		m, err := gorilla.NewPreparedMessage(gorilla.TextMessage, text)
		if err != nil {
			return err
		}
		return conns.each(func(c *gorilla.Conn) error { return c.WritePreparedMessage(m) })
	}
}

func buildCoder() (http.Handler, func([]byte) error) {
	var conns group[*coder.Conn]
	serve := func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, &coder.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		conns.add(c)
		go func() { //nolint:contextcheck // the connection outlives the request
			defer conns.remove(c)
			for {
				if _, _, err := c.Reader(context.Background()); err != nil {
					return
				}
			}
		}()
	}
	return http.HandlerFunc(serve), func(text []byte) error {
		return conns.each(func(c *coder.Conn) error {
			return c.Write(context.Background(), coder.MessageText, text)
		})
	}
}

// engineHandler notes the connections of this repository's server.
type engineHandler struct{ conns group[*engineio.Conn] }

func (h *engineHandler) Open(c *engineio.Conn) engineio.Receiver {
	h.conns.add(c)
	return engineReceiver{h, c}
}

type engineReceiver struct {
	h *engineHandler
	c *engineio.Conn
}

func (engineReceiver) Message([]byte, bool)           {}
func (r engineReceiver) Close(engineio.Reason, error) { r.h.conns.remove(r.c) }

func buildEngineIO() (http.Handler, func([]byte) error) {
	h := new(engineHandler)
	server, err := engineio.NewServer(h, engineio.Config{})
	if err != nil {
		panic(err) // the zero configuration works
	}
	return server, func(text []byte) error {
		frame := engineio.NewFrame(text[1:]) // the frame's first byte is its own
		return h.conns.each(func(c *engineio.Conn) error { return c.Send(frame) })
	}
}
