// Package watermill carries roombus' messages over any Watermill publisher and subscriber: a codec between
// [domain.Message] and Watermill's message, and the ports on top of it. Another broker is a page of code: hand its
// publisher and subscriber to [NewLog].
//
// The message's metadata are the fields of the Socket.IO "Redis Streams adapter" for Node.js, its payload is that
// adapter's data: JSON text, or msgpack where the value contains binary (docs/wire-format.md).
//
// # Abilities
//
// A Watermill publisher takes no deadline and tells no position; a subscriber knows neither batches nor positions, and
// is acknowledged message by message. Where the two can do more they say so by small interfaces, found when the Log is
// made: [Appender] (a context, a number and a position for what is published), [Tailer] (batches, positions, notices),
// [Replayer] and [Comparer]. adapters/redisstream has them all.
//
// # Delivery
//
// With the abilities: what they promise. Without: what the Pub/Sub promises. The Log numbers what it publishes, so
// that a receiver can drop what comes twice and can tell what is missing. A message that cannot be decoded costs
// itself alone, and is reported (domain.BadEntry).
//
// # Ordering
//
// With an Appender: its own. Without: the Log publishes one message of a topic at a time, so that its numbers are in
// order; the order between publishers is the Pub/Sub's.
//
// # Resume
//
// With a Tailer a tail begins after any position, and resumes by itself. Without, positions count what this process
// has read of a topic since the Log was made: a tail begins now, nothing can be replayed, and what was published while
// a subscription was broken is lost with a notice (domain.Gap, of unknown size).
//
// # Concurrency
//
// All methods may be called from many goroutines. A tail calls its handler one call at a time for a topic.
//
// # Close
//
// A tail's Close returns when its handler will not be called again. The Log never closes the publisher and the
// subscriber that it was given.
package watermill
