//go:build !unix

package engineio

import (
	"io"
	"net"
	"syscall"
)

// rawConn returns nil: here every connection has a writer of its own, and is read
// by net.Conn.Read.
func rawConn(net.Conn) syscall.RawConn { return nil }

// What follows is never called, for want of a raw connection.

func writeTo(uintptr, []byte) (int, error)  { return 0, syscall.EAGAIN }
func readFrom(uintptr, []byte) (int, error) { return 0, io.EOF }
func atEnd(uintptr) bool                    { return false }
