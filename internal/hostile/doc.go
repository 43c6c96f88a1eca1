// Package hostile has no code of its own: its tests hold a Socket.IO server against clients that misbehave, each in a process
// of its own, while others go on with their work.
package hostile
