package payload

import "github.com/roombus/roombus/domain"

// AppendOffset adds an offset to a packet for clients, as its last argument: the client remembers it, and recovers
// from it after a lost connection (Socket.IO 4.6, connection state recovery).
func AppendOffset(p domain.Packet, offset domain.Offset) domain.Packet {
	return p.Append(domain.TextValue(string(offset)))
}

// EndsInString reports whether the last element of a packet, be it the event's name alone, is a string. A client with
// recovery takes that string for an offset, whatever it is (case 13 of docs/guarantees.md).
func EndsInString(p domain.Packet) bool {
	json := p.JSON()
	for i := len(json) - 2; i > 0; i-- { // the last byte is the closing bracket
		switch json[i] {
		case ' ', '\t', '\r', '\n':
		default:
			return json[i] == '"'
		}
	}
	return false
}
