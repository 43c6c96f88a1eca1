// Package handlers is what the Socket.IO server and the Socket.IO client have in common towards the application: how an
// event's arguments become those of its functions, what these reply, what goes wrong in them, and the goroutine on which
// they run. The two packages name its types as their own.
package handlers
