package realredis

import (
	"net"
	"strings"
	"testing"
)

// StartReplica starts a server that replicates the one at an address, which may be a proxy's, and returns when it has
// the other's data.
func StartReplica(t testing.TB, of string, opts ...Option) *Server {
	t.Helper()
	host, port, err := net.SplitHostPort(of)
	if err != nil {
		t.Fatalf("start a replica of %s: %v", of, err)
	}
	s := Start(t, append(opts, WithConfig("replicaof "+host+" "+port))...)
	s.AwaitLink()
	return s
}

// AwaitLink returns when a replica's link to its master is up.
func (s *Server) AwaitLink() {
	s.t.Helper()
	await(s.t, "the replica's link is up", func() bool {
		info, err := s.Client().Info(s.t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
}

// DropReplicas ends the replication from this server for good: replicas lose what is written from now on, as when the
// server fails before it could send it. The default user must exist.
func (s *Server) DropReplicas() {
	s.t.Helper()
	for _, command := range [][]any{
		{"acl", "setuser", "default", "-psync", "-sync"},
		{"client", "kill", "type", "replica"},
	} {
		if err := s.Client().Do(s.t.Context(), command...).Err(); err != nil {
			s.t.Fatalf("end the replication: %v", err)
		}
	}
}
