package admin

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// maxFailures is how many logins may fail at once from one address, recovery how long it takes until one more may.
	maxFailures = 5
	recovery    = 12 * time.Second
	// maxAddresses is how many addresses are remembered; beyond that all others share one bucket.
	maxAddresses = 4_096
)

// attempts bounds failing logins by token buckets, one an address; of IPv6, one a network of 64 bits, in which a machine
// may have any address that it likes. The address is the one of the network connection: headers can say anything.
type attempts struct {
	mu  sync.Mutex
	now func() time.Time
	by  map[string]*bucket
	// forgot is when it was last looked for addresses that need not be remembered.
	forgot time.Time
}

// bucket has what an address may still get wrong.
type bucket struct {
	left float64
	at   time.Time
}

func newAttempts() *attempts { return &attempts{now: time.Now, by: make(map[string]*bucket)} }

// take takes a token for a login, and reports false where there is none.
func (a *attempts) take(address string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.bucket(address)
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// back gives the token of a login back that was right.
func (a *attempts) back(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.bucket(address)
	b.left = min(maxFailures, b.left+1)
}

// bucket is an address' bucket as it is now. mu is held.
func (a *attempts) bucket(address string) *bucket {
	now := a.now()
	address = network(address)
	b, ok := a.by[address]
	if !ok {
		if len(a.by) >= maxAddresses {
			a.forget(now)
		}
		if len(a.by) >= maxAddresses {
			address = "" // what all others share
			if b, ok = a.by[address]; ok {
				b.fill(now)
				return b
			}
		}
		b = &bucket{left: maxFailures, at: now}
		a.by[address] = b
		return b
	}
	b.fill(now)
	return b
}

// network is what of an address is one machine's, or a household's.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || !ip.Is6() || ip.Is4In6() {
		return address
	}
	if prefix, err := ip.Prefix(64); err == nil {
		return prefix.String()
	}
	return address
}

// fill adds what has come since.
func (b *bucket) fill(now time.Time) {
	b.left = min(maxFailures, b.left+float64(now.Sub(b.at))/float64(recovery))
	b.at = now
}

// forget drops the addresses that have a full bucket, once a second at most. mu is held.
func (a *attempts) forget(now time.Time) {
	if now.Sub(a.forgot) < time.Second {
		return
	}
	a.forgot = now
	for address, b := range a.by {
		b.fill(now)
		if b.left >= maxFailures {
			delete(a.by, address)
		}
	}
}
