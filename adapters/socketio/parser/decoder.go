package parser

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/roombus/roombus/domain"
)

// Config limits what a client may send. The zero Config has the defaults.
type Config struct {
	// MaxAttachments is how many attachments a packet may have, at most and by default domain.MaxAttachments (10).
	MaxAttachments int
	// MaxNamespaceLength is how long the name of a namespace may be, with its query, in bytes; by default 256.
	MaxNamespaceLength int
	// MaxEventLength is how long the name of an event may be, in bytes; by default 1,024.
	MaxEventLength int
	// MaxAttachmentBytes is how large the attachments of one packet may be together; by default 10,000,000, which is
	// ten times the largest frame that Engine.IO takes by default.
	MaxAttachmentBytes int
}

func (c Config) withDefaults() (Config, error) {
	if c.MaxAttachments < 0 || c.MaxNamespaceLength < 0 || c.MaxEventLength < 0 || c.MaxAttachmentBytes < 0 {
		return c, fmt.Errorf("parser: a limit must not be negative: %+v", c)
	}
	if c.MaxAttachments > domain.MaxAttachments {
		return c, fmt.Errorf("parser: MaxAttachments must be at most %d, not %d", domain.MaxAttachments, c.MaxAttachments)
	}
	if c.MaxAttachments == 0 {
		c.MaxAttachments = domain.MaxAttachments
	}
	if c.MaxNamespaceLength == 0 {
		c.MaxNamespaceLength = 256
	}
	if c.MaxEventLength == 0 {
		c.MaxEventLength = 1_024
	}
	if c.MaxAttachmentBytes == 0 {
		c.MaxAttachmentBytes = 10_000_000
	}
	return c, nil
}

// What an [Error] is, for errors.Is: the limits of [Config], and all the rest.
var (
	ErrAttachments     = errors.New("too many attachments")
	ErrAttachmentBytes = errors.New("attachments that are too large together")
	ErrNamespaceLength = errors.New("a namespace that is too long")
	ErrEventLength     = errors.New("the name of an event that is too long")
	// ErrMalformed is everything else: what no official client would send.
	ErrMalformed = errors.New("no packet")
)

// Error says why a frame was refused. A client that sent it is not worth another frame: the connection is closed with
// the reason "parse error", as in Socket.IO.
type Error struct {
	// Reason is what was wrong. It does not quote the frame.
	Reason string
	// Err is a *domain.PayloadError when the payload was the reason; its position counts from the payload's beginning.
	Err error
	// limit is which limit was broken, nil for none.
	limit error
}

// Error says what was wrong.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("parse packet: %v", e.Err)
	}
	return "parse packet: " + e.Reason
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the limit that was broken, or [ErrMalformed] where none was.
func (e *Error) Is(target error) bool {
	if e.limit == nil {
		return target == ErrMalformed
	}
	return target == e.limit
}

func refuse(format string, args ...any) *Error { return &Error{Reason: fmt.Sprintf(format, args...)} }

func tooMuch(limit error, format string, args ...any) *Error {
	return &Error{Reason: fmt.Sprintf(format, args...), limit: limit}
}

// Decoder reads the packets of one connection. It is for one goroutine at a time, and for nobody after an error.
//
// It is stricter than socket.io-parser 4.2.7, in what the official clients never send: an empty frame is no CONNECT;
// ids and numbers of attachments are plain digits, not everything that JavaScript takes for a number; an event has a
// payload, and so has a BINARY_ACK; all that domain.NewValue refuses is refused, above all placeholders that name no
// attachment, also in packets without attachments, and at once, not after the last attachment (case 25 of
// docs/guarantees.md). It is exact where JavaScript is not: ids go up to 2^64-1.
type Decoder struct {
	config Config
	// waiting is nil but between a text and the last of its attachments: there are as many decoders as clients.
	waiting *unfinished
}

// unfinished is a packet that lacks attachments: the first len(attachments)-missing are there.
type unfinished struct {
	packet      Packet
	attachments [][]byte
	missing     int
	size        int
}

// NewDecoder makes a decoder, or returns an error when the config asks for something impossible.
func NewDecoder(config Config) (*Decoder, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Decoder{config: config}, nil
}

// Add reads a text frame. It reports true with a packet that is complete, false while attachments are awaited. The
// packet keeps parts of the text, which the caller must not change afterwards. Errors are of the type [*Error].
func (d *Decoder) Add(text []byte) (Packet, bool, error) {
	if d.waiting != nil {
		return Packet{}, false, refuse("a text while %d attachments are awaited", d.waiting.missing)
	}
	p, rest, n, err := d.head(text)
	if err != nil {
		return Packet{}, false, err
	}
	var attachments [][]byte
	if n > 0 {
		// The payload is checked now, with the attachments that it will have; they are put into this slice as they
		// come, before anybody else sees the packet.
		attachments = make([][]byte, n)
	}
	if err := d.payload(&p, rest, attachments); err != nil {
		return Packet{}, false, err
	}
	if n > 0 {
		d.waiting = &unfinished{packet: p, attachments: attachments, missing: n}
		return Packet{}, false, nil
	}
	return p, true, nil
}

