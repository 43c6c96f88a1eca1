package admin

import (
	"bytes"

	"github.com/roombus/roombus/adapters/socketio"
	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// annotationKey is where servers keep in a socket's data what the UIs of other servers want to know of it.
const annotationKey = "_admin"

// annotation is what stands there.
type annotation struct {
	ClientID  string `json:"clientId"`
	Transport string `json:"transport"`
}

// annotator puts it in and takes it out.
type annotator struct{ on bool }

// Annotate adds the annotation to the data of a socket, which can be done to an object.
func (n annotator) Annotate(s *socketio.Socket, data domain.Value) domain.Value {
	if !n.on {
		return data
	}
	return annotate(data, annotation{s.ClientID(), string(s.Transport())})
}

// Strip takes out what Annotate has put in, here or elsewhere.
func (annotator) Strip(data domain.Value) domain.Value { return strip(data) }

func annotate(data domain.Value, note annotation) domain.Value {
	if !data.IsZero() && !isObject(data) {
		return data
	}
	fields := map[string]domain.Value{}
	if !data.IsZero() && payload.Unmarshal(data, &fields) != nil {
		return data
	}
	noted, err := payload.Marshal(note)
	if err != nil {
		return data
	}
	fields[annotationKey] = noted
	annotated, err := payload.Marshal(fields)
	if err != nil {
		return data // it is nested too deeply, say
	}
	return annotated
}

// strip returns data without an annotation, the zero Value where nothing else was there.
func strip(data domain.Value) domain.Value {
	if !isObject(data) || !bytes.Contains(data.JSON(), []byte(`"`+annotationKey+`"`)) {
		return data
	}
	fields := map[string]domain.Value{}
	if payload.Unmarshal(data, &fields) != nil {
		return data
	}
	if _, ok := fields[annotationKey]; !ok {
		return data
	}
	delete(fields, annotationKey)
	if len(fields) == 0 {
		return domain.Value{}
	}
	stripped, err := payload.Marshal(fields)
	if err != nil {
		return data
	}
	return stripped
}

// annotationOf reads what another server has noted; zero where it has not.
func annotationOf(data domain.Value) annotation {
	var with struct {
		Admin annotation `json:"_admin"`
	}
	if !isObject(data) || payload.Unmarshal(data, &with) != nil {
		return annotation{}
	}
	return annotation{cut(with.Admin.ClientID, 64), cut(with.Admin.Transport, 64)}
}
