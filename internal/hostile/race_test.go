//go:build race

package hostile

// slower is how many times as long the race detector makes everything take.
const slower = 8
