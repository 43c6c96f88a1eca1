package redisstream

import (
	"reflect"
	"testing"

	"github.com/roombus/roombus/domain"
)

func at(ms uint64) entryID { return entryID{ms: ms} }

func ids(ms ...uint64) (batch []entryID) {
	for _, m := range ms {
		batch = append(batch, at(m))
	}
	return batch
}

// info is a stream of the entries from one time to another, one a millisecond, after so many were trimmed.
func infoOf(trimmed int64, first, last uint64) streamInfo {
	length := int64(last-first) + 1
	return streamInfo{length: length, added: trimmed + length, first: at(first), last: at(last)}
}

func TestCase06_PlaceFindsGaps(t *testing.T) {
	known := place{stream: "s", cursor: at(10), count: 10, known: true, first: at(1), sure: at(10)}
	unknown := known
	unknown.known = false
	for _, c := range []struct {
		title string
		place place
		info  streamInfo
		batch []entryID
		want  domain.Notice
	}{
		{"nothing new", known, infoOf(0, 1, 10), nil, nil},
		{"new entries", known, infoOf(0, 1, 12), ids(11, 12), nil},
		{"trimmed up to the cursor", known, infoOf(9, 10, 12), ids(11, 12), nil},
		{"trimmed just behind the cursor", known, infoOf(10, 11, 12), ids(11, 12), nil},
		{"one is missing", known, infoOf(11, 12, 13), ids(12, 13), &domain.Gap{After: "10-0", Next: "12-0", Lost: 1}},
		{"many are missing, more to come", known, infoOf(90, 91, 200), ids(91, 92),
			&domain.Gap{After: "10-0", Next: "91-0", Lost: 80}},
		{"the batch was trimmed in part", known, infoOf(92, 93, 200), ids(91, 92, 93, 94),
			&domain.Gap{After: "10-0", Next: "91-0", Lost: 80}},
		{"the batch was trimmed", known, infoOf(95, 96, 200), ids(91, 92),
			&domain.Gap{After: "10-0", Next: "91-0", Lost: 83}},
		{"all was trimmed", known, streamInfo{added: 15, last: at(15)}, nil, &domain.Gap{After: "10-0", Lost: 5}},
		{"read before it was trimmed to nothing", known, streamInfo{added: 12, last: at(12)}, ids(11, 12), nil},
		{"the place is not known, nothing was trimmed", unknown, infoOf(0, 1, 12), ids(11, 12), nil},
		{"the place is not known", unknown, infoOf(11, 12, 13), ids(12, 13), &domain.Gap{After: "10-0", Next: "12-0"}},
		{"less than a read was left", known, infoOf(11, 12, 12), ids(12), &domain.Gap{After: "10-0", Next: "12-0", Lost: 1}},
	} {
		t.Run(c.title, func(t *testing.T) {
			p := c.place
			notice, discard := p.check(c.info, c.batch)
			if gap, ok := c.want.(*domain.Gap); ok {
				gap.Stream = "s"
			}
			if !reflect.DeepEqual(notice, c.want) || discard {
				t.Errorf("told %+v, discard %t; want %+v", notice, discard, c.want)
			}
			p.advance(c.batch)
			if again, _ := p.check(c.info, nil); again != nil && c.place.known && p.cursor == c.info.last {
				t.Errorf("told again: %+v", again)
			}
		})
	}
}

func TestCase09_PlaceFindsResets(t *testing.T) {
	before := place{stream: "s", cursor: at(100), count: 100, known: true, first: at(1), sure: at(100)}
	for _, c := range []struct {
		title   string
		info    streamInfo
		batch   []entryID
		cursor  entryID
		known   bool
		count   int64
		discard bool
	}{
		{"gone", streamInfo{}, nil, entryID{}, true, 0, true},
		{"replaced, with times that go on", infoOf(0, 150, 152), ids(150, 151), at(100), false, 1, false},
		{"replaced, all read", infoOf(0, 150, 151), ids(150, 151), at(100), true, 0, false},
		{"replaced, with a clock that is behind", infoOf(0, 50, 52), nil, entryID{}, true, 0, true},
		{"came back older", infoOf(0, 1, 90), nil, at(90), true, 90, true},
		{"came back older, and went on", streamInfo{length: 92, added: 92, first: at(1), last: at(120)}, ids(119, 120),
			at(100), true, 90, false},
	} {
		t.Run(c.title, func(t *testing.T) {
			p := before
			notice, discard := p.check(c.info, c.batch)
			reset, ok := notice.(*domain.Reset)
			if !ok || reset.Reason == "" || reset.Stream != "s" {
				t.Fatalf("told %+v", notice)
			}
			if p.cursor != c.cursor || p.known != c.known || p.known && p.count != c.count || discard != c.discard {
				t.Errorf("goes on at %+v, discard %t", p, discard)
			}
		})
	}
}

func TestStartPlace(t *testing.T) {
	for _, c := range []struct {
		title  string
		after  domain.Offset
		info   streamInfo
		cursor entryID
		known  bool
		count  int64
		gap    bool
	}{
		{"from now on, no stream", "", streamInfo{}, entryID{}, true, 0, false},
		{"from now on", "", infoOf(5, 6, 20), at(20), true, 20, false},
		{"the beginning of what was never trimmed", "0-0", infoOf(0, 3, 20), entryID{}, true, 0, false},
		{"the last", "20-0", infoOf(5, 6, 20), at(20), true, 20, false},
		{"in the middle", "10-0", infoOf(5, 6, 20), at(10), false, 0, false},
		{"trimmed", "2-0", infoOf(5, 6, 20), at(6).before(), true, 5, true},
		{"trimmed to nothing", "2-0", streamInfo{added: 5, last: at(5)}, at(5), true, 5, true},
	} {
		p, gap := startPlace("s", c.after, c.info)
		if p.cursor != c.cursor || p.known != c.known || p.known && p.count != c.count || (gap != nil) != c.gap {
			t.Errorf("%s: starts at %+v with gap %+v", c.title, p, gap)
		}
	}
}

func TestOffsets(t *testing.T) {
	order := []domain.Offset{"", "0-1", "1-0", "1-1", "1-10", "2-0", "10-0", "18446744073709551615-18446744073709551615"}
	for i, a := range order {
		for j, b := range order {
			if got := compareOffsets(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("compare %q with %q: %d", a, b, got)
			}
		}
		if id, ok := parseID(a); ok && id.offset() != a {
			t.Errorf("%q came back as %q", a, id)
		}
	}
	for _, bad := range []string{"", "-", "1", "1-", "-1", "a-1", "1-1-1", "+1-1", "1_0-1", "18446744073709551616-0"} {
		if _, ok := parseID(bad); ok {
			t.Errorf("%q was taken for an id", bad)
		}
	}
	if n := testing.AllocsPerRun(100, func() { compareOffsets("1526919030474-55", "1526919030474-56") }); n != 0 {
		t.Errorf("comparing allocates %v times", n)
	}
}
