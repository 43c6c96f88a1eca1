package redisstream

import (
	"bytes"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// batch is what one read brought. Its memory is used again for the next one; what an entry holds for good is allocated
// an entry: its texts together, and its payload. So who keeps an entry does not keep its neighbours.
type batch struct {
	received []watermill.Received
	ids      []entryID

	echoes *echoes // what needs no decoding; nil for none

	fields []watermill.Field
	text   []byte // the texts of the entry that is being read, one after the other
	ends   []fieldEnd
}

// fieldEnd says where a field's name and value end in the text of its entry. A usual name is not in the text.
type fieldEnd struct {
	usual       string
	name, value int
}

// numbers are the fields of the entry that is being read that number it, as far as there are such. They are parts of
// the reply.
type numbers struct{ publisher, sequence, skipped []byte }

// read takes the entries of a reply to XREAD of one stream, in the place of those that it had.
func (b *batch) read(raw []byte) error {
	b.reset()
	r := reply{rest: raw}
	streams, isMap, err := r.streams()
	if err != nil || streams == 0 {
		return err
	}
	if !isMap { // as RESP2 has it: pairs of a name and entries
		if err := r.pair(); err != nil {
			return err
		}
	}
	if _, err := r.bulk(); err != nil {
		return err
	}
	return b.entries(&r)
}

// readRange takes the entries of a reply to XRANGE, in the place of those that it had.
func (b *batch) readRange(raw []byte) error {
	b.reset()
	return b.entries(&reply{rest: raw})
}

func (b *batch) reset() {
	clear(b.received)
	clear(b.fields)
	b.received, b.ids, b.fields = b.received[:0], b.ids[:0], b.fields[:0]
}

func (b *batch) entries(r *reply) error {
	n, err := r.list()
	if err != nil {
		return err
	}
	for range n {
		if err := b.entry(r); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) entry(r *reply) error {
	if err := r.pair(); err != nil {
		return err
	}
	id, err := r.bulk()
	if err != nil {
		return err
	}
	b.text, b.ends = append(b.text[:0], id...), b.ends[:0]
	n, err := r.list()
	if err != nil {
		return err
	}
	if n%2 != 0 {
		return errReply
	}
	var received watermill.Received
	var data []byte
	var given numbers
	for range n / 2 {
		name, err := r.bulk()
		if err != nil {
			return err
		}
		value, err := r.bulk()
		if err != nil {
			return err
		}
		if string(name) == FieldData {
			data = value
			continue
		}
		given.note(b.field(name, value), value)
	}
	if b.echo(&received, id, &given) {
		return nil
	}
	if data != nil {
		received.Payload, received.Err = takePayload(data)
	}
	b.finish(&received, len(id))
	return nil
}

func (n *numbers) note(field string, value []byte) {
	switch field {
	case watermill.FieldPublisher:
		n.publisher = value
	case watermill.FieldSequence:
		n.sequence = value
	case watermill.FieldSkipped:
		n.skipped = value
	}
}

// echo makes the entry one of a message that this process knows, if it is. Only its numbers and its place are new.
func (b *batch) echo(received *watermill.Received, id []byte, given *numbers) bool {
	if b.echoes == nil || string(given.publisher) != string(b.echoes.publisher) {
		return false
	}
	sequence, _ := parseDigits(string(given.sequence)) // 0, which no message has, if it is none
	if received.Echo = b.echoes.take(sequence); received.Echo == nil {
		return false
	}
	text, first := string(append(append(b.text[:0], id...), given.sequence...)), len(b.fields)
	b.fields = append(b.fields,
		watermill.Field{Name: watermill.FieldPublisher, Value: string(b.echoes.publisher)},
		watermill.Field{Name: watermill.FieldSequence, Value: text[len(id):]})
	if len(given.skipped) > 0 {
		b.fields = append(b.fields, watermill.Field{Name: watermill.FieldSkipped, Value: string(given.skipped)})
	}
	b.add(received, domain.Offset(text[:len(id)]), first)
	return true
}

// takePayload is the payload of an entry, in memory of its own.
func takePayload(value []byte) ([]byte, error) {
	if len(value) == 0 || value[0] == '{' {
		return bytes.Clone(value), nil
	}
	payload, err := decodePayload(string(value))
	if err != nil {
		return nil, &watermill.DecodeError{Field: FieldData, Err: err}
	}
	return payload, nil
}

// field takes note of a field, and returns its name if that is a usual one.
func (b *batch) field(name, value []byte) string {
	end := fieldEnd{usual: usualName(name)}
	if end.usual == "" {
		b.text = append(b.text, name...)
	}
	end.name = len(b.text)
	b.text = append(b.text, value...)
	end.value = len(b.text)
	b.ends = append(b.ends, end)
	return end.usual
}

// finish cuts the entry's text into the id and the fields.
func (b *batch) finish(received *watermill.Received, at int) {
	text, first := string(b.text), len(b.fields)
	offset := domain.Offset(text[:at])
	for _, end := range b.ends {
		name, value := end.usual, text[end.name:end.value]
		if name == "" {
			name = text[at:end.name]
		}
		at = end.value
		if name == FieldUUID {
			received.UUID = value
			continue
		}
		b.fields = append(b.fields, watermill.Field{Name: name, Value: value})
	}
	b.add(received, offset, first)
}

// add adds an entry, whose fields are those from the first on.
func (b *batch) add(received *watermill.Received, offset domain.Offset, first int) {
	id, _ := parseID(offset) // a server's id is one
	received.Offset, received.Time = offset, id.time()
	received.Fields = b.fields[first:len(b.fields):len(b.fields)]
	b.received, b.ids = append(b.received, *received), append(b.ids, id)
}

// usualName is the name of a field that our own entries have; empty for another.
func usualName(name []byte) string {
	switch string(name) {
	case watermill.FieldNode:
		return watermill.FieldNode
	case watermill.FieldNamespace:
		return watermill.FieldNamespace
	case watermill.FieldKind:
		return watermill.FieldKind
	case watermill.FieldPublisher:
		return watermill.FieldPublisher
	case watermill.FieldSequence:
		return watermill.FieldSequence
	case watermill.FieldSkipped:
		return watermill.FieldSkipped
	case watermill.FieldInfo:
		return watermill.FieldInfo
	case FieldUUID:
		return FieldUUID
	case "traceparent":
		return "traceparent"
	case "tracestate":
		return "tracestate"
	case "baggage":
		return "baggage"
	default:
		return ""
	}
}
