// Package redisstream carries roombus' messages over Redis Streams (Redis 7.0 or later), in the entries of the
// Socket.IO "Redis Streams adapter" for Node.js, so that Go nodes and Node.js servers share one cluster
// (docs/wire-format.md). [New] and [Connect] make the ports: a log, a channel over it, sessions. Its [Publisher] and
// [Subscriber] are Watermill's two interfaces, and work in any Watermill router.
//
// # Delivery
//
// A publish ends in one of three ways: the entry's id; domain.ErrNotPublished, when the message is not in the stream
// and never will be; domain.ErrUnknown, when the deadline passed with an answer outstanding. Inside the deadline it is
// tried again, and never makes a second entry: before another attempt the old connection is ended (CLIENT KILL), so
// that nothing in flight can land later, and then a script appends only what is not there. Where CLIENT KILL is not
// allowed, an attempt without an answer is not repeated. A volatile message is sent once.
//
// A reader gets every entry once. What was trimmed before it was read is told, with its number (domain.Gap); a stream
// that was emptied or came back older is told (domain.Reset), to all readers of it, with one name for the new epoch,
// which stands in a key beside the stream. An entry that cannot be read, or whose handler panics,
// costs that entry, and is told (domain.BadEntry). So is, once and without an offset, that Redis refuses to be read.
//
// With Config.PubSub requests and answers have a lane of their own, on Redis' PUB/SUB, as in the 0.3 line of the
// Node.js adapter. What is sent there is sent once at the most, and reaches who listens; a listener ends its lost
// connection at the server before it subscribes again, because peers count subscribers, and probes an idle one. What
// cannot be read there costs itself alone, and is told (domain.BadEntry).
//
// # Ordering
//
// All readers of a stream see the same order. What one publisher is given one after the other is stored in that order:
// what waits goes out together, in one transaction, and nothing overtakes it while its outcome is not known.
//
// # Resume
//
// A tail begins after any entry id, or at the end of the stream, which is looked up before Tail returns. It mends a
// lost connection by itself, with jittered back-off, for as long as it takes, and goes on after the last entry that it
// handed over. A session is saved by comparing its owner, and claimed by renaming it, in scripts.
//
// # Concurrency
//
// Everything may be used from many goroutines. A tail calls its handler from one goroutine of its own; it must not
// block. Each stream that is published to has a goroutine and a connection, each tail as well, and each namespace in
// which a node listens (two for sharded PUB/SUB); the rest shares a client.
//
// # Rights
//
// A Redis user needs no more than this, for the default names:
//
//	ACL SETUSER roombus on >password resetchannels -@all ~socket.io ~{socket.io}:epoch ~{socket.io}:readers
//	  ~sio:session:* ~{sio:session:*
//	  +ping +hello +auth +client|info +client|kill +info +xadd +xread +xrange +xinfo|stream
//	  +multi +exec +eval +evalsha +get +set +del +exists +rename +renamenx
//	  +hset +hgetall +hdel +pexpire
//
// and in a Redis Cluster also +cluster|slots, +cluster|shards and +asking. Without client|info and client|kill a publish whose
// answer is lost is not tried again; without info the version is not checked; without the last line and the key of
// readers, publishers wait for slow readers of their own process alone.
// With Config.PubSub it needs the lane's channels and commands too, for the default prefix and each mode:
//
//	&socket.io#* +publish +subscribe +unsubscribe +pubsub|numsub
//	&socket.io#* +spublish +ssubscribe +sunsubscribe +pubsub|shardnumsub
//
// # Close
//
// Close waits for what was handed over to have its outcome, ends the tails and the listeners, and closes what was opened
// here: never a client that was passed in.
package redisstream
