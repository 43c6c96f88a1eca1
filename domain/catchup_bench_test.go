package domain_test

import (
	"fmt"
	"testing"

	"github.com/roombus/roombus/domain"
)

// BenchmarkCatchUp is the look at one entry that is not for the client, which nearly all are.
func BenchmarkCatchUp(b *testing.B) {
	log := make([]*domain.Entry, 9000)
	for i := range log {
		log[i] = emit(i+1, to(fmt.Sprint("other", i%100)))
	}
	for _, rooms := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("rooms=%d", rooms), func(b *testing.B) {
			s := record(0)
			for i := range rooms {
				s.Stays = append(s.Stays, domain.Stay{Room: fmt.Sprint("room", i)})
			}
			b.ReportAllocs()
			for i := 0; i < b.N; {
				c := domain.NewCatchUp(s, "", compareOffsets)
				for _, e := range log {
					if c.Next(e) != domain.MissedNothing {
						b.Fatal("a packet for the client")
					}
				}
				i += len(log)
			}
		})
	}
}
