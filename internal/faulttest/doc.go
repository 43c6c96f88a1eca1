// Package faulttest holds tests of a whole cluster on a real Redis that fails: nodes publish, Redis or the network
// breaks, and afterwards a checker compares what publishers were told with what arrived at every node.
// docs/redis-failures.md has a row for each test.
package faulttest
