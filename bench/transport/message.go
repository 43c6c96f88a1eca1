package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/roombus/roombus/domain"
)

// What every contender sends: the event `["message","<number><padding>"]`, 100 bytes of JSON, to one room. The
// contenders without an adapter of Socket.IO get the fields of its entries and put them into a stream themselves.
const (
	argsSize     = 100
	argsBefore   = `["message","`
	argsAfter    = `"]`
	numberDigits = 8
	room         = "lobby"
	namespace    = "/"

	envelopeBefore = `{"packet":{"type":2,"data":`
	envelopeAfter  = `},"opts":{"rooms":["` + room + `"],"except":[],"flags":{}}}`

	// marker is the number of the message that ends a phase. It is published when all others have their outcome, so
	// that it stands behind them in the stream.
	marker = 99_999_999
)

const zeros = "00000000" // of numberDigits

var padding = strings.Repeat("x", argsSize-len(argsBefore)-numberDigits-len(argsAfter))

// args is the event with a number.
func args(number int) []byte { return appendArgs(make([]byte, 0, argsSize), number) }

// appendArgs costs next to nothing, so that what is measured is not this program.
func appendArgs(dst []byte, number int) []byte {
	dst = append(dst, argsBefore...)
	dst = append(dst, zeros...)
	for at := len(dst) - 1; number > 0; at-- {
		dst[at] += byte(number % 10)
		number /= 10
	}
	dst = append(dst, padding...)
	return append(dst, argsAfter...)
}

// envelope is the event as the Node.js adapter stores it, in the field data.
func envelope(number int) []byte {
	dst := make([]byte, 0, len(envelopeBefore)+argsSize+len(envelopeAfter))
	dst = append(dst, envelopeBefore...)
	dst = appendArgs(dst, number)
	return append(dst, envelopeAfter...)
}

// fields are those of the Node.js adapter's entries besides data.
var fields = map[string]string{"uid": "0123456789abcdef", "nsp": namespace, "type": "3"}

var target = domain.Target{Rooms: []string{room}}

// numberOf reads the number of an event.
func numberOf(args []byte) (int, error) {
	text, ok := bytes.CutPrefix(args, []byte(argsBefore))
	if !ok || len(args) != argsSize {
		return 0, fmt.Errorf("an event of %d bytes that is none of this program's", len(args))
	}
	number, err := strconv.Atoi(string(text[:numberDigits]))
	if err != nil {
		return 0, fmt.Errorf("the number of an event: %w", err)
	}
	return number, nil
}

// argsIn is the event inside an envelope.
func argsIn(envelope []byte) []byte {
	args, ok := bytes.CutPrefix(envelope, []byte(envelopeBefore))
	if !ok || len(args) < argsSize {
		return nil
	}
	return args[:argsSize]
}
