package handlers

import (
	"slices"
	"testing"
)

// Who goes through a list, or has copied it, does not see what is added later.
func TestListsAreSnapshots(t *testing.T) {
	var l, copied List[int]
	l.Add(1)
	l.Add(2)
	before := l.All()
	copied.Become(&l)
	l.Add(3)
	copied.Add(4)
	for name, pair := range map[string][2][]int{
		"before": {before, {1, 2}}, "after": {l.All(), {1, 2, 3}}, "copied": {copied.All(), {1, 2, 4}},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s: %v, want %v", name, pair[0], pair[1])
		}
	}
}

func TestNamedAreSnapshots(t *testing.T) {
	var n, copied, empty Named[int]
	if got := n.Of("a"); got != nil {
		t.Errorf("nothing is %v", got)
	}
	n.Add("a", 1)
	n.Add("b", 2)
	copied.Become(&n)
	n.Add("a", 3)
	copied.Add("a", 4)
	copied.Add("c", 5)
	if got := n.Of("a"); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("the original's are %v", got)
	}
	if got := copied.Of("a"); !slices.Equal(got, []int{1, 4}) {
		t.Errorf("the copy's are %v", got)
	}
	copied.Become(&empty)
	copied.Add("a", 6)
	if got := copied.Of("a"); !slices.Equal(got, []int{6}) {
		t.Errorf("the copy of nothing has %v", got)
	}
}
