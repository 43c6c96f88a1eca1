//go:build unix

package engineio

import (
	"net"
	"syscall"
)

// rawConn returns what the flusher needs of a network connection: nil for TLS,
// and for all that is no socket of the system's.
func rawConn(conn net.Conn) syscall.RawConn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// writeTo is one write to a file descriptor that does not block.
func writeTo(fd uintptr, data []byte) (int, error) { return syscall.Write(int(fd), data) }
