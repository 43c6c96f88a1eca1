// Package endtoend holds tests of whole clusters as they are run: processes of `roombus serve` on a real Redis, a
// proxy before them, and clients of the official package that lose their connections and come back. What each client
// has received is compared with the log.
package endtoend
