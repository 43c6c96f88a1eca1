package watermill

import "hash/maphash"

// nameCache gives back the same string for the same bytes: a stream names the same rooms again and again. A name is
// forgotten when another one takes its place, so its size is bounded. It is for one goroutine at a time.
type nameCache [256]string

// maxCachedName bounds what a cache holds on to, in bytes a name.
const maxCachedName = 64

var nameSeed = maphash.MakeSeed()

func (c *nameCache) text(name []byte) string {
	if len(name) > maxCachedName {
		return string(name)
	}
	kept := &c[maphash.Bytes(nameSeed, name)%uint64(len(c))]
	if *kept != string(name) {
		*kept = string(name)
	}
	return *kept
}
