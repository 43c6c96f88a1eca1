//go:build unix

package engineio

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// rawConn returns what the flusher and watch need of a network connection: nil for
// TLS, and for all that is no socket of the system's.
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

// readFrom is one read from a file descriptor that does not block: 0 and no error
// where there is nothing now, io.EOF at the end.
func readFrom(fd uintptr, into []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), into)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return 0, nil
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// atEnd reports whether a file descriptor has nothing more to read, ever.
func atEnd(fd uintptr) bool {
	var one [1]byte
	n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n == 0 && err == nil
}
