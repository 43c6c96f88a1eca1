package realredis

import (
	"os"
	"path/filepath"
)

// aof is the part of the append-only file to which a server of the tests writes: they never rewrite it.
func (s *Server) aof() string {
	return filepath.Join(s.dir, "appendonlydir", "appendonly.aof.1.incr.aof")
}

// AOFSize is the size of the append-only file: what Redis has answered is in it.
func (s *Server) AOFSize() int64 {
	s.t.Helper()
	info, err := os.Stat(s.aof())
	if err != nil {
		s.t.Fatalf("look at the append-only file: %v", err)
	}
	return info.Size()
}

// TruncateAOF cuts the append-only file of a server that was killed to a size that it had, as when the machine dies
// before the system has written the rest to its disk.
func (s *Server) TruncateAOF(size int64) {
	s.t.Helper()
	if err := os.Truncate(s.aof(), size); err != nil {
		s.t.Fatalf("truncate the append-only file: %v", err)
	}
}
