package realredis

import (
	"strconv"
	"strings"
	"testing"
)

// Cluster is a Redis Cluster of three masters, each with a third of the slots.
type Cluster struct {
	t       testing.TB
	masters []*Server
	moved   map[int64]*Server // slots that are no longer where they were
}

const (
	clusterMasters = 3
	clusterSlots   = 16384
)

// clusterConfig makes a server a member of a cluster that calls a silent member down after a second.
func clusterConfig() Option {
	return WithConfig("cluster-enabled yes", "cluster-node-timeout 1000", "cluster-replica-validity-factor 0",
		"cluster-allow-replica-migration no", "repl-diskless-sync-delay 0")
}

// StartCluster starts a Redis Cluster and returns when it is whole.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	for i := range clusterMasters {
		s := Start(t, clusterConfig())
		first, end := clusterSlots*i/clusterMasters, clusterSlots*(i+1)/clusterMasters
		if err := s.Client().ClusterAddSlotsRange(t.Context(), first, end-1).Err(); err != nil {
			t.Fatalf("start a cluster: %v", err)
		}
		// Members that begin with one epoch would have to settle that first.
		if err := s.Client().Do(t.Context(), "cluster", "set-config-epoch", i+1).Err(); err != nil {
			t.Fatalf("start a cluster: %v", err)
		}
		c.masters = append(c.masters, s)
	}
	for _, s := range c.masters[1:] {
		c.meet(s)
	}
	for _, s := range c.masters {
		await(t, "the cluster is whole", func() bool { return knows(t, s, clusterMasters) })
	}
	return c
}

func (c *Cluster) meet(s *Server) {
	c.t.Helper()
	if err := s.Client().ClusterMeet(c.t.Context(), "127.0.0.1", strconv.Itoa(c.masters[0].Port())).Err(); err != nil {
		c.t.Fatalf("let a server meet the cluster: %v", err)
	}
}

// knows reports whether a member finds the cluster whole, and so many members in it.
func knows(t testing.TB, s *Server, members int) bool {
	info, err := s.Client().ClusterInfo(t.Context()).Result()
	return err == nil && strings.Contains(info, "cluster_state:ok") &&
		strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(members))
}

// URL is the address of the cluster.
func (c *Cluster) URL() string {
	return "redis+cluster://" + c.masters[0].Addr() + "," + c.masters[1].Addr()
}

func (c *Cluster) slot(key string) int64 {
	c.t.Helper()
	slot, err := c.masters[0].Client().ClusterKeySlot(c.t.Context(), key).Result()
	if err != nil {
		c.t.Fatalf("find the slot of %s: %v", key, err)
	}
	return slot
}

// Owner is the master that held a key's slot when the cluster was started, or to which it was moved since.
func (c *Cluster) Owner(key string) *Server {
	c.t.Helper()
	slot := c.slot(key)
	if s, ok := c.moved[slot]; ok {
		return s
	}
	for i, s := range c.masters {
		if slot < int64(clusterSlots*(i+1)/clusterMasters) {
			return s
		}
	}
	c.t.Fatalf("the slot %d of %s is nobody's", slot, key)
	return nil
}

// AddReplica starts a replica of a master and returns when it has the master's data and all members know it.
func (c *Cluster) AddReplica(of *Server) *Server {
	c.t.Helper()
	replica := Start(c.t, clusterConfig())
	c.meet(replica)
	id := c.id(of)
	await(c.t, "the replica knows the cluster", func() bool { return knows(c.t, replica, clusterMasters+1) })
	if err := replica.Client().ClusterReplicate(c.t.Context(), id).Err(); err != nil {
		c.t.Fatalf("make a replica: %v", err)
	}
	replica.AwaitLink()
	for _, s := range c.masters {
		await(c.t, "the master knows of the replica", func() bool {
			nodes, err := s.Client().ClusterNodes(c.t.Context()).Result()
			return err == nil && strings.Contains(nodes, "slave "+id)
		})
	}
	return replica
}
