package watermill

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/roombus/roombus/domain"
)

// jsDate is how JavaScript prints a Date, here always in UTC.
const jsDate = "Mon Jan 02 2006 15:04:05 GMT+0000 (Coordinated Universal Time)"

// maxJSDate is more than the latest Date in JavaScript, in milliseconds.
const maxJSDate = 1 << 53

// sockets writes what fetchSockets returns. A handshake without auth and a socket without data have an empty object
// there, as in Node.js; reading turns it back into the zero Value.
func (w *envelope) sockets(sockets []domain.SocketDetails) {
	w.key("sockets")
	w.raw("[")
	for i := range sockets {
		s := &sockets[i]
		if i > 0 {
			w.raw(",")
		}
		w.raw(`{"id":`)
		w.text(string(s.ID))
		w.key("handshake")
		w.handshake(&s.Handshake)
		w.key("rooms")
		w.texts(s.Rooms)
		w.key("data")
		w.valueOr(s.Data, "{}")
		w.raw("}")
	}
	w.raw("]")
}

func (w *envelope) handshake(h *domain.Handshake) {
	w.raw(`{"headers":`)
	w.multimap(h.Headers)
	if !h.Time.IsZero() {
		w.key("time")
		w.text(h.Time.UTC().Format(jsDate))
	}
	w.key("address")
	w.text(h.Address)
	w.key("xdomain")
	w.json = strconv.AppendBool(w.json, h.CrossDomain)
	w.key("secure")
	w.json = strconv.AppendBool(w.json, h.Secure)
	if !h.Time.IsZero() {
		w.key("issued")
		w.json = strconv.AppendInt(w.json, h.Time.UnixMilli(), 10)
	}
	w.key("url")
	w.text(h.URL)
	w.key("query")
	w.multimap(h.Query)
	w.key("auth")
	w.valueOr(h.Auth, "{}")
	w.raw("}")
}

// multimap writes headers or a query as Node.js has them: a text where there is one value, an array otherwise.
func (w *envelope) multimap(m map[string][]string) {
	w.raw("{")
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			w.raw(",")
		}
		w.text(name)
		w.raw(":")
		if values := m[name]; len(values) == 1 {
			w.text(values[0])
		} else {
			w.texts(values)
		}
	}
	w.raw("}")
}

func (r *reading) sockets(path string, json []byte) []domain.SocketDetails {
	if !r.isArray(path, json) {
		return nil
	}
	sockets := []domain.SocketDetails{}
	for element := range domain.Elements(json) {
		if !r.isObject(path, element) {
			return nil
		}
		var s domain.SocketDetails
		for key, value := range domain.Fields(element) {
			switch string(key) {
			case "id":
				s.ID = domain.SocketID(r.text(path+".id", value))
			case "handshake":
				s.Handshake = r.handshake(path+".handshake", value)
			case "rooms":
				s.Rooms = r.texts(path+".rooms", value)
			case "data":
				s.Data = r.unlessEmpty(value)
			}
		}
		sockets = append(sockets, s)
	}
	return sockets
}

// handshake reads a handshake leniently: it is for the application to look at, nothing here depends on it.
func (r *reading) handshake(path string, json []byte) (h domain.Handshake) {
	if isNull(json) || !r.isObject(path, json) {
		return h
	}
	for key, value := range domain.Fields(json) {
		switch string(key) {
		case "headers":
			h.Headers = r.multimap(value)
		case "query":
			h.Query = r.multimap(value)
		case "address":
			h.Address = r.looseText(value)
		case "url":
			h.URL = r.looseText(value)
		case "xdomain":
			h.CrossDomain = string(value) == "true"
		case "secure":
			h.Secure = string(value) == "true"
		case "issued":
			// Milliseconds, which a float of nanoseconds could not hold.
			if ms, err := strconv.ParseFloat(string(value), 64); err == nil && ms > 0 && ms < maxJSDate {
				h.Time = time.UnixMilli(int64(ms)).UTC()
			}
		case "auth":
			h.Auth = r.unlessEmpty(value)
		}
	}
	return h
}

func (r *reading) multimap(json []byte) map[string][]string {
	m := map[string][]string{}
	for key, value := range domain.Fields(json) {
		if value[0] != '[' {
			m[string(key)] = []string{r.looseText(value)}
			continue
		}
		values := []string{}
		for element := range domain.Elements(value) {
			values = append(values, r.looseText(element))
		}
		m[string(key)] = values
	}
	return m
}

// looseText is a text, or the JSON text of what is none.
func (r *reading) looseText(json []byte) string {
	if text, ok := r.whole.Part(json).Text(); ok {
		return text
	}
	return string(json)
}

// unlessEmpty is a part as a value, the zero Value when it is an empty object.
func (r *reading) unlessEmpty(json []byte) domain.Value {
	if isEmptyObject(json) {
		return domain.Value{}
	}
	return r.whole.Part(json)
}

func isNull(json []byte) bool { return string(json) == "null" }

func isEmptyObject(json []byte) bool {
	if json[0] != '{' {
		return false
	}
	for range domain.Fields(json) {
		return false
	}
	return true
}
