package domain

// Offset is a position in the log. It is opaque text: only the transport that made it can read it, and only
// ports.Log.Compare can order two of them. Clients of recovery carry it, so it may come back from outside, changed or
// made up; a log says so instead of guessing.
//
// Today's transports write the id of one entry. An index into a packed entry, or one id a shard, fits as well.
//
// The zero Offset is no position: before everything where a reading begins, and "unknown" where a position is told.
type Offset string

// Epoch names one life of a log. It changes when the log is emptied, comes back older than it was, or is replaced;
// positions of two epochs have nothing to do with each other. The zero Epoch is unknown.
type Epoch string
