// Package interop holds no code but tests: Go nodes and Node.js servers in one cluster, on a real Redis, with official
// clients at both ends.
package interop
