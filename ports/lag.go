package ports

// Lag is an optional ability of a Log: it tells how far its tails are behind.
type Lag interface {
	// Behind is how many entries the tail that is furthest behind, of those of this Log, has still to hand over, as of its
	// last look at the log. It asks nobody and does not block. False says that it is not known.
	Behind() (entries int64, known bool)
}
