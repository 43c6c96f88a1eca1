package engineio

import "sync/atomic"

// Traffic counts packets that have data, in both directions and over both
// transports, and the data's bytes: messages, and the packet that opens a
// connection. What a polling connection encodes, and what compression saves, is
// not looked at.
type Traffic struct {
	PacketsIn, PacketsOut, BytesIn, BytesOut uint64
}

// CountTraffic has messages counted from now on, for Stats.Traffic, when they have
// come and when they go out. It costs a few nanoseconds a message, and a write;
// without it nothing is paid.
func (s *Server) CountTraffic() { s.traffic.CompareAndSwap(nil, new(traffic)) }

// trafficShards is among how many counters connections are divided, so that
// cores seldom write to the same memory.
const trafficShards = 64

// traffic is what CountTraffic counts; the nil traffic counts nothing.
type traffic struct {
	shards [trafficShards]struct {
		packetsIn, packetsOut, bytesIn, bytesOut atomic.Uint64
		_                                        [96]byte // no two in the same pair of cache lines
	}
}

// shardOf is where a connection is counted: ids are random.
func shardOf(c *Conn) int { return int(c.id[0]) % trafficShards }

// in counts a message of a client.
func (t *traffic) in(c *Conn, size int) {
	if t == nil || size == 0 {
		return
	}
	shard := &t.shards[shardOf(c)]
	shard.packetsIn.Add(1)
	shard.bytesIn.Add(uint64(size))
}

// out counts a batch that goes out.
func (t *traffic) out(c *Conn, b *batch) {
	if t == nil || b.packets == 0 {
		return
	}
	shard := &t.shards[shardOf(c)]
	shard.packetsOut.Add(uint64(b.packets))
	shard.bytesOut.Add(uint64(b.data))
}

func (t *traffic) sum() (sum Traffic) {
	if t == nil {
		return sum
	}
	for i := range t.shards {
		shard := &t.shards[i]
		sum.PacketsIn += shard.packetsIn.Load()
		sum.PacketsOut += shard.packetsOut.Load()
		sum.BytesIn += shard.bytesIn.Load()
		sum.BytesOut += shard.bytesOut.Load()
	}
	return sum
}
