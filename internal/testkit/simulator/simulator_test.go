package simulator

import (
	"flag"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

var (
	firstSeed = flag.Uint64("first", 1, "the first seed of TestCluster")
	seeds     = flag.Uint64("seeds", 2000, "how many seeds TestCluster goes through")
	oneSeed   = flag.Uint64("seed", 0, "let TestCluster go through this seed alone, and tell its story")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCluster lets clusters go through their plans. A seed that fails tells its story, without what has no part in it.
func TestCluster(t *testing.T) {
	if *oneSeed > 0 {
		r := Run(t, *oneSeed)
		t.Logf("%s", r.Story())
		report(t, r)
		return
	}
	var mu sync.Mutex
	tally := make(Tally)
	t.Cleanup(func() { t.Logf("\n%s", tally) })
	shards := uint64(runtime.GOMAXPROCS(0))
	for shard := range shards {
		t.Run(fmt.Sprint("shard ", shard), func(t *testing.T) {
			t.Parallel()
			failed := 0
			for seed := *firstSeed + shard; seed < *firstSeed+*seeds && failed < 5; seed += shards {
				r := Run(t, seed)
				mu.Lock()
				tally.Add(r.Tally)
				mu.Unlock()
				if len(r.Wrong) == 0 {
					continue
				}
				report(t, r)
				failed++
				if failed == 1 {
					t.Logf("the story of seed %d, shortened:\n%s", seed, Shorten(t, r).Story())
				}
			}
		})
	}
}

func report(t *testing.T, r *Result) {
	t.Helper()
	for _, wrong := range r.Wrong {
		t.Errorf("seed %d: %s", r.Seed, wrong)
	}
	if len(r.Wrong) > 0 {
		t.Errorf("replay it: go test ./internal/testkit/simulator -run TestCluster -v -cpu 1 -seed %d", r.Seed)
	}
}

// A seed decides everything but the order of what happens at the same nanosecond: see the package's documentation.
func TestASeedIsReplayed(t *testing.T) {
	const tries = 60
	same := 0
	for seed := uint64(1); seed <= tries; seed++ {
		if !reflect.DeepEqual(newPlan(seed), newPlan(seed)) {
			t.Fatalf("seed %d: two plans", seed)
		}
		first := outcome(Run(t, seed))
		if outcome(Run(t, seed)) == first {
			same++
		}
	}
	t.Logf("%d of %d seeds went the same way twice", same, tries)
	if same < tries/2 {
		t.Errorf("only %d of %d seeds went the same way twice", same, tries)
	}
}

// outcome is the part of a story that says where everything went.
func outcome(r *Result) string {
	lines := slices.DeleteFunc(strings.Split(r.Story(), "\n"), func(l string) bool {
		return !strings.Contains(l, " log  ") && !strings.Contains(l, " delivers ") && !strings.Contains(l, " replays ")
	})
	slices.Sort(lines) // what happens on two nodes at the same time is told in any order
	return strings.Join(lines, "\n")
}

// A story that is shortened still goes wrong, and has lost what has no part in it.
func TestShorten(t *testing.T) {
	lossy := mutant{log: handlers(dropping)}
	for seed := uint64(1); seed < 20; seed++ {
		r := simulate(t, newPlan(seed), lossy)
		if len(r.Wrong) == 0 {
			continue
		}
		short := shorten(t, r, lossy)
		if len(short.Wrong) == 0 || len(short.plan.actions) > len(r.plan.actions)/2 {
			t.Errorf("%d of %d actions are left, and wrong is %v", len(short.plan.actions), len(r.plan.actions), short.Wrong)
		}
		return
	}
	t.Error("nothing went wrong")
}
