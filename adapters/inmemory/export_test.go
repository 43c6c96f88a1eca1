package inmemory

// SessionCount is how many sessions are in memory, expired ones included.
func (c *Cluster) SessionCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sessions.records)
}
