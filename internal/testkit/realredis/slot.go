package realredis

import (
	"slices"
	"strconv"
)

// MoveSlot moves the slot of a key to the next master, with all of its keys, as redis-cli --cluster reshard does: the
// old owner answers ASK for a key that has gone already, and MOVED when the slot has. between is called when all keys
// have gone and the slot has not.
func (c *Cluster) MoveSlot(key string, between func()) {
	c.t.Helper()
	ctx := c.t.Context()
	from := c.Owner(key)
	to := c.masters[(slices.Index(c.masters, from)+1)%len(c.masters)]
	slot := int(c.slot(key))
	do := func(s *Server, args ...any) {
		c.t.Helper()
		if err := s.Client().Do(ctx, args...).Err(); err != nil {
			c.t.Fatalf("move the slot %d: %v: %v", slot, args, err)
		}
	}
	do(to, "cluster", "setslot", slot, "importing", c.id(from))
	do(from, "cluster", "setslot", slot, "migrating", c.id(to))
	for {
		const some = 10
		keys, err := from.Client().ClusterGetKeysInSlot(ctx, slot, some).Result()
		if err != nil {
			c.t.Fatalf("list the keys of the slot %d: %v", slot, err)
		}
		if len(keys) == 0 {
			break
		}
		args := []any{"migrate", "127.0.0.1", strconv.Itoa(to.Port()), "", 0, startTime.Milliseconds(), "keys"}
		for _, key := range keys {
			args = append(args, key)
		}
		do(from, args...)
	}
	between()
	do(to, "cluster", "setslot", slot, "node", c.id(to))
	for _, s := range c.masters {
		if s != to {
			do(s, "cluster", "setslot", slot, "node", c.id(to))
		}
	}
	if c.moved == nil {
		c.moved = make(map[int64]*Server)
	}
	c.moved[int64(slot)] = to
}

func (c *Cluster) id(s *Server) string {
	c.t.Helper()
	id, err := s.Client().Do(c.t.Context(), "cluster", "myid").Text()
	if err != nil {
		c.t.Fatalf("ask for the id of a master: %v", err)
	}
	return id
}