// AddBinary reads a binary frame, the next attachment of the packet that was begun by a text. It reports true with the
// packet when it was the last. The packet keeps the data, which the caller must not change afterwards. Errors are of
// the type [*Error].
func (d *Decoder) AddBinary(data []byte) (Packet, bool, error) {
	w := d.waiting
	if w == nil {
		return Packet{}, false, refuse("a binary while none is awaited")
	}
	w.size += len(data)
	if w.size > d.config.MaxAttachmentBytes {
		return Packet{}, false, tooMuch(ErrAttachmentBytes, "the attachments have more than %d bytes together", d.config.MaxAttachmentBytes)
	}
	w.attachments[len(w.attachments)-w.missing] = data
	w.missing--
	if w.missing > 0 {
		return Packet{}, false, nil
	}
	d.waiting = nil
	return w.packet, true, nil
}

// head reads everything up to the payload: the type, the number of attachments, the namespace, the id.
func (d *Decoder) head(text []byte) (p Packet, rest []byte, attachments int, err error) {
	if len(text) == 0 {
		return p, nil, 0, refuse("an empty packet")
	}
	if text[0] < '0' || text[0] > '0'+byte(BinaryAck) {
		return p, nil, 0, refuse("unknown packet type")
	}
	p.Type = Type(text[0] - '0')
	rest = text[1:]
	if p.Type == BinaryEvent || p.Type == BinaryAck {
		if attachments, rest, err = d.attachmentCount(rest); err != nil {
			return p, nil, 0, err
		}
		p.Type -= BinaryEvent - Event
	}
	if p.Namespace, rest, err = d.namespace(rest); err != nil {
		return p, nil, 0, err
	}
	digits := countDigits(rest)
	if digits > 0 {
		if p.ID, err = strconv.ParseUint(string(rest[:digits]), 10, 64); err != nil {
			return p, nil, 0, refuse("an ack id that is too large")
		}
		p.HasID = true
	}
	return p, rest[digits:], attachments, nil
}

func (d *Decoder) attachmentCount(text []byte) (int, []byte, error) {
	digits := countDigits(text)
	if digits == 0 || digits == len(text) || text[digits] != '-' {
		return 0, nil, refuse("illegal attachments: expected their number and a dash")
	}
	n, err := strconv.Atoi(string(text[:digits]))
	switch {
	case err != nil || n > d.config.MaxAttachments:
		return 0, nil, tooMuch(ErrAttachments, "too many attachments: at most %d are allowed", d.config.MaxAttachments)
	case n == 0:
		return 0, nil, refuse("illegal attachments: a binary packet has at least one")
	}
	return n, text[digits+1:], nil
}

// namespace reads a namespace up to its comma or to the end; without one it is "/".
func (d *Decoder) namespace(text []byte) (string, []byte, error) {
	if len(text) == 0 || text[0] != '/' {
		return "/", text, nil
	}
	name, rest, _ := bytes.Cut(text, []byte{','})
	switch {
	case len(name) == 1:
		return "/", rest, nil
	case len(name) > d.config.MaxNamespaceLength:
		return "", nil, tooMuch(ErrNamespaceLength, "illegal namespace: longer than %d bytes", d.config.MaxNamespaceLength)
	case !utf8.Valid(name):
		return "", nil, refuse("illegal namespace: not UTF-8")
	}
	return string(name), rest, nil
}

func countDigits(text []byte) int {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return n
}

// payload checks the payload and that it is of the shape that the packet's type asks for (isPayloadValid of
// socket.io-parser).
func (d *Decoder) payload(p *Packet, text []byte, attachments [][]byte) error {
	if len(text) == 0 {
		if p.Type == Event || len(attachments) > 0 {
			return refuse("invalid payload: %v without one", p.Type)
		}
		return nil
	}
	if p.Type == Disconnect {
		return refuse("invalid payload: %v with one", p.Type)
	}
	v, err := domain.NewValue(text, attachments...)
	if err != nil {
		return &Error{Reason: "invalid payload", Err: err}
	}
	p.Payload = v
	first := v.JSON()[0]
	switch p.Type {
	case Event:
		if p.event, err = v.Packet(); err != nil {
			return &Error{Reason: "invalid payload", Err: err}
		}
		if len(p.event.Event()) > d.config.MaxEventLength {
			return tooMuch(ErrEventLength, "the name of the event is longer than %d bytes", d.config.MaxEventLength)
		}
	case Ack:
		if first != '[' {
			return refuse("invalid payload: an answer must be an array")
		}
	case Connect:
		if first != '{' {
			return refuse("invalid payload: that of CONNECT must be an object")
		}
	case ConnectError:
		if first != '{' && first != '"' {
			return refuse("invalid payload: that of CONNECT_ERROR must be an object or a string")
		}
	default:
		// DISCONNECT has none, and the binary types became the plain ones.
	}
	return nil
}
