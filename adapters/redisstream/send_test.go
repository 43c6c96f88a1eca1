package redisstream

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roombus/roombus/adapters/watermill"
	"github.com/roombus/roombus/domain"
)

// flushOf is a flush of messages with the given numbers, that nobody sends.
func flushOf(t *testing.T, config Config, numbers ...uint64) *flush {
	t.Helper()
	config, err := config.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	p := newPublisher(nil, config)
	p.id = "fedcba9876543210"
	f := &flush{writer: &writer{publisher: p, stream: "s"}}
	for _, number := range numbers {
		e, err := p.outgoing(&watermill.Draft{
			Fields:  []watermill.Field{{Name: "uid", Value: "n"}, {Name: "nsp", Value: "/"}, {Name: "x", Value: "y"}},
			Payload: []byte("{}"),
		})
		if err != nil {
			t.Fatal(err)
		}
		e.sequence = number
		f.batch = append(f.batch, e)
	}
	f.live = slices.Clone(f.batch)
	return f
}

// commandsIn are the words of the commands that were written.
func commandsIn(t *testing.T, request []byte) (commands []string) {
	t.Helper()
	for r := (reply{rest: request}); len(r.rest) > 0; {
		n, err := r.list()
		if err != nil {
			t.Fatalf("a command in %q: %v", request, err)
		}
		var words []string
		for range n {
			word, err := r.bulk()
			if err != nil {
				t.Fatalf("a word in %q: %v", request, err)
			}
			words = append(words, string(word))
		}
		commands = append(commands, strings.Join(words, " "))
	}
	return commands
}

func TestTransactionIsWritten(t *testing.T) {
	const fields = "* uid n nsp / data {} x y pub fedcba9876543210 seq "
	for _, c := range []struct {
		config      Config
		first, last string
	}{
		{Config{}, "xadd s ", "xadd s maxlen ~ 10000 "},
		{Config{TrimExactly: true}, "xadd s ", "xadd s maxlen = 10000 "},
		{Config{TrimLimit: NoTrimLimit}, "xadd s ", "xadd s maxlen ~ 10000 limit 0 "},
		{Config{TrimLimit: 50}, "xadd s maxlen ~ 10000 limit 50 ", "xadd s maxlen ~ 10000 limit 50 "},
	} {
		f := flushOf(t, c.config, 4, 5, 6, 7)
		f.skipped = 3
		f.live = slices.Delete(f.live, 1, 3) // 5 and 6 were given up since
		want := []string{"multi", c.first + fields + "4 skip 3", c.last + fields + "7 skip 2", "exec"}
		for range 2 { // the second time in the memory of the first
			f.writeTransaction()
			if got := commandsIn(t, f.request); !slices.Equal(got, want) {
				t.Errorf("written:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}

func TestTrimmingByAgeMovesOn(t *testing.T) {
	f := flushOf(t, Config{Retention: time.Second}, 1)
	for last, oldest := range map[domain.Offset]string{"": "0", "5000-3": "4000-0", "9000-0": "8000-0"} {
		f.last = last
		f.writeTransaction()
		if got := commandsIn(t, f.request)[1]; !strings.HasPrefix(got, "xadd s minid ~ "+oldest+" * uid") {
			t.Errorf("after %q: %s, want what is older than %s to be removed", last, got, oldest)
		}
	}
}

func TestRetryIsWritten(t *testing.T) {
	f := flushOf(t, Config{TrimLimit: NoTrimLimit}, 1, 2)
	f.base = "7-1"
	f.writeRetry()
	const fields = "uid n nsp / data {} x y pub fedcba9876543210 seq "
	want := "eval " + retryScript + " 1 s (7-1 fedcba9876543210 5 maxlen ~ 10000 limit 0 1 12 " + fields + "1 2 12 " + fields + "2"
	if got := commandsIn(t, f.request); len(got) != 1 || got[0] != want {
		t.Errorf("written:\n%s\nwant:\n%s", got, want)
	}
}

func TestTransactionAnswers(t *testing.T) {
	const ok, queued, id1, id2, full = "+OK\r\n", "+QUEUED\r\n", "$3\r\n1-1\r\n", "$3\r\n1-2\r\n", "-OOM full\r\n"
	for _, c := range []struct {
		title, raw string
		want       string // of the two messages, and the refusal
	}{
		{"both are stored", ok + queued + queued + "*2\r\n" + id1 + id2, `["1-1" "1-2"] <nil>`},
		{"refused while queueing", ok + full + queued + "-EXECABORT Transaction discarded\r\n", `["" ""] OOM full`},
		{"refused as a whole", ok + queued + queued + "-READONLY a replica\r\n", `["" ""] READONLY a replica`},
		{"one is refused", ok + queued + queued + "*2\r\n" + id1 + full, `["1-1" ""] OOM full`},
		{"without MULTI they were executed one by one", "-NOPERM multi\r\n" + id1 + full + "-ERR EXEC without MULTI\r\n",
			`["1-1" ""] NOPERM multi`},
		{"no answer to EXEC", ok + queued + queued + "*-1\r\n", "unreadable"},
		{"too few answers", ok + queued + queued + "*1\r\n" + id1, "unreadable"},
		{"another type", ok + queued + ":1\r\n" + "*2\r\n" + id1 + id2, "unreadable"},
		{"an id without text", ok + queued + queued + "*2\r\n" + id1 + "$0\r\n\r\n", "unreadable"},
	} {
		f := flushOf(t, Config{}, 1, 2)
		refusal, err := f.readTransaction(&reply{rest: []byte(c.raw)})
		got := "unreadable"
		if err == nil {
			got = fmt.Sprintf("%q %v", []domain.Offset{f.answers[0].id, f.answers[1].id}, refusal)
		} else if isReply(err) {
			t.Errorf("%s: %v would be taken for a refusal", c.title, err)
		}
		if got != c.want {
			t.Errorf("%s: %s (%v), want %s", c.title, got, err, c.want)
		}
	}
}

// BenchmarkTransaction is what a publisher does for a message besides waking up its caller and the system's part of
// sending: it writes the words, the transaction, and reads the answers. The figures are those of a message.
func BenchmarkTransaction(b *testing.B) {
	config, err := Config{}.withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	p := newPublisher(nil, config)
	f := &flush{writer: &writer{publisher: p, stream: DefaultStream}}
	var d watermill.Draft
	draft(&d, mustEncode(b, broadcast(b, "an event of about a hundred bytes, as they are in a chat: somebody says something")))
	answers := []byte("+OK\r\n" + strings.Repeat("+QUEUED\r\n", maxFlush) + "*" + strconv.Itoa(maxFlush) + "\r\n" +
		strings.Repeat("$16\r\n1700000000000-12\r\n", maxFlush))
	b.ReportAllocs()
	for range b.N/maxFlush + 1 {
		f.batch = f.batch[:0]
		for i := range maxFlush {
			e, err := p.outgoing(&d)
			if err != nil {
				b.Fatal(err)
			}
			e.sequence = uint64(i + 1)
			f.batch = append(f.batch, e)
		}
		f.live = f.batch
		f.writeTransaction()
		if refusal, err := f.readTransaction(&reply{rest: answers}); err != nil || refusal != nil {
			b.Fatal(refusal, err)
		}
		for _, e := range f.batch {
			e.release()
			e.release()
		}
	}
}
