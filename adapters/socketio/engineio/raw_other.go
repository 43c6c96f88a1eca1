//go:build !unix

package engineio

import (
	"net"
	"syscall"
)

// rawConn returns nil: here every connection has a writer of its own.
func rawConn(net.Conn) syscall.RawConn { return nil }

// writeTo is never called, for want of a raw connection.
func writeTo(uintptr, []byte) (int, error) { return 0, syscall.EAGAIN }
