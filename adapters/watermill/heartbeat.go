package watermill

import (
	"strconv"
	"time"

	"github.com/roombus/roombus/domain"
)

// infoText is what a heartbeat tells besides that its node is alive: a JSON object with the keys name, version,
// address, started (RFC 3339), capabilities, draining and cursor, each only where there is something to tell. Nil
// where there is nothing, as in Node.js, or for another body.
func infoText(b domain.Body) []byte {
	var h *domain.Heartbeat
	switch b := b.(type) {
	case *domain.InitialHeartbeat:
		h = &b.Heartbeat
	case *domain.Heartbeat:
		h = b
	default:
		return nil
	}
	w := &envelope{json: []byte{'{'}}
	for _, field := range [...]struct{ key, text string }{
		{"name", h.Node.Name}, {"version", h.Node.Version}, {"address", h.Node.Address}, {"cursor", string(h.Cursor)},
	} {
		if field.text != "" {
			w.key(field.key)
			w.text(field.text)
		}
	}
	if !h.Node.StartedAt.IsZero() {
		w.key("started")
		w.text(h.Node.StartedAt.UTC().Format(time.RFC3339Nano))
	}
	if len(h.Node.Capabilities) > 0 {
		w.key("capabilities")
		w.texts(h.Node.Capabilities)
	}
	if h.Draining {
		w.key("draining")
		w.json = strconv.AppendBool(w.json, true)
	}
	if len(w.json) == 1 {
		return nil
	}
	w.raw("}")
	return w.json
}

// heartbeat reads what infoText wrote; an empty text tells nothing.
func decodeHeartbeat(info string) (domain.Heartbeat, error) {
	var h domain.Heartbeat
	if info == "" {
		return h, nil
	}
	whole, err := domain.NewValue([]byte(info))
	if err != nil {
		return h, &DecodeError{Field: FieldInfo, Err: err}
	}
	r := &reading{whole: whole}
	if !r.isObject(FieldInfo, whole.JSON()) {
		return h, r.err
	}
	for key, value := range domain.Fields(whole.JSON()) {
		switch string(key) {
		case "name":
			h.Node.Name = r.text(FieldInfo+".name", value)
		case "version":
			h.Node.Version = r.text(FieldInfo+".version", value)
		case "address":
			h.Node.Address = r.text(FieldInfo+".address", value)
		case "cursor":
			h.Cursor = domain.Offset(r.text(FieldInfo+".cursor", value))
		case "started":
			if h.Node.StartedAt, err = time.Parse(time.RFC3339Nano, r.text(FieldInfo+".started", value)); err != nil {
				r.fail(FieldInfo+".started", "expected a time as RFC 3339 has it")
			}
		case "capabilities":
			h.Node.Capabilities = r.texts(FieldInfo+".capabilities", value)
		case "draining":
			h.Draining = string(value) == "true"
		}
	}
	return h, r.err
}
