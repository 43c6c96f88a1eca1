// Package port chooses ports for test servers that must be able to stop and to come
// back on the same port.
package port

import "math/rand/v2"

// Ports below Linux's range for outgoing connections (32768 and up). A port of that
// range may be taken by anybody while its server is stopped: even a client that dials
// it over and over gets it in the end as its own side, and meets itself.
const (
	First = 15000
	Last  = 31999
	// Tries is how many candidates a server tries before it gives up.
	Tries = 20
)

// Candidate is a port by chance. It may be taken: who listens tries another then.
func Candidate() int {
	return First + rand.IntN(Last-First+1)
}
