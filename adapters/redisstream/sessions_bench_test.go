package redisstream

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
	"github.com/roombus/roombus/internal/testkit/realredis"
)

// BenchmarkSave stores a thousand sessions in one go, as a node does after a room change of each.
func BenchmarkSave(b *testing.B) {
	server := realredis.Start(b)
	transport, err := Connect(b.Context(), server.URL(), Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := transport.Close(); err != nil {
			b.Error(err)
		}
	}()
	const count = 1000
	sessions := make([]*domain.Session, count)
	for i := range sessions {
		id := fmt.Sprintf("session%013d", i)
		sessions[i] = &domain.Session{
			ID: domain.SessionID(id), Socket: domain.SocketID(id), Namespace: "/", Owner: "0123456789abcdef", Revision: 1,
			Stays: []domain.Stay{
				{Room: id, From: "1526919030474-55"}, {Room: "lobby", From: "1526919030474-55"},
				{Room: "room 17", From: "1526919030479-3"},
			},
			Began: "1526919030474-55", AsOf: "1526919030480-1", Epoch: "1", KeepFor: time.Hour, Claim: 1,
		}
	}
	cpu := func() (seconds float64) {
		info := server.Client().InfoMap(b.Context(), "cpu").Item("CPU", "used_cpu_user")
		system := server.Client().InfoMap(b.Context(), "cpu").Item("CPU", "used_cpu_sys")
		for _, text := range []string{info, system} {
			part, err := strconv.ParseFloat(text, 64)
			if err != nil {
				b.Fatal(err)
			}
			seconds += part
		}
		return seconds
	}
	before := cpu()
	b.ReportAllocs()
	for b.Loop() {
		if errs := transport.Sessions().Save(b.Context(), sessions); errs != nil {
			b.Fatal(errs)
		}
	}
	b.ReportMetric(float64(b.N)*count/b.Elapsed().Seconds(), "sessions/s")
	b.ReportMetric((cpu()-before)*1e6/float64(b.N)/count, "redis-µs/session")
}
