package watermill

import (
	"errors"
	"fmt"
	"strings"

	"github.com/roombus/roombus/domain"
)

// The metadata of a message, which are the fields of a stream entry. The first three are those of Node.js, in its
// order; Node.js ignores the others (docs/wire-format.md).
const (
	// FieldNode is the sender's domain.NodeID.
	FieldNode = "uid"
	// FieldNamespace is the namespace with its leading slash.
	FieldNamespace = "nsp"
	// FieldKind is the decimal number of the kind.
	FieldKind = "type"
	// FieldPublisher is the domain.PublisherID, FieldSequence the decimal domain.Message.Sequence.
	FieldPublisher = "pub"
	FieldSequence  = "seq"
	// FieldSkipped is the decimal domain.Message.Skipped; absent when it is 0.
	FieldSkipped = "skip"
	// FieldAfter is domain.Message.After; absent when it is zero.
	FieldAfter = "after"
	// FieldInfo is what a heartbeat tells, as JSON; absent when it tells nothing.
	FieldInfo = "info"
)

// headerPrefix begins the fields of headers other than the W3C's trace context, whose fields bear their own names
// so that any OpenTelemetry carrier finds them.
const headerPrefix = "h-"

// headerField is the field in which a header travels.
func headerField(name string) string {
	switch name {
	case "traceparent", "tracestate", "baggage":
		return name
	default:
		return headerPrefix + name
	}
}

// headerName is the header that a field carries; false when it carries none.
func headerName(field string) (string, bool) {
	switch field {
	case "traceparent", "tracestate", "baggage":
		return field, true
	default:
		return strings.CutPrefix(field, headerPrefix)
	}
}

// DecodeError says which part of a message could not be decoded, and why. It never quotes the content.
type DecodeError struct {
	// Field is the field, or the path into its data, such as "data.opts.rooms".
	Field string
	// Err is what was wrong with it.
	Err error
}

// Error names the field and what was wrong.
func (e *DecodeError) Error() string { return fmt.Sprintf("field %s: %v", e.Field, e.Err) }

// Unwrap returns Err.
func (e *DecodeError) Unwrap() error { return e.Err }

func decodeError(field, reason string) error {
	return &DecodeError{Field: field, Err: errors.New(reason)}
}

// kindText is how a kind is written. Node.js replays entries whose type is exactly "3" to recovering clients as plain
// events, also those that want an ack or were volatile; its live reader parses the number leniently. A leading zero
// therefore keeps an entry out of its replays (case 20 of docs/guarantees.md).
func kindText(b domain.Body) string {
	if broadcast, ok := b.(*domain.Broadcast); ok {
		if broadcast.Request != "" || broadcast.AckID != nil || broadcast.Target.Flags.Volatile {
			return "03"
		}
	}
	return kindTexts[b.Kind()]
}

var kindTexts = [...]string{"", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13"}

// parseKind reads a kind as JavaScript's parseInt does: white space before it, a sign and whatever comes after the
// digits do no harm.
func parseKind(text string) (domain.Kind, error) {
	text = strings.TrimPrefix(strings.TrimLeft(text, " \t\r\n\v\f"), "+")
	number, digits := 0, 0
	for ; digits < len(text) && text[digits] >= '0' && text[digits] <= '9'; digits++ {
		number = min(number*10+int(text[digits]-'0'), 1000)
	}
	if digits == 0 {
		return 0, decodeError(FieldKind, "expected a decimal number")
	}
	if number == 0 || number >= len(kindTexts) {
		return 0, decodeError(FieldKind, "no kind of message has this number")
	}
	return domain.Kind(number), nil
}
