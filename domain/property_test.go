package domain_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/roombus/roombus/domain"
)

// forSeeds runs a property with the seeds 1 to n and one that is new in every run. The name of a failing subtest tells
// its seed; ROOMBUS_SEED=<seed> runs that one alone.
func forSeeds(t *testing.T, n uint64, property func(t *testing.T, rnd *rand.Rand)) {
	t.Helper()
	var seeds []uint64
	if text, ok := os.LookupEnv("ROOMBUS_SEED"); ok {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("ROOMBUS_SEED: %v", err)
		}
		seeds = append(seeds, seed)
	} else {
		for seed := uint64(1); seed <= n; seed++ {
			seeds = append(seeds, seed)
		}
		seeds = append(seeds, rand.Uint64())
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			property(t, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

// at is the n-th position of a log for tests; the zeroth is the zero Offset.
func at(n int) domain.Offset {
	if n == 0 {
		return ""
	}
	return domain.Offset(strconv.Itoa(n))
}

// compareOffsets orders positions made by at. As in every log, what is none of them is before everything.
func compareOffsets(a, b domain.Offset) int {
	return position(a) - position(b)
}

func position(o domain.Offset) int {
	n, err := strconv.Atoi(string(o))
	if err != nil {
		return 0
	}
	return n
}

func chance(rnd *rand.Rand, percent int) bool { return rnd.IntN(100) < percent }

func pick[T any](rnd *rand.Rand, from []T) T { return from[rnd.IntN(len(from))] }

// some is a random selection, in order.
func some[T any](rnd *rand.Rand, from []T, percent int) []T {
	var chosen []T
	for _, v := range from {
		if chance(rnd, percent) {
			chosen = append(chosen, v)
		}
	}
	return chosen
}

// noon is where the tests' wall clocks begin.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
