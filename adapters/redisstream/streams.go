package redisstream

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/roombus/roombus/domain"
)

// streamOf is the stream of a namespace. With several streams it is what the 0.3 line of the Node.js adapter computes
// for its streamCount: a hash with the multiplier 31 over UTF-16 code units in wrapping signed arithmetic, and a
// remainder that keeps the sign. So names such as `socket.io--3` come about, which Node.js writes and never reads
// (case 24 of docs/guarantees.md).
func (c Config) streamOf(namespace string) string {
	if c.Streams == 1 {
		return c.Stream
	}
	var hash int32
	for _, unit := range utf16.Encode([]rune(namespace)) {
		hash = 31*hash + int32(unit)
	}
	number := int(hash) % c.Streams
	if number < 0 && c.NonNegativeStreams {
		number += c.Streams
	}
	return c.numbered(number)
}

func (c Config) numbered(number int) string { return c.Stream + "-" + strconv.Itoa(number) }

// streams are the streams that streamOf can return: all that a tail reads.
func (c Config) streams() []string {
	if c.Streams == 1 {
		return []string{c.Stream}
	}
	var names []string
	for number := range c.Streams {
		names = append(names, c.numbered(number))
		if number > 0 && !c.NonNegativeStreams {
			names = append(names, c.numbered(-number))
		}
	}
	return names
}

// Positions are positions in several streams, by their names: what a reader of all of them keeps in order to go on
// later. They are told with each entry (its Stream and Offset) and each domain.AtTail (its Stream and Cursor).
type Positions map[string]domain.Offset

// Offset is one Offset for all of them, from which the log of a transport with several streams can be read on. It must
// have a position for each of its streams. The text is `name@id,name@id`, the names escaped as in a URL's query.
func (p Positions) Offset() domain.Offset {
	var text strings.Builder
	for _, stream := range slices.Sorted(maps.Keys(p)) {
		if text.Len() > 0 {
			text.WriteByte(',')
		}
		text.WriteString(url.QueryEscape(stream) + "@" + string(p[stream]))
	}
	return domain.Offset(text.String())
}

// position is where to begin in one stream.
type position struct {
	id entryID
	// none says that it is "from now on", or the beginning of a range.
	none bool
	// foreign says that the id may be one of another stream: all that it says of this one is a time.
	foreign bool
}

// positionIn reads what an offset means in one stream. Among several streams an entry's id is taken for a time, which
// is the same in all streams of one server; Positions say more.
func (c Config) positionIn(after domain.Offset, stream string) (position, error) {
	if after == "" {
		return position{none: true}, nil
	}
	if id, ok := parseID(after); ok {
		return position{id: id, foreign: c.Streams > 1}, nil
	}
	if c.Streams == 1 {
		return position{}, domain.ErrBadOffset
	}
	var at position
	found := false
	for one := range strings.SplitSeq(string(after), ",") {
		escaped, text, _ := strings.Cut(one, "@")
		id, ok := parseID(text)
		name, err := url.QueryUnescape(escaped)
		if !ok || err != nil {
			return position{}, domain.ErrBadOffset
		}
		if name == stream {
			at, found = position{id: id}, true
		}
	}
	if !found {
		return position{}, fmt.Errorf("%w: it has no position in the stream %s", domain.ErrBadOffset, stream)
	}
	return at, nil
}

// start is the offset at which a tail begins. Behind the end of another stream than its own, an id means the end.
func (p position) start(info streamInfo) domain.Offset {
	switch {
	case p.none:
		return ""
	case p.foreign && p.id.compare(info.last) > 0:
		return info.last.offset()
	default:
		return p.id.offset()
	}
}
