package redisstream

import (
	"bytes"
	"errors"

	"github.com/roombus/roombus/domain"
)

// errReply is what an answer is that is none to the command that was sent.
var errReply = errors.New("the server's answer has an unexpected form")

// refusal is an error that a server answered, as redis.Error has it.
type refusal string

// Error is the server's text.
func (r refusal) Error() string { return string(r) }

// RedisError marks a server's answer.
func (refusal) RedisError() {}

// reply reads an answer in RESP2 or RESP3, as far as streams need it, out of bytes that hold it as a whole. go-redis
// frames the answer; its own forms of it would cost a map an entry and two allocations a field.
type reply struct{ rest []byte }

// head reads a line: its type, and what stands behind it.
func (r *reply) head() (kind byte, line []byte, err error) {
	end := bytes.IndexByte(r.rest, '\n')
	if end < 2 || r.rest[end-1] != '\r' {
		return 0, nil, errReply
	}
	kind, line = r.rest[0], r.rest[1:end-1]
	r.rest = r.rest[end+1:]
	switch kind {
	case '-':
		return 0, nil, refusal(line)
	case '!': // an error as long as it likes
		text, err := r.cut(line)
		if err != nil {
			return 0, nil, err
		}
		return 0, nil, refusal(text)
	default:
		return kind, line, nil
	}
}

// streams reads the head of an answer to XREAD: how many streams there are, and whether they are a map, as in RESP3.
func (r *reply) streams() (n int, isMap bool, err error) {
	kind, line, err := r.head()
	switch {
	case err != nil:
		return 0, false, err
	case kind == '_', kind == '*' && string(line) == "-1": // nothing came while it waited
		return 0, false, nil
	case kind != '*' && kind != '%':
		return 0, false, errReply
	}
	n, err = length(line)
	return n, kind == '%', err
}

// list reads the head of an array; nil is an empty one.
func (r *reply) list() (int, error) {
	n, isMap, err := r.streams()
	if isMap {
		return 0, errReply
	}
	return n, err
}

// pair reads the head of an array of two.
func (r *reply) pair() error {
	n, err := r.list()
	if err == nil && n != 2 {
		return errReply
	}
	return err
}

// bulk reads a text. It is a part of the answer.
func (r *reply) bulk() ([]byte, error) {
	if n, at, ok := bulkHead(r.rest); ok && n <= len(r.rest)-at-2 {
		text := r.rest[at : at+n : at+n]
		r.rest = r.rest[at+n+2:]
		return text, nil
	}
	kind, line, err := r.head()
	if err != nil {
		return nil, err
	}
	if kind != '$' {
		return nil, errReply
	}
	return r.cut(line)
}

// status reads a short text such as OK.
func (r *reply) status() error {
	kind, _, err := r.head()
	if err == nil && kind != '+' {
		err = errReply
	}
	return err
}

// id reads the id of an entry, in memory of its own.
func (r *reply) id() (domain.Offset, error) {
	text, err := r.bulk()
	if err == nil && len(text) == 0 {
		err = errReply
	}
	return domain.Offset(text), err
}

// cut reads as many bytes as a line says, and the end of the line after them.
func (r *reply) cut(line []byte) ([]byte, error) {
	n, err := length(line)
	if err != nil || n > len(r.rest)-2 {
		return nil, errReply
	}
	text := r.rest[:n:n]
	r.rest = r.rest[n+2:]
	return text, nil
}

// bulkHead reads the head of a text: how long it is, and where it begins. False for anything else, and for a head that
// is not there as a whole. Nearly all lines are such, and very short.
func bulkHead(data []byte) (n, at int, ok bool) {
	const maxDigits = 10
	if len(data) == 0 || data[0] != '$' {
		return 0, 0, false
	}
	for i := 1; i < len(data)-1 && i <= maxDigits+1; i++ {
		switch c := data[i]; {
		case '0' <= c && c <= '9':
			n = n*10 + int(c-'0')
		case c == '\r' && data[i+1] == '\n' && i > 1:
			return n, i + 2, true
		default:
			return 0, 0, false
		}
	}
	return 0, 0, false
}

func length(line []byte) (int, error) {
	const maxDigits = 10
	if len(line) == 0 || len(line) > maxDigits {
		return 0, errReply
	}
	n := 0
	for _, c := range line {
		if c < '0' || c > '9' {
			return 0, errReply
		}
		n = n*10 + int(c-'0')
	}
	return n, nil
}
