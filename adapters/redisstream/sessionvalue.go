package redisstream

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/payload"
)

// maxOwner is how long an owner's name may be, in bytes: the longest text of msgpack with a length of one byte.
const maxOwner = 31

// The msgpack that begins a session's value, which the scripts look for.
const (
	msgpackMap    = 0x80 // and the number of its keys, up to 15
	msgpackText   = 0xa0 // and its length, up to 31
	msgpackUint64 = 0xcf
	maxMapKeys    = 15
)

// encodeSession is the value under which a session is stored: base64 of a msgpack map, as Node.js writes it, with the
// keys that it reads (sid, pid, rooms, data) and more that it ignores. The owner, the revision and the claim come
// first, in a form of fixed width, where the scripts find them.
func encodeSession(s *domain.Session) (string, error) {
	if len(s.Owner) > maxOwner {
		return "", fmt.Errorf("the owner's id is longer than %d bytes", maxOwner)
	}
	json, attachments := sessionJSON(s)
	whole, err := domain.NewEnvelope(json, attachments...)
	if err != nil {
		return "", err
	}
	rest, err := payload.AppendMsgpack(nil, whole)
	if err != nil {
		return "", err
	}
	keys := rest[0] - msgpackMap + 2
	if s.Claim > 0 {
		keys++
	}
	if rest[0] < msgpackMap || keys > maxMapKeys {
		return "", errors.New("the session has too many fields")
	}
	data := make([]byte, 0, len(rest)+64)
	data = append(data, msgpackMap|keys)
	data = appendMsgpackText(data, "owner")
	data = appendMsgpackText(data, string(s.Owner))
	data = appendMsgpackText(data, "rev")
	data = append(data, msgpackUint64)
	data = binary.BigEndian.AppendUint64(data, s.Revision)
	if s.Claim > 0 {
		data = appendMsgpackText(data, "claim")
		data = append(data, msgpackUint64)
		data = binary.BigEndian.AppendUint64(data, s.Claim)
	}
	data = append(data, rest[1:]...)
	return base64.StdEncoding.EncodeToString(data), nil
}

func appendMsgpackText(dst []byte, text string) []byte {
	return append(append(dst, msgpackText|byte(len(text))), text...)
}

// sessionJSON is the value without what comes first.
func sessionJSON(s *domain.Session) (json []byte, attachments [][]byte) {
	text := func(key, value string) {
		json = append(json, ',', '"')
		json = append(json, key...)
		json = append(json, '"', ':')
		json = domain.AppendQuoted(json, value)
	}
	json = append(json, `{"sid":`...)
	json = domain.AppendQuoted(json, string(s.Socket))
	text("pid", string(s.ID))
	json = append(json, `,"rooms":[`...)
	// Node.js takes the rooms in which the socket is; those that it has left are among the stays alone.
	first := true
	for _, stay := range s.Stays {
		if stay.Until != "" {
			continue
		}
		if !first {
			json = append(json, ',')
		}
		first = false
		json = domain.AppendQuoted(json, stay.Room)
	}
	json = append(json, `],"data":`...)
	if s.Data.IsZero() {
		json = append(json, "{}"...)
	} else {
		json, attachments = s.Data.AppendTo(json, attachments)
	}
	text("nsp", s.Namespace)
	json = append(json, `,"stays":[`...)
	for i, stay := range s.Stays {
		if i > 0 {
			json = append(json, ',')
		}
		json = append(json, '[')
		json = domain.AppendQuoted(json, stay.Room)
		json = append(json, ',')
		json = domain.AppendQuoted(json, string(stay.From))
		json = append(json, ',')
		json = domain.AppendQuoted(json, string(stay.Until))
		json = append(json, ']')
	}
	if s.Whole != "" { // there is no room for one more key
		if len(s.Stays) > 0 {
			json = append(json, ',')
		}
		json = append(json, '[')
		json = domain.AppendQuoted(json, string(s.Whole))
		json = append(json, ']')
	}
	json = append(json, ']')
	text("began", string(s.Began))
	text("asof", string(s.AsOf))
	text("epoch", string(s.Epoch))
	if s.Away {
		json = append(json, `,"away":true`...)
	}
	if s.Returning {
		json = append(json, `,"coming":true`...)
	}
	json = append(json, `,"keep":`...)
	json = strconv.AppendInt(json, s.KeepFor.Milliseconds(), 10)
	return append(json, '}'), attachments
}

var errNoSessionValue = errors.New("it is not a session")

// decodeSession reads a value that encodeSession or Node.js wrote. A session by Node.js has no owner, and its rooms
// hold for the whole log.
func decodeSession(id domain.SessionID, value string) (*domain.Session, error) {
	data, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return nil, errNoSessionValue
	}
	whole, err := payload.ParseMsgpack(data)
	if err != nil {
		return nil, err
	}
	s := &domain.Session{ID: id}
	var rooms, stays []byte
	for key, part := range domain.Fields(whole.JSON()) {
		v := whole.Part(part)
		text, _ := v.Text() // empty where it is none
		switch string(key) {
		case "owner":
			s.Owner = domain.NodeID(text)
		case "rev":
			s.Revision, _ = parseDigits(string(part))
		case "sid":
			s.Socket = domain.SocketID(text)
		case "nsp":
			s.Namespace = text
		case "began":
			s.Began = domain.Offset(text)
		case "asof":
			s.AsOf = domain.Offset(text)
		case "epoch":
			s.Epoch = domain.Epoch(text)
		case "away":
			s.Away = string(part) == "true"
		case "coming":
			s.Returning = string(part) == "true"
		case "claim":
			s.Claim, _ = parseDigits(string(part))
		case "keep":
			ms, _ := parseDigits(string(part))
			s.KeepFor = time.Duration(min(ms, 1<<40)) * time.Millisecond
		case "data":
			if string(part) != "{}" {
				s.Data = v
			}
		case "rooms":
			rooms = part
		case "stays":
			stays = part
		}
	}
	if s.Socket == "" {
		return nil, errNoSessionValue
	}
	s.Stays, s.Whole = decodeStays(whole, rooms, stays)
	return s, nil
}

func decodeStays(value domain.Value, rooms, stays []byte) (all []domain.Stay, whole domain.Offset) {
	text := func(part []byte) string {
		t, _ := value.Part(part).Text()
		return t
	}
	if stays == nil {
		for room := range domain.Elements(rooms) {
			all = append(all, domain.Stay{Room: text(room)})
		}
		return all, ""
	}
	for part := range domain.Elements(stays) {
		var three [3]string
		i := 0
		for element := range domain.Elements(part) {
			if i < len(three) {
				three[i] = text(element)
			}
			i++
		}
		if i == 1 {
			whole = domain.Offset(three[0])
			continue
		}
		all = append(all, domain.Stay{
			Room: three[0], From: domain.Offset(three[1]), Until: domain.Offset(three[2]),
		})
	}
	return all, whole
}
