package metrics

import (
	"sync"
	"sync/atomic"

	"github.com/roombus/roombus/domain"
)

// lane is how a message travels.
type lane uint8

const (
	logLane lane = iota
	channelLane
	lanes // how many there are
)

func (l lane) String() string {
	if l == channelLane {
		return "channel"
	}
	return "log"
}

// kinds is one more than the greatest kind.
const kinds = domain.KindGoodbye + 1

// traffic counts the messages of one kind on one lane.
type traffic struct {
	sent, sentBytes, received, receivedBytes atomic.Int64
	failed                                   [len(failures)]atomic.Int64
}

// counts are what is counted here. They are read when the metrics are collected: to count costs an addition.
type counts struct {
	traffic [lanes][kinds]traffic

	trimmed, holes, trimmedLost, holesLost atomic.Int64
	resets, repeats, bad                   atomic.Int64
	losses                                 atomic.Int64
	dropped                                [kinds]atomic.Int64
	complete, partial, failed              [kinds]atomic.Int64
	recoveries                             [domain.RecoveryDisabled + 1]atomic.Int64
	replayed, sessionFailures              atomic.Int64
	changes                                [domain.MemberLost + 1]atomic.Int64

	mu   sync.Mutex
	lost map[string]struct{} // streams and channels that cannot be read now
}

// at is the place of a kind in an array; what is none counts as 0, which is no kind either.
func at(kind domain.Kind) domain.Kind {
	if !kind.Valid() {
		return 0
	}
	return kind
}

// sizeOf is how many bytes of the application's a message carries.
func sizeOf(b domain.Body) int {
	switch b := b.(type) {
	case *domain.Broadcast:
		return b.Packet.Size()
	case *domain.ServerSideEmit:
		return b.Packet.Size()
	case *domain.ServerSideEmitReply:
		return b.Value.Size()
	case *domain.Ack:
		return b.Value.Size()
	default:
		return 0
	}
}

func (c *counts) isLost(stream string, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !lost {
		delete(c.lost, stream)
		return
	}
	if c.lost == nil {
		c.lost = make(map[string]struct{})
	}
	c.lost[stream] = struct{}{}
}

func (c *counts) lostNow() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.lost)
}
