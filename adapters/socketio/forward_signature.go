package socketio

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/roombus/roombus/adapters/socketio/engineio"
)

// forwardHeader is by which a node marks what it passes on: "1.time.client.signature", where time is in milliseconds since
// 1970, client the address from which the request came, in URL-safe base64, and signature, in the same, the HMAC-SHA-256 of
// the other parts, the method and the target of the request. In an answer it means that the mark was not accepted.
//
// There is no number that is used once. Whoever could repeat such a request has read it on its way between two nodes, and
// so knows the id of the connection, with which anybody may send requests anyway: a repeated one can do no more, and bears
// the address of the client whose request it was.
const forwardHeader = "Roombus-Forwarded"

const (
	forwardVersion = "1"
	// maxForwardHeader bounds what is looked at.
	maxForwardHeader = 512
	// clockSkew is how far the clocks of two nodes may be apart.
	clockSkew = 30 * time.Second
)

// What is wrong with a mark. The sender sees the text.
var (
	errMarkShape     = errors.New("the mark of a node that passes on a request is malformed")
	errMarkSignature = errors.New("the mark of a node that passes on a request is not signed with the secret of this cluster")
)

// sign makes the mark of a request.
func (f *forwarder) sign(method, target, client string, now time.Time) string {
	stamp := strconv.FormatInt(now.UnixMilli(), 10)
	if len(client) > maxForwardHeader/4 { // somebody's middleware has written a novel into RemoteAddr
		client = ""
	}
	from := base64.RawURLEncoding.EncodeToString([]byte(client))
	mac := markMAC(f.keys[0], method, target, stamp, from)
	return strings.Join([]string{forwardVersion, stamp, from, base64.RawURLEncoding.EncodeToString(mac)}, ".")
}

// verify checks the marks of a request, of which there must be one, and returns the client's address.
func (f *forwarder) verify(marks []string, method, target string, now time.Time) (client string, err error) {
	if len(marks) != 1 || len(marks[0]) > maxForwardHeader || strings.ContainsAny(marks[0], "\r\n") { // base64 skips line breaks
		return "", errMarkShape
	}
	parts := strings.Split(marks[0], ".")
	if len(parts) != 4 || parts[0] != forwardVersion {
		return "", errMarkShape
	}
	stamp, from := parts[1], parts[2]
	milliseconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return "", errMarkShape
	}
	address, err := base64.RawURLEncoding.Strict().DecodeString(from)
	if err != nil {
		return "", errMarkShape
	}
	mac, err := base64.RawURLEncoding.Strict().DecodeString(parts[3])
	if err != nil {
		return "", errMarkShape
	}
	signed := false
	for _, key := range f.keys {
		if hmac.Equal(mac, markMAC(key, method, target, stamp, from)) {
			signed = true
		}
	}
	if !signed {
		return "", errMarkSignature
	}
	if apart := now.Sub(time.UnixMilli(milliseconds)).Abs(); apart > clockSkew {
		return "", fmt.Errorf("the request was passed on %s ago, or the clocks of the two nodes are that far apart; at most "+
			"%s are allowed", apart.Round(time.Second), clockSkew)
	}
	return string(address), nil
}

// markMAC signs the parts of a mark. None of them can have a line break: the first two are of a request line, the others of
// a header.
func markMAC(key []byte, method, target, stamp, from string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{"roombus forward", forwardVersion, method, target, stamp, from} {
		mac.Write([]byte(part)) // never fails, says hash.Hash
		mac.Write([]byte{'\n'})
	}
	return mac.Sum(nil)
}

// forbid answers a request whose mark is not accepted, in the form of Engine.IO's refusals.
func forbid(w http.ResponseWriter, why error) {
	body, err := json.Marshal(struct {
		Code    engineio.RefusalCode `json:"code"`
		Message string               `json:"message"`
	}{engineio.Forbidden, why.Error()})
	if err != nil {
		body = nil // a number and a text cannot fail
	}
	w.Header().Set(forwardHeader, "refused")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write(body) // who does not take it has lost nothing
}
