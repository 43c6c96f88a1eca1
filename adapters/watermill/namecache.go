package watermill

import (
	"hash/maphash"

	"github.com/roombus/roombus/domain"
)

// nameCache gives back the same string for the same bytes: a stream names the same rooms again and again. A name is
// forgotten when another one takes its place, so its size is bounded. It is for one goroutine at a time.
//
// It keeps headers likewise: a publisher that records no trace says the same with each message.
type nameCache struct {
	names   [256]string
	headers [16]domain.Headers
}

// maxCachedName bounds what a cache holds on to, in bytes a name.
const maxCachedName = 64

var nameSeed = maphash.MakeSeed()

func (c *nameCache) text(name []byte) string {
	if len(name) > maxCachedName {
		return string(name)
	}
	kept := &c.names[maphash.Bytes(nameSeed, name)%uint64(len(c.names))]
	if *kept != string(name) {
		*kept = string(name)
	}
	return *kept
}

// sameHeaders are headers of these fields, of which there is at least one.
func (c *nameCache) sameHeaders(fields []Field) domain.Headers {
	size := 0
	for _, field := range fields {
		size += len(field.Name) + len(field.Value)
	}
	if size > maxCachedHeaders {
		return makeHeaders(fields, nil)
	}
	kept := &c.headers[maphash.String(nameSeed, fields[0].Value)%uint64(len(c.headers))]
	same := len(*kept) == len(fields)
	for i := 0; same && i < len(fields); i++ {
		value, ok := (*kept)[fields[i].Name]
		same = ok && value == fields[i].Value
	}
	if !same {
		*kept = makeHeaders(fields, nil)
	}
	return *kept
}

// maxCachedHeaders bounds what a cache holds on to, in bytes a message's headers.
const maxCachedHeaders = 256
