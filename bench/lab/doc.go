// Package lab is what the benchmarks have in common: programs under test in processes of their own, a Redis to themselves,
// what they use of the machine, and the figures that come of it.
package lab
