package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// door lets in who knows the user and the password.
//
// To compare with a hash takes a good part of a tenth of a second, on purpose, and the page asks every second. So what was
// right once is known again by a keyed digest that is kept in memory alone. What is wrong takes its time, one at a time,
// and each address may be wrong a few times a minute only.
type door struct {
	user string
	hash []byte
	key  []byte

	mu      sync.Mutex
	known   []byte // the digest of the credentials that were right
	failed  map[string]*failures
	hashing sync.Mutex
}

// failures are those of an address: so many since a time.
type failures struct {
	count int
	since time.Time
}

// What an address may get wrong within a window, and how many addresses are remembered; all others share one account.
const (
	maxFailures   = 10
	failureWindow = time.Minute
	maxAddresses  = 1000
	others        = "others"
)

// maxPassword is what bcrypt looks at.
const maxPassword = 72

func newDoor(user, password string) (*door, error) {
	switch {
	case user == "" || password == "":
		return nil, errors.New("the console needs a user and a password, or to be told that somebody else checks who comes")
	case strings.Contains(user, ":"):
		return nil, errors.New("the console's user must not contain a colon: basic authentication ends the name with it")
	}
	d := &door{user: user, key: make([]byte, sha256.Size), failed: make(map[string]*failures)}
	_, _ = rand.Read(d.key) // never fails
	if isHash(password) {
		if _, err := bcrypt.Cost([]byte(password)); err != nil {
			return nil, fmt.Errorf("the console's password looks like a bcrypt hash, but is none: %w", err)
		}
		d.hash = []byte(password)
		return d, nil
	}
	if len(password) > maxPassword {
		return nil, fmt.Errorf("the console's password has %d bytes; bcrypt takes %d at the most", len(password), maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return nil, fmt.Errorf("hash the console's password: %w", err)
	}
	d.hash = hash
	return d, nil
}

func isHash(password string) bool {
	for _, prefix := range []string{"$2a$", "$2b$", "$2y$"} {
		if strings.HasPrefix(password, prefix) {
			return true
		}
	}
	return false
}

// opens tells whether a request may go on; else it has answered it.
func (d *door) opens(w http.ResponseWriter, r *http.Request) bool {
	user, password, given := r.BasicAuth()
	if given && d.isKnown(user, password) {
		return true
	}
	if given {
		from := network(r.RemoteAddr)
		if wait := d.mustWait(from, time.Now()); wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
			http.Error(w, "Too many wrong passwords from this address; try again in a minute.", http.StatusTooManyRequests)
			return false
		}
		if d.isRight(user, password) {
			return true
		}
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="roombus console", charset="UTF-8"`)
	http.Error(w, "The console needs its user and password.", http.StatusUnauthorized)
	return false
}

// network is what of the address of a connection is one machine's, or a household's: of IPv6 a network of 64 bits, in
// which a machine may have any address that it likes.
func network(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Is6() || ip.Is4In6() {
		return host
	}
	if prefix, err := ip.Prefix(64); err == nil {
		return prefix.String()
	}
	return host
}

func (d *door) digest(user, password string) []byte {
	mac := hmac.New(sha256.New, d.key)
	_, _ = fmt.Fprintf(mac, "%d:%s%s", len(user), user, password) // a hash takes everything
	return mac.Sum(nil)
}

func (d *door) isKnown(user, password string) bool {
	digest := d.digest(user, password)
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known != nil && hmac.Equal(digest, d.known)
}

// isRight compares with the hash, one at a time: it takes long, and so it does for a user who does not exist.
func (d *door) isRight(user, password string) bool {
	d.hashing.Lock()
	err := bcrypt.CompareHashAndPassword(d.hash, []byte(password))
	d.hashing.Unlock()
	same := subtle.ConstantTimeCompare(d.digest(user, ""), d.digest(d.user, "")) == 1
	if err != nil || !same {
		return false
	}
	digest := d.digest(user, password)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known = digest
	return true
}

// mustWait counts an attempt of an address, and says how long it must wait if it was wrong too often. What turns out to
// be right is known from then on, and counts no more.
func (d *door) mustWait(from string, now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.failed[from]
	if !ok {
		if len(d.failed) >= maxAddresses {
			d.forget(now)
		}
		if len(d.failed) >= maxAddresses {
			from = others
		}
		if f = d.failed[from]; f == nil {
			f = &failures{since: now}
			d.failed[from] = f
		}
	}
	if now.Sub(f.since) >= failureWindow {
		f.count, f.since = 0, now
	}
	if f.count >= maxFailures {
		return failureWindow - now.Sub(f.since)
	}
	f.count++
	return 0
}

func (d *door) forget(now time.Time) {
	for from, f := range d.failed {
		if now.Sub(f.since) >= failureWindow {
			delete(d.failed, from)
		}
	}
}
