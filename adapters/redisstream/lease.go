package redisstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roombus/roombus/domain"
)

// leaseKey is where a node's lease is: among the sessions, so that it needs no more rights. No session has such an id.
func (s *Sessions) leaseKey(node domain.NodeID) string {
	return s.config.SessionKeyPrefix + "lease:" + string(node)
}

// Renew stores a node's lease; see ports.Leases. Its value is a JSON object: `asof` has the positions by stream, `lost`
// those by session.
func (s *Sessions) Renew(ctx context.Context, l *domain.Lease) error {
	if l.Node == "" || l.KeepFor < time.Millisecond {
		return errors.New("renew a lease: it needs a node, and to be kept for a millisecond at least")
	}
	value := appendPositions([]byte(`{"asof":`), l.AsOf)
	value = appendPositions(append(value, `,"lost":`...), l.Lost)
	value = append(value, '}')
	ctx, cancel := s.withDeadline(ctx)
	defer cancel()
	if err := s.servers.shared.Set(ctx, s.leaseKey(l.Node), value, l.KeepFor).Err(); err != nil {
		return explain(err, "renew a lease")
	}
	return nil
}

func appendPositions[K ~string](dst []byte, positions map[K]domain.Offset) []byte {
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(positions)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = domain.AppendQuoted(dst, string(key))
		dst = append(dst, ':')
		dst = domain.AppendQuoted(dst, string(positions[key]))
	}
	return append(dst, '}')
}

// Lease returns a node's lease; see ports.Leases.
func (s *Sessions) Lease(ctx context.Context, node domain.NodeID) (*domain.Lease, error) {
	ctx, cancel := s.withDeadline(ctx)
	defer cancel()
	text, err := s.servers.shared.Get(ctx, s.leaseKey(node)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read a lease: %w", domain.ErrNoLease)
	}
	if err != nil {
		return nil, explain(err, "read a lease")
	}
	return decodeLease(node, text)
}

func decodeLease(node domain.NodeID, text []byte) (*domain.Lease, error) {
	value, err := domain.NewValue(text)
	if err != nil {
		return nil, fmt.Errorf("read a lease: its value: %w", err)
	}
	l := &domain.Lease{Node: node}
	for key, part := range domain.Fields(value.JSON()) {
		switch string(key) {
		case "asof":
			l.AsOf = decodePositions[string](value, part)
		case "lost":
			l.Lost = decodePositions[domain.SessionID](value, part)
		}
	}
	return l, nil
}

func decodePositions[K ~string](whole domain.Value, object []byte) map[K]domain.Offset {
	positions := make(map[K]domain.Offset)
	for key, part := range domain.Fields(object) {
		if at, ok := whole.Part(part).Text(); ok {
			positions[K(key)] = domain.Offset(at)
		}
	}
	return positions
}
